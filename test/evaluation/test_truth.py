"""Results compared with true masks of some frames."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from sampt_ros.data_types import FrameResult, LocalMask, ObjectResult, ObjectState, Points
from sampt_ros.errors import SourceError
from sampt_ros.evaluation.truth import Truth
from sampt_ros.io.label_images import write_labels


def square(left: int, label: int = 1) -> np.ndarray:
    labels = np.zeros((20, 40), np.uint8)
    labels[5:15, left : left + 10] = label
    return labels


def result(index: int, **lefts: int) -> FrameResult:
    """Squares of the objects named one, two."""
    ids = {"one": 1, "two": 2}
    objects = (
        ObjectResult(ids[name], ObjectState.TRACKING, 1.0, LocalMask.of(square(left) > 0), Points.none())
        for name, left in lefts.items()
    )
    return FrameResult(index, (20, 40), tuple(objects))


def test_j_is_the_mean_of_the_annotated_frames_but_the_start(tmp_path):
    for index in (0, 2, 4):
        write_labels(tmp_path / f"{index:05d}.png", square(10))
    truth = Truth(tmp_path, starts={1: 0})
    for index, left in enumerate((30, 30, 10, 30, 15)):
        truth.add(result(index, one=left))
    assert truth.j == {1: pytest.approx((1 + 50 / 150) / 2)}


def test_an_object_that_never_started_scores_zero_and_one_that_truth_does_not_show_is_not_scored(tmp_path):
    write_labels(tmp_path / "00001.png", square(10, label=3) + square(25))
    write_labels(tmp_path / "00099.png", square(10))
    truth = Truth(tmp_path, starts={3: 0})
    truth.add(result(1, two=0, one=25))
    assert truth.j == {3: 0, 1: 1}
    assert truth.unused == 1


def test_masks_are_called_as_their_frames(tmp_path):
    write_labels(tmp_path / "b.png", square(10))
    truth = Truth(tmp_path, ["a", "b"])
    truth.add(result(1, one=10))
    assert truth.j == {1: 1}
    with pytest.raises(SourceError, match=r"the name of a frame, such as a.png; got .*b.png"):
        Truth(tmp_path, ["a"])


def soft(left: int) -> np.ndarray:
    return cv2.blur(square(left, 255), (3, 3))


@pytest.mark.parametrize(
    ("name", "pixels"),
    [
        ("00000.jpg", square(10, 255)),
        ("00000.png", soft(10)),
        ("00000.png", square(10, 1).astype(np.uint16) * 65535),
        ("00000.png", np.dstack([square(10, 128), square(10, 0), square(10, 0)])),  # DAVIS's label 1 as a colour
    ],
)
def test_true_masks_are_what_people_make(tmp_path, name, pixels):
    Image.fromarray(pixels).save(tmp_path / name)
    truth = Truth(tmp_path)
    truth.add(result(0, one=10))
    assert truth.j == {1: pytest.approx(1, abs=0.05)}


def test_void_around_a_thin_object_is_not_the_object(tmp_path):
    labels = square(10, 255)
    labels[8:10, 12:18] = 5
    write_labels(tmp_path / "00000.png", labels)
    truth = Truth(tmp_path, starts={1: 7, 5: 7})
    truth.add(result(0, one=25))
    assert truth.j == {5: 0}


def test_void_alone_in_the_first_true_mask_is_not_the_object(tmp_path):
    write_labels(tmp_path / "00000.png", square(30, 255))
    write_labels(tmp_path / "00001.png", np.where(square(10) > 0, square(10), square(12, 255)))
    truth = Truth(tmp_path)
    for index in (0, 1):
        truth.add(result(index, one=(30, 10)[index]))
    assert truth.j == {1: 1}


def test_two_masks_of_one_frame_are_refused(tmp_path):
    for name in ("00001.png", "1.png"):
        write_labels(tmp_path / name, square(10))
    with pytest.raises(SourceError, match=r"expected one mask for each frame; got .*1.png and .*1.png"):
        Truth(tmp_path)


def test_a_mask_of_another_size_is_refused(tmp_path):
    write_labels(tmp_path / "00000.png", square(10)[:10])
    truth = Truth(tmp_path)
    with pytest.raises(SourceError, match=r"00000\.png: expected an annotation of its frame's size"):
        truth.add(result(0, one=10))
    assert truth.reason == "no true mask could be compared with a tracked frame"


@pytest.mark.parametrize(
    ("shown", "tracked", "reason"),
    [
        (7, {"one": 10, "two": 0}, "the true masks show no object of those tracked (1, 2); they show 7"),
        (0, {"one": 10}, "the true masks show no object of those tracked (1); they show none"),
        (7, {}, "the true masks show no object of those tracked (none); they show 7"),
        (1, {"one": 10}, "an object's only true mask of a tracked frame is that of the frame it starts from"),
    ],
)
def test_without_a_score_the_reason_is_said(tmp_path, shown, tracked, reason):
    write_labels(tmp_path / "00000.png", square(10, shown))
    write_labels(tmp_path / "00001.png", square(10, 7))
    truth = Truth(tmp_path, starts={1: 0} if "one" in tracked else {})
    truth.add(result(0, **tracked))
    assert not truth.j
    assert truth.reason == reason
