from __future__ import annotations

import cv2
import numpy as np
import pytest
from davis_folders import NOTHING, square
from fakes import SIDE, DriftingTracker, Scripted, SquareSegmenter, blank

from sampt_ros.config.core import SamPtConfig
from sampt_ros.config.options import updated
from sampt_ros.data_types import ObjectState
from sampt_ros.errors import SourceError
from sampt_ros.evaluation.scores import Table
from sampt_ros.evaluation.stills import StillsScore, evaluate_stills, is_stills_folder, stills_objects
from sampt_ros.io.image_files import write_image
from sampt_ros.io.label_images import write_labels
from sampt_ros.tracking.sam_pt import SamPt

LEFT, RIGHT = square(20, 20), square(50, 30)


def stills_folder(folder, *masks, name="cup"):
    """An object's black pictures with these masks (48, 64) bool."""
    for index, mask in enumerate(masks):
        write_image(folder / f"{name}/{index:02d}.jpg", blank())
        write_labels(folder / f"{name}/{index:02d}_mask.png", mask.astype(np.uint8) * 255)
    return folder


def sam_pt(rate=lambda xy: 1.0, paint=True):
    config = updated(SamPtConfig(), {"points.positive": 1, "points.negative": 0, "prompting.iou_threshold": 0.5})
    return SamPt(config, SquareSegmenter(rate, paint), DriftingTracker())


def evaluate(sam_pt, folder, **options):
    (cup,) = stills_objects(folder)
    return evaluate_stills(sam_pt, cup, **options)


def replace_mask(folder, pixels, name="00"):
    """Give a picture another true mask, of these pixels as OpenCV writes them."""
    assert cv2.imwrite(str(folder / f"cup/{name}_mask.png"), pixels)


def bordered(mask, width):
    """A mask and a border around it, (H, W) bool."""
    return cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8), iterations=width) > 0


def test_a_row_is_the_mean_iou_of_the_pictures_after_each_click(tmp_path):
    answers = Scripted(
        *(LEFT, LEFT | RIGHT),  # half of the first picture's, then all: it needs no third click
        *(None, RIGHT | LEFT, RIGHT),  # nothing of the second's, then too much, then all
    )
    score = evaluate(answers, stills_folder(tmp_path, LEFT | RIGHT, RIGHT), clicks=3)
    assert score.iou == pytest.approx(((0.5 + 0) / 2, (1 + 0.5) / 2, (1 + 1) / 2))
    assert score.pictures == 2
    assert score.ratings == ((1, 0.5), (1, 1), (1, 0.5), (1, 1))
    assert Table([score]).heading.split() == ["pictures", "IoU@1", "IoU@2", "IoU@3"]
    assert Table([score]).row(score).split() == ["2", "0.250", "0.750", "1.000"]


def test_pictures_that_need_no_more_clicks_keep_their_iou(tmp_path):
    score = evaluate(sam_pt(), stills_folder(tmp_path, LEFT, RIGHT), clicks=4)
    assert score.iou == (1, 1, 1, 1)
    assert len(score.ratings) == 2


@pytest.mark.parametrize(
    "refusing",
    [
        # the score is under the threshold
        sam_pt(rate=lambda xy: 0.1),
        # there is nothing to find
        sam_pt(paint=False),
    ],
    ids=["refused", "nothing"],
)
def test_no_mask_counts_as_an_empty_one_and_is_not_rated(refusing, tmp_path):
    score = evaluate(refusing, stills_folder(tmp_path, LEFT))
    assert score.iou == (0, 0, 0)
    assert score.ratings == ()


@pytest.mark.parametrize(
    ("segmenting", "state", "area"),
    [(sam_pt(), ObjectState.TRACKING, SIDE**2), (sam_pt(paint=False), ObjectState.LOST, 0)],
    ids=["found", "nothing"],
)
def test_whoever_watches_gets_the_last_mask_and_the_clicks(segmenting, state, area, tmp_path):
    watched = []
    evaluate(
        segmenting,
        stills_folder(tmp_path, LEFT, RIGHT),
        clicks=1,
        watch=lambda image, result: watched.append((image.shape, result)),
    )
    assert [(shape, result.index) for shape, result in watched] == [((48, 64, 3), 0), ((48, 64, 3), 1)]
    objects = [result.objects[0] for _, result in watched]
    assert [(item.state, item.area) for item in objects] == [(state, area)] * 2
    assert [item.points.xy.tolist() for item in objects] == [[[20, 20]], [[50, 30]]]


def test_the_last_row_is_the_mean_of_the_objects_however_many_pictures_they_have():
    many = StillsScore((0.2, 0.4), 9, ((0.5, 0.2),) * 9)
    one = StillsScore((0.6, 1.0), 1, ((0.9, 0.6),))
    mean = StillsScore.mean([many, one])
    assert mean.iou == pytest.approx((0.4, 0.7))
    assert mean.pictures == 10
    assert mean.ratings == many.ratings + one.ratings


def test_json_has_the_correlation_and_of_how_many_masks():
    score = StillsScore((0.5, 0.75), 3, ((0.1, 0.2), (0.2, 0.4), (0.4, 0.8)))
    assert score.as_json() == {
        "pictures": 3,
        "iou": [0.5, 0.75],
        "ratings": 3,
        "correlation": pytest.approx(1),
    }


def test_folders_are_told_apart(tmp_path):
    assert not is_stills_folder(tmp_path / "nowhere")
    assert not is_stills_folder(tmp_path)
    stills_folder(tmp_path, LEFT, name=".hidden")
    assert not is_stills_folder(tmp_path)
    stills_folder(tmp_path, LEFT)
    assert is_stills_folder(tmp_path)
    (tmp_path / "JPEGImages/480p").mkdir(parents=True)  # DAVIS, whatever else there is
    assert not is_stills_folder(tmp_path)


def test_objects_are_chosen_by_name(tmp_path):
    for name in ("a", "b", "c"):
        stills_folder(tmp_path, LEFT, name=name)
    (tmp_path / "empty").mkdir()
    assert [stills.name for stills in stills_objects(tmp_path)] == ["a", "b", "c"]
    assert [stills.name for stills in stills_objects(tmp_path, ["c", "a"])] == ["c", "a"]
    with pytest.raises(SourceError, match="unknown objects d; expected some of a, b, c"):
        stills_objects(tmp_path, ["a", "d"])


def test_folders_in_another_layout_are_refused(tmp_path):
    for folder in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(SourceError, match=r"a folder per object with NN\.jpg and NN_mask\.png"):
            stills_objects(folder)


@pytest.mark.parametrize(
    ("lost", "complaint"),
    [("01_mask.png", r"a mask for every picture; there is no .*01_mask\.png"), ("01.jpg", "a picture for every mask")],
)
def test_a_picture_or_mask_alone_is_refused(tmp_path, lost, complaint):
    folder = stills_folder(tmp_path, LEFT, LEFT)
    (folder / "cup" / lost).unlink()
    with pytest.raises(SourceError, match=complaint):
        stills_objects(folder)


@pytest.mark.parametrize(
    ("mask", "complaint"), [(LEFT[:20], "its picture's size"), (NOTHING, "the mask is empty")], ids=["size", "empty"]
)
def test_a_mask_that_cannot_be_right_is_refused(tmp_path, mask, complaint):
    with pytest.raises(SourceError, match=complaint):
        evaluate(sam_pt(), stills_folder(tmp_path, mask))


@pytest.mark.parametrize("found", [bordered(LEFT, 2), LEFT], ids=["on_void", "off_void"])
def test_void_is_not_scored(found, tmp_path):
    folder = stills_folder(tmp_path, LEFT)
    replace_mask(folder, np.where(LEFT, 1, np.where(bordered(LEFT, 2), 255, 0)).astype(np.uint8))
    score = evaluate(Scripted(found, found, found), folder)
    assert score.iou == (1, 1, 1)
    assert len(score.ratings) == 1  # nothing is wrong, so nothing more is clicked


@pytest.mark.parametrize(
    "pixels",
    [
        # grey that fades out around the object
        np.where(LEFT, 255, np.where(bordered(LEFT, 1), 100, np.where(bordered(LEFT, 2), 40, 0))).astype(np.uint8),
        # a cut-out
        np.dstack([np.zeros((48, 64, 3), np.uint8), LEFT.astype(np.uint8) * 255]),
        # one colour
        np.dstack([LEFT.astype(np.uint8) * channel for channel in (0, 0, 200)]),
        # labels, which are all the object's
        np.where(LEFT, np.where(np.arange(64) < 20, 3, 7), 0).astype(np.uint8),
    ],
    ids=["soft", "cut_out", "colour", "labels"],
)
def test_masks_are_read_as_those_of_the_other_layouts(pixels, tmp_path):
    folder = stills_folder(tmp_path, RIGHT)
    replace_mask(folder, pixels)
    assert evaluate(Scripted(LEFT), folder, clicks=1).iou == (1,)


def test_white_alone_is_void_if_another_mask_of_the_object_shows_labels(tmp_path):
    folder = stills_folder(tmp_path, LEFT, LEFT)
    replace_mask(folder, LEFT.astype(np.uint8), "01")
    with pytest.raises(SourceError, match=r"expected an object in .*00_mask\.png; the mask has only void"):
        evaluate(Scripted(LEFT, LEFT), folder)


def test_real_stills_are_read(shared_folder):
    objects = stills_objects(shared_folder / "data/robot_stills")
    assert [len(stills.pictures) for stills in objects] == [10] * 12
