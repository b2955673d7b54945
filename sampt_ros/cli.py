"""The `sampt` command: the tracker on files and cameras, without ROS."""

from __future__ import annotations

import argparse
import itertools
import json
import re
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from tqdm import tqdm

from sampt_ros import benchmark, doctor, overlay, stills
from sampt_ros.config import SamPtConfig, load_preset
from sampt_ros.errors import ConfigError, SamPtError
from sampt_ros.evaluation import Score, Watcher, davis_sequences, evaluate_sequence
from sampt_ros.sam_pt import SamPt
from sampt_ros.structures import FrameResult
from sampt_ros.track import Recorder, parse_starts, track
from sampt_ros.video import open_source, write_image

_ERROR, _INTERRUPTED = 2, 130  # exit statuses


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `sampt` with these arguments (default: the command line's) and return its exit status."""
    parsed = _parser().parse_args(arguments)
    try:
        return parsed.run(parsed)
    except SamPtError as error:
        print(f"sampt: error: {' '.join(str(error).split())}", file=sys.stderr)
        return _ERROR
    except ImportError as error:  # what only some presets need
        print(f"sampt: error: {error}; `sampt doctor` says what to install", file=sys.stderr)
        return _ERROR
    except KeyboardInterrupt:
        print("sampt: interrupted", file=sys.stderr)
        return _INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sampt", description="Point at an object, get its mask in every frame of a video. No ROS needed."
    )
    commands = parser.add_subparsers(title="commands", dest="command", required=True)
    for add in (_add_track, _add_evaluate, _add_benchmark, _add_doctor):
        add(commands)
    return parser


def _add_track(commands: Any) -> None:
    parser = _add_command(
        commands,
        "track",
        _track,
        "track objects through a video, image folder or camera",
        """
        At least one --point, --box or --mask says what to track, in pixels of the first frame: x to the right, y down.
        Prompts with the same object number start one object together; without a number they belong to object 1.

        examples:
          sampt track cups.mp4 --point 320,240
          sampt track cups.mp4 --point 320,240,1,1 --point 500,260,0,1 --box 40,60,180,220,2
          sampt track frames/ --mask first.png --set reinit.horizon=16

        Written to the --out folder, where an earlier run's files are replaced:
          labels/00000.png   object id per pixel, 0 background
          tracks.csv         the points of every frame
          objects.csv        state, score, area and box of every object and frame
          overlay.mp4        masks and points drawn over the video
          contact_sheet.png  12 frames of it
        Ctrl-C ends the run; what is written until then is complete.
        """,
    )
    add = parser.add_argument
    add("source", metavar="SOURCE", help="video file, image folder, or camera number")
    add(
        "--point", action="append", default=[], metavar="X,Y[,LABEL][,OBJECT]", help="LABEL 1: on the object, 0: off it"
    )
    add("--box", action="append", default=[], metavar="X_MIN,Y_MIN,X_MAX,Y_MAX[,OBJECT]", help="a box around an object")
    add(
        "--mask",
        action="append",
        default=[],
        metavar="FILE[,OBJECT]",
        help="PNG, nonzero on the object; with several labels and no OBJECT, each is an object",
    )
    add("--out", type=Path, default=Path("sampt_out"), metavar="FOLDER", help="where results go (default: sampt_out)")
    add("--max-frames", type=_count, metavar="N", help="stop after N frames")
    _add_config(parser)


def _track(parsed: argparse.Namespace) -> int:
    starts = parse_starts(parsed.point, parsed.box, parsed.mask)
    config = _config(parsed)
    with open_source(parsed.source) as source:
        sam_pt = SamPt(config)
        recorder = Recorder(parsed.out, source.fps)
        lengths = [length for length in (source.length, parsed.max_frames) if length]
        images = itertools.islice(source, parsed.max_frames)
        progress = tqdm(images, total=min(lengths, default=None), unit="frame", disable=None)
        try:
            with recorder, progress:
                for image, result in track(sam_pt, progress, starts):
                    recorder.add(image, result)
        finally:
            if recorder.frames:
                print(_track_summary(recorder, len(starts), source.skipped))
    return 0


def _track_summary(recorder: Recorder, objects: int, skipped: int) -> str:
    rate = recorder.frames / max(recorder.seconds, 1e-9)
    unread = f" ({skipped} unreadable)" if skipped else ""
    return (
        f"{recorder.folder}: labels, tracks, overlay and contact sheet of {recorder.frames} frames{unread}, "
        f"{objects} object{'s' if objects > 1 else ''}; tracking alone ran at {rate:.1f} frames/s; "
        + ", ".join(f"object {name} has a mask in {count}" for name, count in recorder.masks.items())
    )


def _add_evaluate(commands: Any) -> None:
    parser = _add_command(
        commands,
        "evaluate",
        _evaluate,
        "measure mask quality on videos or single pictures with true masks",
        """
        Videos, if there is FOLDER/JPEGImages/480p (DAVIS): frames are FOLDER/JPEGImages/480p/SEQUENCE/*.jpg,
        annotations FOLDER/Annotations/480p/SEQUENCE/*.png: 0/255 for one object, or object ids (grey or palette; 255
        is void). All objects of the first frame are tracked.

        J is region similarity, F boundary accuracy, J&F their mean, 0 to 1. The first and the last frame are not
        scored, as in the DAVIS benchmark. A sequence has the mean of its objects; the last row is the mean of the
        sequences. Frames/s count tracking alone, not the reading of files nor the scoring.

        Stills, if there are FOLDER/OBJECT/*_mask.png: pictures are FOLDER/OBJECT/NN.jpg, masks
        FOLDER/OBJECT/NN_mask.png, nonzero on the object. Each picture is segmented by itself, from clicks. A row is an
        object's mean IoU with the true masks after 1, 2, ... clicks, where a refused mask counts as empty; the last
        row is the mean of the objects' means. Below it: Pearson's correlation of the predicted IoU (the score) and
        the true one, over all pictures and clicks that brought a mask.
        """,
    )
    add = parser.add_argument
    add("folder", type=Path, metavar="FOLDER", help="a folder in the DAVIS layout, or of stills")
    add("--sequences", type=_words, default=[], metavar="A,B", help="only these sequences or objects (default: all)")
    add(
        "--clicks",
        type=_count,
        metavar="N",
        help="start from N clicks on the first frame: the most interior point of the true mask, then the middle of the "
        "largest error each time, on the object or off it (default: start from the true mask; for stills "
        f"{stills.DEFAULT_CLICKS} clicks)",
    )
    add("--json", type=Path, metavar="FILE", help="write the scores there too")
    add("--pictures", type=Path, metavar="FOLDER", help="write a contact sheet per sequence or object there")
    _add_config(parser)


def _evaluate(parsed: argparse.Namespace) -> int:
    return (_evaluate_stills if stills.is_stills_folder(parsed.folder) else _evaluate_sequences)(parsed)


def _evaluate_sequences(parsed: argparse.Namespace) -> int:
    sequences = davis_sequences(parsed.folder, parsed.sequences)
    sam_pt = SamPt(_config(parsed))
    width = max(len("sequence"), *(len(sequence.name) for sequence in sequences))
    print(f"{'sequence':{width}}      J      F    J&F  frames/s")
    scores: dict[str, Score] = {}
    for sequence in tqdm(sequences, unit="sequence", leave=False, disable=None):
        sheet = overlay.ContactSheet()
        scores[sequence.name] = evaluate_sequence(
            sam_pt, sequence, parsed.clicks or 0, _drawing_on(sheet) if parsed.pictures else None
        )
        tqdm.write(_score_row(sequence.name, scores[sequence.name], width))
        if parsed.pictures:
            write_image(parsed.pictures / f"{sequence.name}.png", sheet.image())
    mean = Score.mean(list(scores.values()))
    print(_score_row("mean", mean, width))
    if parsed.json:
        rows = {name: _score_fields(score) for name, score in scores.items()}
        _write_json(parsed.json, {"sequences": rows, "mean": _score_fields(mean)})
    return 0


def _drawing_on(sheet: overlay.ContactSheet, captions: Sequence[str] = ()) -> Watcher:
    def draw(image: np.ndarray, result: FrameResult) -> None:
        caption = captions[result.index] if captions else ""
        sheet.add(result.index, overlay.draw(image, result), caption)

    return draw


def _score_row(name: str, score: Score, width: int) -> str:
    return f"{name:{width}}  {score.j:.3f}  {score.f:.3f}  {score.jf:.3f}  {score.fps:8.1f}"


def _score_fields(score: Score) -> dict[str, float]:
    return {"j": score.j, "f": score.f, "jf": score.jf, "fps": score.fps}


def _evaluate_stills(parsed: argparse.Namespace) -> int:
    objects = stills.stills_objects(parsed.folder, parsed.sequences)
    sam_pt = SamPt(_config(parsed))
    clicks = parsed.clicks or stills.DEFAULT_CLICKS
    width = max(len("object"), *(len(item.name) for item in objects))
    print(f"{'object':{width}}  {stills.table_head(clicks)}")
    scores: dict[str, stills.StillsScore] = {}
    for item in tqdm(objects, unit="object", leave=False, disable=None):
        sheet = overlay.ContactSheet(len(item.pictures))
        watch = _drawing_on(sheet, [path.stem for path in item.pictures]) if parsed.pictures else None
        scores[item.name] = stills.evaluate_stills(sam_pt, item, clicks, watch)
        tqdm.write(f"{item.name:{width}}  {scores[item.name].row()}")
        if parsed.pictures:
            write_image(parsed.pictures / f"{item.name}.png", sheet.image())
    mean = stills.StillsScore.mean(list(scores.values()))
    print(f"{'mean':{width}}  {mean.row()}")
    correlation = "none, too few or equal values" if mean.correlation is None else f"{mean.correlation:.3f}"
    print(f"correlation of predicted and true IoU: {correlation} ({len(mean.ratings)} masks)")
    if parsed.json:
        rows = {name: score.fields() for name, score in scores.items()}
        _write_json(parsed.json, {"objects": rows, "mean": mean.fields()})
    return 0


def _add_benchmark(commands: Any) -> None:
    parser = _add_command(
        commands,
        "benchmark",
        _benchmark,
        "measure speed by stage, and memory",
        """
        Tracks disks through a made-up scene, for every combination of sizes, objects and points. Times are milliseconds
        per frame, "median / 95th percentile"; memory is the peak of the whole process up to there. Where "tracked" is
        not near 100%, objects were lost on the way and the times are too good.
        """,
    )
    add = parser.add_argument
    add("--objects", type=_counts, default=[1, 2, 5], metavar="N,N", help="objects (default: 1,2,5)")
    add("--points", type=_counts, default=[8], metavar="N,N", help="points drawn on each object (default: 8)")
    sizes = [(640, 480), (1280, 720)]
    add("--sizes", type=_sizes, default=sizes, metavar="WxH,WxH", help="image sizes (default: 640x480,1280x720)")
    add("--frames", type=_count, default=60, metavar="N", help="frames measured (default: 60)")
    add("--warmup", type=_count, default=10, metavar="N", help="frames before that (default: 10)")
    add("--json", type=Path, metavar="FILE", help="write the numbers there too")
    _add_config(parser)


def _benchmark(parsed: argparse.Namespace) -> int:
    sam_pt = SamPt(_config(parsed))
    machine = benchmark.machine()
    print(f"{machine}; preset {parsed.preset}")
    cases = [benchmark.Case(*case) for case in itertools.product(parsed.sizes, parsed.objects, parsed.points)]
    progress = tqdm(cases, unit="case", leave=False, disable=None)
    measurements = [benchmark.measure(sam_pt, case, parsed.frames, parsed.warmup) for case in progress]
    print(benchmark.table(measurements))
    if parsed.json:
        rows = [measurement.fields() for measurement in measurements]
        _write_json(parsed.json, {"machine": machine, "preset": parsed.preset, "frames": parsed.frames, "cases": rows})
    return 0


def _add_doctor(commands: Any) -> None:
    _add_command(
        commands,
        "doctor",
        _doctor,
        "say what is installed, what is missing, and what to do",
        "The exit status is 0 unless something is missing that the default preset needs.",
    )


def _doctor(parsed: argparse.Namespace) -> int:
    checks = doctor.examine()
    print(doctor.report(checks))
    return 0 if doctor.is_healthy(checks) else 1


def _add_command(
    commands: Any, name: str, run: Callable[[argparse.Namespace], int], summary: str, details: str
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=textwrap.dedent(details).strip(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    return parser


def _add_config(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--preset", default="default", metavar="NAME", help="a preset, or a .yaml file (default: default)")
    add("--set", action="append", default=[], metavar="NAME=VALUE", help="a parameter: reinit.horizon=16; repeatable")


def _config(parsed: argparse.Namespace) -> SamPtConfig:
    return load_preset(parsed.preset, _settings(parsed.set))


def _settings(pairs: Sequence[str]) -> dict[str, Any]:
    """`NAME=VALUE` pairs as parameters, the values read as YAML scalars; raises ConfigError."""
    settings = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not (name and separator):
            raise ConfigError(f"--set: expected NAME=VALUE, such as reinit.horizon=16; got {pair!r}")
        try:
            settings[name] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise ConfigError(f"--set {name}: expected a YAML value; got {value!r}") from None
    return settings


def _words(text: str) -> list[str]:
    return [word for word in text.split(",") if word]


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 on; got {text!r}")
    return int(text)


def _counts(text: str) -> list[int]:
    return [_count(word) for word in text.split(",")]


def _sizes(text: str) -> list[benchmark.Size]:
    matches = [re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", word) for word in text.split(",")]
    if None in matches:
        raise argparse.ArgumentTypeError(f"expected sizes such as 640x480,1280x720; got {text!r}")
    return [(int(match[1]), int(match[2])) for match in matches if match]


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=2) + "\n")
    except OSError as error:
        raise SamPtError(f"cannot write {path}: {error.strerror}") from None
