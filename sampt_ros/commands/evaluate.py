"""`sampt evaluate`: quality of masks, or of points, where the truth is known."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from sampt_ros import overlay, point_accuracy, stills
from sampt_ros.commands import common
from sampt_ros.errors import SamPtError
from sampt_ros.evaluation import Score, Watcher, davis_sequences, evaluate_sequence
from sampt_ros.point_trackers import build_point_tracker
from sampt_ros.rgbd import Recording, is_rgbd_folder
from sampt_ros.sam_pt import SamPt
from sampt_ros.structures import FrameResult
from sampt_ros.video import write_image


def add(commands: Any) -> None:
    """Add the command to the parser's."""
    parser = common.add_command(
        commands,
        "evaluate",
        _run,
        "measure mask or point quality on videos or single pictures whose truth is known",
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
        """,
    )
    argument = parser.add_argument
    argument("folder", type=Path, metavar="FOLDER", help="a folder in the DAVIS layout, of stills, or RGB-D")
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
        f"{stills.DEFAULT_CLICKS} clicks)",
    )
    argument("--json", type=Path, metavar="FILE", help="write the scores there too")
    argument("--pictures", type=Path, metavar="FOLDER", help="write a contact sheet per sequence or object there")
    common.add_config(parser)


def _run(parsed: argparse.Namespace) -> int:
    if parsed.points:
        return _evaluate_points(parsed)
    return (_evaluate_stills if stills.is_stills_folder(parsed.folder) else _evaluate_sequences)(parsed)


def _evaluate_sequences(parsed: argparse.Namespace) -> int:
    sequences = davis_sequences(parsed.folder, parsed.sequences)
    sam_pt = SamPt(common.config(parsed))
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
        common.write_json(parsed.json, {"sequences": rows, "mean": _score_fields(mean)})
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
    sam_pt = SamPt(common.config(parsed))
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
        common.write_json(parsed.json, {"objects": rows, "mean": mean.fields()})
    return 0


def _evaluate_points(parsed: argparse.Namespace) -> int:
    recorded = is_rgbd_folder(parsed.folder)
    given = {"--clicks": parsed.clicks, "--pictures": parsed.pictures, "--sequences": recorded and parsed.sequences}
    useless = [name for name, value in given.items() if value]
    if useless:
        raise SamPtError(f"expected --points without {', '.join(useless)} on {str(parsed.folder)!r}")
    return (_evaluate_static_points if recorded else _evaluate_joints)(parsed)


def _evaluate_joints(parsed: argparse.Namespace) -> int:
    sequences = point_accuracy.joint_sequences(parsed.folder, parsed.sequences)
    tracker = build_point_tracker(common.config(parsed))
    width = max(len("sequence"), *(len(joints.sequence.name) for joints in sequences))
    print(f"{'sequence':{width}}  {point_accuracy.JointScore.head()}")
    scores: dict[str, point_accuracy.JointScore] = {}
    for joints in tqdm(sequences, unit="sequence", leave=False, disable=None):
        name = joints.sequence.name
        scores[name] = point_accuracy.evaluate_joints(tracker, joints)
        tqdm.write(f"{name:{width}}  {scores[name].row()}")
    mean = point_accuracy.JointScore.mean(list(scores.values()))
    print(f"{'mean':{width}}  {mean.row()}")
    if parsed.json:
        rows = {name: score.fields() for name, score in scores.items()}
        common.write_json(parsed.json, {"sequences": rows, "mean": mean.fields()})
    return 0


def _evaluate_static_points(parsed: argparse.Namespace) -> int:
    views = Recording(parsed.folder)
    tracker = build_point_tracker(common.config(parsed))
    scores = point_accuracy.evaluate_static_points(tracker, tqdm(views, unit="frame", leave=False, disable=None))
    print(point_accuracy.StaticScore.head())
    for score in scores:
        print(score.row())
    if parsed.json:
        common.write_json(parsed.json, {"static_points": [score.fields() for score in scores]})
    return 0
