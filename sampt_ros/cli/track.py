"""`sampt track`: objects through a video, with masks, tracks and pictures written."""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path
from typing import Any

from tqdm import tqdm

from sampt_ros.cli import common
from sampt_ros.io.result_folder import Recorder
from sampt_ros.io.video import open_source
from sampt_ros.streaming.failures import FRAMES
from sampt_ros.streaming.stream import Stream, track
from sampt_ros.tracking.sam_pt import SamPt


def add(commands: Any) -> None:
    """Add the command to the parser's."""
    parser = common.add_command(
        commands,
        "track",
        _run,
        "track objects through a video, image folder or camera",
        """
        At least one --point, --box or --mask says what to track, in pixels of the first frame: x to the right, y down.
        Or a picture of it: --reference and --reference-mask; it is LOST until it is found.
        Prompts with the same object number start one object together; without a number they belong to object 1.

        examples:
          sampt track cups.mp4 --point 320,240
          sampt track cups.mp4 --point 320,240,1,1 --point 500,260,0,1 --box 40,60,180,220,2
          sampt track frames/ --mask first.png --set reinit.horizon=16
          sampt track 'frames/*-color.jpg' --point 320,240
          sampt track cups.mp4 --reference my_cup.jpg --reference-mask my_cup_mask.png

        Written to the --out folder, where an earlier run's files are replaced:
          labels/00000.png   object id per pixel, 0 background
          tracks.csv         the points of every frame
          objects.csv        state, score, area and box of every object and frame
          overlay.mp4        masks and points drawn over the video
          contact_sheet.png  12 frames of it
        Ctrl-C ends the run; what is written until then is complete.
        """,
    )
    argument = parser.add_argument
    argument("source", metavar="SOURCE", help="video file, image folder or pattern, or camera number")
    common.add_prompts(parser)
    argument(
        "--out", type=Path, default=Path("sampt_out"), metavar="FOLDER", help="where results go (default: sampt_out)"
    )
    argument("--max-frames", type=common.count, metavar="N", help="stop after N frames")
    common.add_config(parser)


def _run(parsed: argparse.Namespace) -> int:
    starts = common.starts(parsed)
    config = common.config(parsed)
    with open_source(parsed.source) as source:
        stream = Stream.of_recording(SamPt(config), starts)
        recorder = Recorder(parsed.out, source.fps)
        lengths = [length for length in (source.length, parsed.max_frames) if length]
        images = itertools.islice(source, parsed.max_frames)
        progress = tqdm(images, total=min(lengths, default=None), unit="frame", disable=None)
        try:
            with recorder, progress:
                for image, result in track(stream, progress):
                    recorder.add(image, result)
        finally:
            if recorder.frames:
                print(_track_summary(recorder, len(starts), source.skipped, stream.statistics[FRAMES]))
    return 0


def _track_summary(recorder: Recorder, objects: int, unreadable: int, dropped: int) -> str:
    tracked = common.tracked(recorder.frames, recorder.seconds, recorder.masks)
    lost = ", ".join(f"{count} {what}" for count, what in ((unreadable, "unreadable"), (dropped, "dropped")) if count)
    frames = f"{recorder.frames} frames ({lost})" if lost else f"{recorder.frames} frames"
    return (
        f"{recorder.folder}: labels, tracks, overlay and contact sheet of {frames}, "
        f"{objects} object{'s' if objects > 1 else ''}; {tracked}"
    )
