"""`sampt evaluate`: quality of masks, or of points, where the truth is known."""

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
from sampt_ros.fleet.workers import ThisProcess
from sampt_ros.io import overlay
from sampt_ros.io.image_files import write_image
from sampt_ros.io.rgbd_recording import Recording, is_rgbd_folder
from sampt_ros.point_trackers import build_point_tracker
from sampt_ros.tracking.sam_pt import SamPt

_DETAILS = """
Videos in one of three layouts. Annotations are PNGs with the names of their frames: 0/255 for one object, or
object ids (grey or palette; 255 is void).

  DAVIS (2016, 2017): FOLDER/JPEGImages/480p/SEQUENCE/*.jpg, FOLDER/Annotations/480p/SEQUENCE/*.png, one for
  every frame. All objects of the first frame are tracked; the first and the last frame are not scored. If there
  is FOLDER/ImageSets/2017/val.txt, the sequences that it names are taken, unless --sequences says others.

  YouTube-VOS: FOLDER/JPEGImages/VIDEO/*.jpg, FOLDER/Annotations/VIDEO/*.png of some frames, FOLDER/meta.json.
  Objects start from the first annotation that shows them, in whatever frame, and are scored in all annotated
  frames after it. If there is FOLDER/../train/meta.json, the categories in it are seen, all others unseen: then
  there are J and F of both, and their mean G, the benchmark's overall score.

  MOSE: the same without meta.json; the video's last frame is not scored.

J is region similarity, F boundary accuracy, J&F their mean, 0 to 1: first the mean over an object's frames, then
over the objects, those of a sequence in its row, those of all sequences in the last one. Frames/s count tracking
alone, not the reading of files nor the scoring.

"false" is the share of the scored frames that have a mask (TRACKING or REACQUIRED) on something else: J < 0.1,
which any mask has while the object is not to be seen; the mean over the objects, too.
"r" is Pearson's correlation of the score published with a mask and the mask's J, over all scored frames that
have a mask; in the last row over those of all sequences together. It is "nan" with fewer than 3 masks, or
where all scores or all J are equal.

With --workers N or --ray ADDRESS sequences are shared out. Scores are the same; frames/s are those of a process among
others.

With --blank N or --cut N, N frames from the middle of each video on are grey, or not there. A row then has the
share of objects regained (J >= 0.5 within 10 frames after it), the frames that it took, the frames since the
interruption with a mask on something else (J < 0.1), and the mean J of all frames after it.

Stills, if there are FOLDER/OBJECT/*_mask.png: pictures are FOLDER/OBJECT/NN.jpg, masks
FOLDER/OBJECT/NN_mask.png, nonzero on the object. Each picture is segmented by itself, from clicks. A row is an
object's mean IoU with the true masks after 1, 2, ... clicks, where a refused mask counts as empty; the last
row is the mean of the objects' means. Below it: Pearson's correlation of the predicted IoU (the score) and
the true one, over all pictures and clicks that brought a mask.

With --points the preset's point tracker is measured alone, without a segmenter.

Joints, if there is FOLDER/point_tracks.json beside the DAVIS layout: {SEQUENCE: {"frames": K indices, "xy":
K x J x 2 pixels, "visible": K x J}}. Each of J joints is tracked from the first of the frames in which it is
visible, and compared in the later ones in which it is: the median error as a share of the square root of the
object's area, the shares of errors up to 0.1 and 0.2, and the share that the tracker calls visible.

Static points, if there are FOLDER/camera-intrinsics.txt and frame-NNNNNN.{color.jpg,depth.png,pose.txt}
(RGB-D): 3x3 pixels; depth registered to the colour, 16 bits, millimetres, 0 where unknown; 4x4, camera to
world, metres. A grid of points starts in every 8th frame. 8 and 16 frames later those that depth and pose say
are in view and not occluded count: how many, how far they moved and the tracker's error (medians, pixels),
and the share that it calls visible.
"""


def add(commands: Any) -> None:
    """Add the command to the parser's."""
    parser = common.add_command(
        commands,
        "evaluate",
        _run,
        "measure mask or point quality on videos or single pictures whose truth is known",
        _DETAILS,
    )
    argument = parser.add_argument
    argument("folder", type=Path, metavar="FOLDER", help="videos as in DAVIS, YouTube-VOS or MOSE, stills, or RGB-D")
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
        "largest error each time, on the object or off it (default: start from the true mask; for stills "
        f"{DEFAULT_CLICKS} clicks)",
    )
    interruption = parser.add_mutually_exclusive_group()
    interruption.add_argument("--blank", type=common.count, metavar="N", help="measure the return after N grey frames")
    interruption.add_argument("--cut", type=common.count, metavar="N", help="measure the return after N missing frames")
    argument("--json", type=Path, metavar="FILE", help="write the scores there too")
    argument("--pictures", type=Path, metavar="FOLDER", help="write a contact sheet per sequence or object there")
    common.add_config(parser)
    add_workers(parser, "this process alone")


def _run(parsed: argparse.Namespace) -> int:
    if parsed.points:
        return _evaluate_points(parsed)
    if parsed.ray:
        parsed.folder = parsed.folder.resolve()  # The workers are in folders of their own.
    if parsed.blank or parsed.cut:
        return _evaluate_reacquisition(parsed)
    return (_evaluate_stills if is_stills_folder(parsed.folder) else _evaluate_sequences)(parsed)


def _evaluate_sequences(parsed: argparse.Namespace) -> int:
    sequences = {sequence.name: sequence for sequence in annotated_sequences(parsed.folder, parsed.sequences)}
    _evaluate_each("sequence", sequences, partial(_sequence_score, _Measure.of(parsed)), parsed)
    return 0


def _evaluate_reacquisition(parsed: argparse.Namespace) -> int:
    if parsed.pictures:
        raise SamPtError("expected --blank or --cut without --pictures")
    sequences = {sequence.name: sequence for sequence in davis_sequences(parsed.folder, parsed.sequences)}
    interruption = Interruption(parsed.blank or parsed.cut, blank=bool(parsed.blank))
    _evaluate_each("sequence", sequences, partial(_reacquisition_score, _Measure.of(parsed), interruption), parsed)
    return 0


def _evaluate_stills(parsed: argparse.Namespace) -> int:
    objects = {stills.name: stills for stills in stills_objects(parsed.folder, parsed.sequences)}
    mean = _evaluate_each("object", objects, partial(_stills_score, _Measure.of(parsed)), parsed)
    correlation = "none, too few or equal values" if mean.correlation is None else f"{mean.correlation:.3f}"
    print(f"correlation of predicted and true IoU: {correlation} ({mean.rating_count} masks)")
    return 0


@dataclass(frozen=True)
class _Measure:
    """What is measured of each item; it travels to workers. pictures: the folder for contact sheets, None: none."""

    config: SamPtConfig
    clicks: int
    pictures: Path | None

    @classmethod
    def of(cls, parsed: argparse.Namespace) -> _Measure:
        pictures = parsed.pictures and parsed.pictures.resolve()
        return cls(common.config(parsed), parsed.clicks or 0, pictures)


def _sam_pt(config: SamPtConfig) -> SamPt:
    """The tracker of this process: networks are loaded once, not for every item."""
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
) -> SomeScore:
    """Evaluate items by name, print a row for each as soon as it is known, then their mean, and write JSON.

    Returns the mean. The heading is printed with the first row, whose score says which columns there are. Items go to
    --workers or --ray, or one after the other to this process; there `evaluate` may be any function.
    """
    width = max(len(noun), *map(len, items))
    scores: dict[str, SomeScore] = {}
    workers = workers_for(parsed) if parsed.workers or parsed.ray else ThisProcess()
    with closing(workers.run(evaluate, items)) as attempts:
        for name, attempt in tqdm(attempts, total=len(items), unit=noun, leave=False, disable=None):
            scores[name] = attempt.result()
            if len(scores) == 1:
                table = Table([scores[name]])
                tqdm.write(f"{noun:{width}}  {table.heading}")
            tqdm.write(f"{name:{width}}  {table.row(scores[name])}")
    in_order = {name: scores[name] for name in items}
    mean = type(scores[name]).mean(list(in_order.values()))
    print(f"{'mean':{width}}  {table.row(mean)}")
    if parsed.json:
        rows = {name: score.as_json() for name, score in in_order.items()}
        common.write_json(parsed.json, {f"{noun}s": rows, "mean": mean.as_json()})
    return mean


@contextmanager
def _pictures(folder: Path | None, name: str, captions: Sequence[str] = ()) -> Iterator[Watcher | None]:
    """Yield what draws each frame of a sequence or object, or None without a folder; write the sheet at the end."""
    if folder is None:
        yield None
        return
    sheet = overlay.ContactSheet(len(captions)) if captions else overlay.ContactSheet()

    def draw(image: np.ndarray, result: FrameResult) -> None:
        sheet.add(result.index, overlay.draw(image, result), captions[result.index] if captions else "")

    yield draw
    write_image(folder / f"{name}.png", sheet.image())


def _evaluate_points(parsed: argparse.Namespace) -> int:
    recorded = is_rgbd_folder(parsed.folder)
    given = {
        "--clicks": parsed.clicks,
        "--blank": parsed.blank,
        "--cut": parsed.cut,
        "--pictures": parsed.pictures,
        "--sequences": recorded and parsed.sequences,
        "--workers": parsed.workers,
        "--ray": parsed.ray,
    }
    useless = [name for name, value in given.items() if value]
    if useless:
        raise SamPtError(f"expected --points without {', '.join(useless)} on {str(parsed.folder)!r}")
    return (_evaluate_static_points if recorded else _evaluate_joints)(parsed)


def _evaluate_joints(parsed: argparse.Namespace) -> int:
    found = joint_sequences(parsed.folder, parsed.sequences)
    sequences = {joints.sequence.name: joints for joints in found}
    tracker = build_point_tracker(common.config(parsed))
    _evaluate_each("sequence", sequences, partial(evaluate_joints, tracker), parsed)
    return 0


def _evaluate_static_points(parsed: argparse.Namespace) -> int:
    views = Recording(parsed.folder)
    tracker = build_point_tracker(common.config(parsed))
    scores = evaluate_static_points(tracker, tqdm(views, unit="frame", leave=False, disable=None))
    table = Table(scores)
    print(table.heading, *map(table.row, scores), sep="\n")
    if parsed.json:
        common.write_json(parsed.json, {"static_points": [score.as_json() for score in scores]})
    return 0
