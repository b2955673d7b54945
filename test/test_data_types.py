from __future__ import annotations

import numpy as np
import pytest

from sampt_ros.data_types import (
    NEGATIVE,
    POSITIVE,
    FrameResult,
    LocalMask,
    ObjectResult,
    ObjectState,
    Points,
    check_image,
)
from sampt_ros.errors import FrameError


def result(name: int, score: float, mask: np.ndarray) -> ObjectResult:
    return ObjectResult(name, ObjectState.TRACKING, score, LocalMask.of(mask), Points.none())


def rectangle(left: int, top: int, right: int, bottom: int) -> np.ndarray:
    """(6, 8) bool, True from left to right and top to bottom, both included."""
    mask = np.zeros((6, 8), bool)
    mask[top : bottom + 1, left : right + 1] = True
    return mask


@pytest.mark.parametrize(
    "image",
    [
        [[(0, 0, 0)]],  # not an array
        np.zeros((4, 4), np.uint8),  # grey
        np.zeros((4, 4, 4), np.uint8),  # with alpha
        np.zeros((4, 4, 3), np.float32),  # not bytes
        np.zeros((0, 4, 3), np.uint8),  # no pixels
    ],
)
def test_what_is_not_an_rgb_image_is_refused(image):
    with pytest.raises(FrameError, match="expected an"):
        check_image(image)


def test_an_image_of_one_pixel_is_an_image():
    image = np.zeros((1, 1, 3), np.uint8)
    assert check_image(image) is image


def test_new_points_are_visible_and_certain():
    points = Points.start(np.array([3, 4]), [(1, 2), (5, 6)], np.array([POSITIVE, NEGATIVE]))
    assert (len(points), points.id.dtype, points.xy.dtype) == (2, np.uint32, np.float32)
    assert points.visible.all()
    np.testing.assert_array_equal(points.confidence, [1, 1])


def test_points_of_two_groups_join_in_order():
    joined = Points.start([1], [(1, 1)], [POSITIVE]) + Points.none() + Points.start([2], [(2, 2)], [NEGATIVE])
    assert (joined.id.tolist(), joined.label.tolist()) == ([1, 2], [POSITIVE, NEGATIVE])


def test_visible_xy_gives_one_label_and_only_what_is_visible():
    points = Points.start([1, 2, 3], [(1, 1), (2, 2), (3, 3)], [POSITIVE, POSITIVE, NEGATIVE])
    hidden = points.moved(points.xy, np.array([False, True, True]), points.confidence)
    assert hidden.visible_xy(POSITIVE).tolist() == [[2, 2]]
    assert hidden.visible_xy(NEGATIVE).tolist() == [[3, 3]]


def test_box_and_area_are_those_of_the_mask():
    found = result(1, 0.9, rectangle(2, 1, 4, 5))
    assert (found.box, found.area) == ((2, 1, 3, 5), 15)


@pytest.mark.parametrize("mask", [rectangle(1, 2, 4, 5), np.ones((6, 8), bool)])
def test_the_mask_of_a_result_may_be_modified(mask):
    item = result(1, 0.5, mask)
    before = item.area, item.box
    item.mask[:] = False
    assert (item.area, item.box) == before
    assert item.local_mask.whole().any()


def test_a_read_only_mask_is_the_same_mask():
    mask = LocalMask.of(rectangle(1, 2, 4, 5))
    shown = mask.read_only()
    assert (shown.area, shown.bounds) == (mask.area, mask.bounds)
    with pytest.raises(ValueError, match="read-only"):
        shown.values[:] = False
    mask.values[:] = False  # Whose array it is may still use it.


def test_an_empty_mask_has_no_box():
    found = result(1, 0.9, np.zeros((6, 8), bool))
    assert (found.box, found.area) == ((0, 0, 0, 0), 0)


@pytest.mark.parametrize("scores", [(0.9, 0.8), (0.8, 0.9)])
def test_where_masks_overlap_the_surer_object_wins(scores):
    objects = (result(7, scores[0], rectangle(0, 0, 3, 3)), result(300, scores[1], rectangle(3, 3, 7, 5)))
    labels = FrameResult(0, (6, 8), objects).labels
    assert labels.dtype == np.uint16
    assert (labels[0, 0], labels[5, 7], labels[0, 7]) == (7, 300, 0)
    assert labels[3, 3] == (7 if scores[0] > scores[1] else 300)


def test_mask_is_the_union_in_0_and_255():
    objects = (result(1, 0.9, rectangle(0, 0, 1, 1)), result(2, 0.9, rectangle(6, 4, 7, 5)))
    mask = FrameResult(0, (6, 8), objects).mask
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, np.where(objects[0].mask | objects[1].mask, 255, 0))


def test_a_frame_without_objects_is_all_background():
    assert not FrameResult(0, (6, 8)).mask.any()


@pytest.mark.parametrize("scores", [(0.9, 0.8, 0.95), (0.8, 0.9, 0.95)])
def test_a_part_is_shown_on_its_whole_but_not_on_others(scores):
    whole, part, rival = rectangle(0, 0, 7, 3), rectangle(1, 1, 4, 2), rectangle(4, 0, 7, 5)
    objects = tuple(
        result(index, score, mask) for index, (score, mask) in enumerate(zip(scores, (whole, part, rival)), 1)
    )
    labels = FrameResult(0, (6, 8), objects, wholes={2: {1}}).labels
    expected = np.where(whole, 1, 0)
    expected[part] = 2
    expected[rival] = 3
    np.testing.assert_array_equal(labels, expected)
