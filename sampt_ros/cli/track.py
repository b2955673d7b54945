"""`sampt track`: track objects through a video, and write masks, point tracks and pictures."""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path
from typing import Any

from tqdm import tqdm

from sampt_ros.cli import common
from sampt_ros.cli.options.outputs import Outputs, Summary, add_outputs
from sampt_ros.cli.options.prompts import prompt_files
from sampt_ros.config.options import updated
from sampt_ros.errors import SourceError
from sampt_ros.io.export import EXPORTERS
from sampt_ros.io.result_folder import ResultFolder
from sampt_ros.io.video import FrameSource, open_source
from sampt_ros.io.writing import uninterrupted
from sampt_ros.streaming.offline.video_tracker import VideoTracker
from sampt_ros.tracking.sam_pt import SamPt

# Files and folders that a run may replace in its --out folder, so that it cannot read them.
_REPLACED = (
    *ResultFolder.WRITTEN,
    *(f"{folder}/{name}" for folder, exporter in EXPORTERS.items() for name in exporter.WRITTEN),
)


def add(commands: Any) -> None:
    """Add the command to a parser's subcommands."""
    parser = common.add_command(
        commands,
        "track",
        _run,
        "track objects through a video, image folder or camera",
        """
        Say what to track with at least one --point, --box or --mask, in pixels of the first frame: x to the right, y
        down. Or give a picture of it, with --reference and --reference-mask; the object is LOST until it is found.
        Prompts with the same object number start one object together; without a number they belong to object 1.

        Objects that start later: the prompts after --start FRAME are for that frame, until the next --start. Frames
        count from 0. --masks FOLDER starts each object in the first frame whose mask shows it. Files of --query-points
        give the frame of each object themselves. If an object cannot be started in a later frame, it is left out with
        a warning; in the first frame, the run ends with an error.
        With --both-ways every object is also tracked backwards from its start to the first frame. This happens first,
        beginning at the last start; then the video is tracked forwards and the results are written. At most 512 MiB of
        frames are held in memory, so a longer video is decoded several times.

        examples:
          sampt track cups.mp4 --point 320,240
          sampt track cups.mp4 --point 320,240,1,1 --point 500,260,0,1 --box 40,60,180,220,2
          sampt track frames/ --mask first.png --set reinit.horizon=16
          sampt track 'frames/*-color.jpg' --point 320,240
          sampt track cups.mp4 --reference my_cup.jpg --reference-mask my_cup_mask.png
          sampt track cups.mp4 --point 320,240 --start 120 --point 500,260,1,2 --both-ways
          sampt track JPEGImages/VIDEO --masks Annotations/VIDEO
          sampt track cups.mp4 --point 320,240 --export coco --names 1=cup

        Written to the --out folder, where an earlier run's files are replaced:
          labels/00000.png   object id per pixel, 0 background
          tracks.csv         the points of every frame; with --both-ways, points before an object's start have other ids
          objects.csv        state, score, area and box of every object and frame
          overlay.mp4        masks and points drawn over the video
          contact_sheet.png  12 frames of the overlay
          coco/              with --export coco: images/, annotations.json (COCO), labels/ and data.yaml (YOLO polygons)
        Ctrl-C ends the run; the results up to that frame are complete.
        """,
    )
    argument = parser.add_argument
    argument(
        "source", type=common.source, metavar="SOURCE", help="video file, image folder or pattern, or camera number"
    )
    common.add_prompts(parser, masks=True)
    argument("--both-ways", action="store_true", help="track backwards from each object's start too; not with a camera")
    argument(
        "--out",
        type=common.path,
        default=Path("sampt_out"),
        metavar="FOLDER",
        help="where results go (default: sampt_out)",
    )
    argument("--max-frames", type=common.count, metavar="N", help="stop after N frames")
    argument("--random-weights", action="store_true", help="run a preset without its weights, to test that it runs")
    add_outputs(parser, common.path)
    common.add_config(parser)


def _run(parsed: argparse.Namespace) -> int:
    track(parsed, print_text=True).require_objects()
    return 0


def track(parsed: argparse.Namespace, print_text: bool = False) -> Summary:
    """Run the command with its parsed arguments; returns a summary, which has no masks if no object was started.

    print_text  whether to print the summary, also if an error or Ctrl-C ends the run after some frames

    Raises SamPtError.
    """
    config = common.config(parsed)
    _require_kept(parsed.out, "SOURCE", Path(parsed.source))
    if parsed.truth:
        _require_kept(parsed.out, "--truth", parsed.truth)
    for option, path in prompt_files(parsed.prompts):
        _require_kept(parsed.out, option, path)
    if parsed.random_weights:
        config = updated(config, {"random_weights": True})
    with open_source(parsed.source) as source:
        starts = common.starts(parsed, source.names)
        with (
            Outputs(parsed, parsed.out, starts, source.names) as outputs,
            VideoTracker(SamPt(config), starts) as tracker,
        ):
            if parsed.both_ways:
                for _ in tqdm(
                    tracker.track_backwards(source, parsed.max_frames), "backwards", unit="frame", disable=None
                ):
                    pass
            recorder = ResultFolder(parsed.out, source.fps, source.seconds)
            try:
                _record(tracker, source, recorder, outputs, parsed.max_frames)
            finally:
                summary = _summary(recorder, tracker, source, outputs)
                if recorder.frames and print_text:
                    print(summary.text)
    return summary


def _require_kept(out: Path, option: str, given: Path) -> None:
    """Raise SourceError for files that are read while the results in `out` take their place."""
    path = given.resolve()
    if {path, *path.parents} & {(out / name).resolve() for name in _REPLACED}:
        raise SourceError(
            f"{option}: expected files that stay; the results in {out} replace {given}: name another --out"
        )


def _record(
    tracker: VideoTracker, source: FrameSource, recorder: ResultFolder, outputs: Outputs, max_frames: int | None
) -> None:
    """Track forwards and write every frame, at most `max_frames`."""
    lengths = [length for length in (source.length, max_frames) if length]
    frames = itertools.islice(source.numbered(), max_frames)
    progress = tqdm(frames, total=min(lengths, default=None), unit="frame", disable=None)
    with recorder, progress:
        for image, result in tracker.track(progress):
            with uninterrupted():  # A frame is in all files, or in none.
                recorder.add(image, result)
                outputs.add(image, result)


def _summary(recorder: ResultFolder, tracker: VideoTracker, source: FrameSource, outputs: Outputs) -> Summary:
    objects = len(tracker.started)
    tracked = common.tracking_summary(recorder.frames, recorder.seconds, recorder.masks)
    counts = ((source.skipped, "skipped"), (tracker.dropped, "dropped"))
    omitted = ", ".join(f"{count} {what}" for count, what in counts if count)
    frames = f"{recorder.frames} frames ({omitted})" if omitted else f"{recorder.frames} frames"
    text = (
        f"{recorder.folder}: labels, tracks, overlay and contact sheet of {frames}, "
        f"{objects} object{'' if objects == 1 else 's'}{tracked}{outputs.text}"
    )
    dropped = source.skipped + tracker.dropped
    return Summary(recorder.frames, dropped, recorder.seconds, recorder.masks, outputs.j, text)
