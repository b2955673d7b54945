"""`sampt evaluate`: measure the quality of masks or points against ground truth."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from sampt_ros.cli import common
from sampt_ros.cli.options.workers import add_workers, workers_for
from sampt_ros.config.core import SamPtConfig
from sampt_ros.data_types import FrameResult
from sampt_ros.errors import SamPtError
from sampt_ros.evaluation.layouts import annotated_sequences
from sampt_ros.evaluation.layouts.davis import davis_sequences
from sampt_ros.evaluation.layouts.sequences import AnnotatedSequence
from sampt_ros.evaluation.mask_scores import MaskScore
from sampt_ros.evaluation.masks import Watcher, evaluate_sequence
from sampt_ros.evaluation.points import evaluate_joints, evaluate_static_points, joint_sequences
from sampt_ros.evaluation.reacquisition import Interruption, ReacquisitionScore, evaluate_reacquisition
from sampt_ros.evaluation.scores import SomeScore, Table
from sampt_ros.evaluation.stills import (
    DEFAULT_CLICKS,
    Stills,
    StillsScore,
    evaluate_stills,
    is_stills_folder,
    stills_objects,
)
from sampt_ros.fleet.workers import TaskError, ThisProcess
from sampt_ros.io import overlay
from sampt_ros.io.image_files import write_image
from sampt_ros.io.rgbd_recording import Recording, is_rgbd_folder
from sampt_ros.io.writing import require_writable
from sampt_ros.point_trackers import build_point_tracker
from sampt_ros.tracking.sam_pt import SamPt

_DETAILS = """
FOLDER has videos in one of three layouts. Annotations are PNGs named like their frames: 0/255 for one object, or
object ids (grey or palette; 255 is void).

  DAVIS (2016, 2017): FOLDER/JPEGImages/480p/SEQUENCE/*.jpg, FOLDER/Annotations/480p/SEQUENCE/*.png, one for
  every frame. All objects of the first frame are tracked; the first and the last frame are not scored. If
  FOLDER/ImageSets/2017/val.txt exists, the sequences listed there are evaluated, unless --sequences is given.

  YouTube-VOS: FOLDER/JPEGImages/VIDEO/*.jpg, FOLDER/Annotations/VIDEO/*.png of some frames, FOLDER/meta.json.
  Each object starts from the first annotation that shows it, and is scored in all annotated frames after it. If
  FOLDER/../train/meta.json exists, the categories in it are seen, all others unseen; J and F are then given for
  both, and their mean G, the benchmark's overall score.

  MOSE: like YouTube-VOS, without meta.json; the video's last frame is not scored.

J is region similarity, F boundary accuracy, J&F their mean, 0 to 1: averaged over the frames of each object, then
over the objects, those of a sequence in its row and those of all sequences in the last row. Frames/s count
tracking alone, without reading files and scoring.

"false" is the share of scored frames with a mask (TRACKING or REACQUIRED) on something else (J < 0.1, as any mask
has while the object is not visible), averaged over the objects, too.
"r" is Pearson's correlation between the score published with a mask and the mask's J, over all scored frames with
a mask; in the last row over those of all sequences together. It is "nan" with fewer than 3 masks, or if all scores
or all J are equal.

A sequence or object that cannot be measured, as where a file is broken, has the reason in its row; the mean and the
JSON are those of the others, and the exit status is 1.

With --workers N or --ray ADDRESS the sequences are evaluated in parallel. Scores are the same; frames/s are those
of one process beside the others.

With --blank N or --cut N, which need the DAVIS layout, N frames in the middle of each video are grey, or missing. A
row then has the share of objects regained (J >= 0.5 within 10 frames after the interruption), the number of frames
that it took, the number of frames since the interruption with a mask on something else (J < 0.1), and the mean J of
all frames after it.

Stills, if FOLDER/OBJECT/*_mask.png exist: pictures are FOLDER/OBJECT/NN.jpg, masks FOLDER/OBJECT/NN_mask.png,
read like those of the other layouts: white on black, soft edges cut at middle grey, or labels, which all count as
the object, while void (255 beside others) is not scored. Each picture is segmented by itself, from clicks. A row has
an object's mean IoU with the true masks after 1, 2, ... clicks, where a refused mask counts as empty; the last row
is the mean over the objects. Below it is Pearson's correlation between the predicted IoU (the score) and the true
one, over all pictures and clicks that gave a mask.

With --points the preset's point tracker is measured alone, without a segmenter.

Joints, if FOLDER/point_tracks.json exists in the DAVIS layout: {SEQUENCE: {"frames": K indices, "xy": K x J x 2
pixels, "visible": K x J}}. Each of the J joints is tracked from the first frame in which it is visible, and
compared in the later frames in which it is: the median error as a fraction of the square root of the object's
area, the shares of errors up to 0.1 and 0.2, and the share that the tracker calls visible.

Static points, if FOLDER has camera-intrinsics.txt and frame-NNNNNN.{color.jpg,depth.png,pose.txt} (RGB-D): a 3x3
matrix in pixels; depth registered to the colour image, 16 bits, millimetres, 0 where unknown; 4x4 poses, camera to
world, metres. A grid of points starts in every 8th frame. 8 and 16 frames later, those that are in view and not
occluded according to depth and pose are counted: how many, how far they moved and the tracker's error (medians,
pixels), and the share that it calls visible.
"""


def add(commands: Any) -> None:
    """Add the command to a parser's subcommands."""
    parser = common.add_command(
        commands,
        "evaluate",
        _run,
        "measure mask or point quality on annotated videos or pictures",
        _DETAILS,
    )
    argument = parser.add_argument
    argument("folder", type=common.path, metavar="FOLDER", help="DAVIS, YouTube-VOS or MOSE layout, stills, or RGB-D")
    argument("--points", action="store_true", help="measure the point tracker alone: joints, or static points of RGB-D")
    argument(
        "--sequences",
        type=common.words,
        default=[],
        metavar="A,B",
        help="only these sequences or objects (default: all)",
    )
    argument(
        "--clicks",
        type=common.count,
        metavar="N",
        help="start from N clicks on the first frame: the most interior point of the true mask, then the middle of the "
        "largest error each time, positive or negative (default: start from the true mask; for stills "
        f"{DEFAULT_CLICKS} clicks)",
    )
    interruption = parser.add_mutually_exclusive_group()
    interruption.add_argument(
        "--blank", type=common.count, metavar="N", help="DAVIS: measure the return after N grey frames"
    )
    interruption.add_argument("--cut", type=common.count, metavar="N", help="DAVIS: the same with N missing frames")
    argument("--json", type=common.path, metavar="FILE", help="also write the scores to FILE")
    argument(
        "--pictures", type=common.path, metavar="FOLDER", help="write a contact sheet per sequence or object to FOLDER"
    )
    common.add_config(parser)
    add_workers(parser, "this process alone")


def _run(parsed: argparse.Namespace) -> int:
    if parsed.points:
        return _evaluate_points(parsed)
    if parsed.ray:
        parsed.folder = parsed.folder.resolve()  # Ray workers have other working directories.
    if parsed.blank or parsed.cut:
        return _evaluate_reacquisition(parsed)
    return (_evaluate_stills if is_stills_folder(parsed.folder) else _evaluate_sequences)(parsed)


def _evaluate_sequences(parsed: argparse.Namespace) -> int:
    sequences = {sequence.name: sequence for sequence in annotated_sequences(parsed.folder, parsed.sequences)}
    _, status = _evaluate_each("sequence", sequences, partial(_sequence_score, _Measure.of(parsed)), parsed)
    return status


def _evaluate_reacquisition(parsed: argparse.Namespace) -> int:
    if parsed.pictures:
        raise SamPtError("expected --blank or --cut without --pictures")
    if not (parsed.folder / "JPEGImages/480p").is_dir():
        raise SamPtError(
            "--blank and --cut: expected the DAVIS layout, with a mask for every frame, JPEGImages/480p and "
            f"Annotations/480p; {str(parsed.folder)!r} has no JPEGImages/480p"
        )
    sequences = {sequence.name: sequence for sequence in davis_sequences(parsed.folder, parsed.sequences)}
    interruption = Interruption(parsed.blank or parsed.cut, blank=bool(parsed.blank))
    score = partial(_reacquisition_score, _Measure.of(parsed), interruption)
    _, status = _evaluate_each("sequence", sequences, score, parsed)
    return status


def _evaluate_stills(parsed: argparse.Namespace) -> int:
    objects = {stills.name: stills for stills in stills_objects(parsed.folder, parsed.sequences)}
    mean, status = _evaluate_each("object", objects, partial(_stills_score, _Measure.of(parsed)), parsed)
    correlation = "none, too few or equal values" if mean.correlation is None else f"{mean.correlation:.3f}"
    print(f"correlation of predicted and true IoU: {correlation} ({mean.rating_count} masks)")
    return status


@dataclass(frozen=True)
class _Measure:
    """The settings of an evaluation, which are sent to workers. pictures: folder for contact sheets, or None."""

    config: SamPtConfig
    clicks: int
    pictures: Path | None

    @classmethod
    def of(cls, parsed: argparse.Namespace) -> _Measure:
        """Raises ConfigError or CheckpointError for a preset that cannot be built, unless workers build it."""
        config, pictures = common.config(parsed), parsed.pictures and parsed.pictures.resolve()
        if not _has_workers(parsed):
            _sam_pt(config)  # Else it would fail with every sequence.
        return cls(config, parsed.clicks or 0, pictures)


def _has_workers(parsed: argparse.Namespace) -> bool:
    return bool(parsed.workers or parsed.ray or parsed.per_gpu)


def _sam_pt(config: SamPtConfig) -> SamPt:
    """The tracker of this process, which is built once rather than for every item."""
    return _built(SamPt, config)


@lru_cache(maxsize=1)
def _built(build: Callable[[SamPtConfig], SamPt], config: SamPtConfig) -> SamPt:
    return build(config)


def _sequence_score(measure: _Measure, sequence: AnnotatedSequence) -> MaskScore:
    with _pictures(measure.pictures, sequence.name) as watch:
        return evaluate_sequence(_sam_pt(measure.config), sequence, measure.clicks, watch)


def _reacquisition_score(
    measure: _Measure, interruption: Interruption, sequence: AnnotatedSequence
) -> ReacquisitionScore:
    return evaluate_reacquisition(_sam_pt(measure.config), sequence, interruption, measure.clicks)


def _stills_score(measure: _Measure, stills: Stills) -> StillsScore:
    with _pictures(measure.pictures, stills.name, [path.stem for path in stills.pictures]) as watch:
        return evaluate_stills(_sam_pt(measure.config), stills, measure.clicks or DEFAULT_CLICKS, watch)


def _evaluate_each(
    noun: str, items: Mapping[str, Any], evaluate: Callable[[Any], SomeScore], parsed: argparse.Namespace
) -> tuple[SomeScore, int]:
    """Evaluate items by name, print a row for each as soon as it is known, then their mean, and write JSON.

    Returns the mean of those that could be measured, and the exit status, which is 1 if one could not be. The heading
    is printed with the first score, which determines the columns. Items are evaluated by --workers or --ray, or else in
    this process; for workers `evaluate` must be picklable. Raises SamPtError if none could be measured.
    """
    _require_writable(parsed)
    width = max(len(noun), *map(len, items))
    scores: dict[str, SomeScore] = {}
    failures: dict[str, str] = {}
    workers = workers_for(parsed) if _has_workers(parsed) else ThisProcess()
    with closing(workers.run(evaluate, items)) as attempts:
        for name, attempt in tqdm(attempts, total=len(items), unit=noun, leave=False, disable=None):
            try:
                scores[name] = attempt.result()
            except TaskError as error:
                failures[name] = str(error)
                tqdm.write(f"{name:{width}}  failed: {error}")
                continue
            if len(scores) == 1:
                table = Table([scores[name]])
                tqdm.write(f"{noun:{width}}  {table.heading}")
            tqdm.write(f"{name:{width}}  {table.row(scores[name])}")
    if not scores:
        raise SamPtError(f"expected {noun}s that can be measured; none can: {next(iter(failures.values()))}")
    in_order = {name: scores[name] for name in items if name in scores}
    mean = type(next(iter(scores.values()))).mean(list(in_order.values()))
    print(f"{'mean':{width}}  {table.row(mean)}")
    if failures:
        print(f"the mean is that of {len(scores)} of {len(items)} {noun}s; failed: {', '.join(failures)}")
    if parsed.json:
        rows = {name: score.as_json() for name, score in in_order.items()}
        failed = {"failed": failures} if failures else {}
        common.write_json(parsed.json, {f"{noun}s": rows, "mean": mean.as_json(), **failed})
    return mean, 1 if failures else 0


def _require_writable(parsed: argparse.Namespace) -> None:
    """Raise SamPtError, before anything is measured, if results cannot be written."""
    if parsed.json:
        require_writable(parsed.json)
    if parsed.pictures and not parsed.ray:  # Ray's workers write theirs on other machines.
        require_writable(parsed.pictures / "sheet.png")


@contextmanager
def _pictures(folder: Path | None, name: str, captions: Sequence[str] = ()) -> Iterator[Watcher | None]:
    """Yield a function that draws each frame on a contact sheet, written at the end; None without a folder."""
    if folder is None:
        yield None
        return
    sheet = overlay.ContactSheet(len(captions)) if captions else overlay.ContactSheet()

    def draw(image: np.ndarray, result: FrameResult) -> None:
        sheet.add(result.index, overlay.draw(image, result), captions[result.index] if captions else "")

    yield draw
    write_image(folder / f"{name}.png", sheet.image())


def _evaluate_points(parsed: argparse.Namespace) -> int:
    is_rgbd = is_rgbd_folder(parsed.folder)
    unsupported = {
        "--clicks": parsed.clicks,
        "--blank": parsed.blank,
        "--cut": parsed.cut,
        "--pictures": parsed.pictures,
        "--sequences": is_rgbd and parsed.sequences,
        "--workers": parsed.workers,
        "--ray": parsed.ray,
        "--per-gpu": parsed.per_gpu,
    }
    if given := [name for name, value in unsupported.items() if value]:
        raise SamPtError(f"expected --points without {', '.join(given)} on {str(parsed.folder)!r}")
    return (_evaluate_static_points if is_rgbd else _evaluate_joints)(parsed)


def _evaluate_joints(parsed: argparse.Namespace) -> int:
    sequences = {joints.sequence.name: joints for joints in joint_sequences(parsed.folder, parsed.sequences)}
    tracker = build_point_tracker(common.config(parsed))
    _, status = _evaluate_each("sequence", sequences, partial(evaluate_joints, tracker), parsed)
    return status


def _evaluate_static_points(parsed: argparse.Namespace) -> int:
    views = Recording(parsed.folder)
    _require_writable(parsed)
    tracker = build_point_tracker(common.config(parsed))
    scores = evaluate_static_points(tracker, tqdm(views, unit="frame", leave=False, disable=None))
    table = Table(scores)
    print(table.heading, *map(table.row, scores), sep="\n")
    if parsed.json:
        common.write_json(parsed.json, {"static_points": [score.as_json() for score in scores]})
    return 0
