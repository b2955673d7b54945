from __future__ import annotations

import numpy as np
import pytest

from sampt_ros.errors import QueryError
from sampt_ros.tracking.queries import Query

SIZE = (48, 64)  # height, width


def test_points_without_labels_are_on_the_object():
    query = Query.checked(SIZE, points=[(1, 2), (3, 4)])
    assert query.positive.tolist() == [[1, 2], [3, 4]]
    assert query.negative.shape == (0, 2)


def test_labels_tell_points_on_the_object_from_points_off_it():
    query = Query.checked(SIZE, points=np.array([(1, 2), (3, 4)]), labels=[0, 1])
    assert (query.positive.tolist(), query.negative.tolist()) == ([[3, 4]], [[1, 2]])


@pytest.mark.parametrize("xy", [(-0.5, -0.5), (63.4, 47.4)])
def test_a_point_counts_as_inside_up_to_the_edge_of_the_outermost_pixels(xy):
    np.testing.assert_array_equal(Query.checked(SIZE, points=[xy]).xy, np.float32([xy]))


@pytest.mark.parametrize("box", [(0, 0, 64, 48), (-0.5, -0.5, 63.5, 47.5), (3, 4, 5, 6)])
def test_a_box_may_be_as_large_as_the_image(box):
    assert Query.checked(SIZE, box=box).box == box


def test_a_mask_of_any_type_marks_the_object_where_it_is_not_zero():
    mask = np.zeros(SIZE, np.uint8)
    mask[3, 4] = 255
    assert np.argwhere(Query.checked(SIZE, mask=mask).mask).tolist() == [[3, 4]]


def test_the_mask_is_a_copy():
    mask = np.ones(SIZE, bool)
    query = Query.checked(SIZE, mask=mask)
    mask[:] = False
    assert query.mask.all()


@pytest.mark.parametrize(
    ("prompts", "complaint"),
    [
        # nothing at all
        ({}, "points, a box or a mask"),
        ({"points": []}, "points, a box or a mask"),
        # not points
        ({"points": [(1, 2, 3)]}, r"\(n, 2\)"),
        ({"points": [(1, 2, 3), (4, 5, 6)]}, r"\(n, 2\)"),  # six numbers, but not three points
        ({"points": (1, 2)}, r"\(n, 2\)"),
        ({"points": ["ab"]}, r"\(n, 2\)"),
        ({"points": [(1, 2), (3,)]}, r"\(n, 2\)"),
        # not in the image: one too far, NaN, infinite
        ({"points": [(1, 2), (64, 2)]}, r"inside the 64x48 image; got \(64, 2\)"),
        ({"points": [(1, -1)]}, "inside the 64x48 image"),
        ({"points": [(1, float("nan"))]}, "finite"),
        ({"points": [(float("inf"), 1)]}, "finite"),
        # labels that do not fit the points, or mean nothing
        ({"points": [(1, 2)], "labels": [1, 1]}, "one label per point; got 1 points and 2 labels"),
        ({"points": [(1, 2)], "labels": [2]}, r"labels 0 .* or 1 .*; got \[2\]"),
        ({"points": [(1, 2)], "labels": [-1]}, "labels 0 .* or 1"),
        ({"points": [(1, 2)], "labels": ["on"]}, "labels 0 .* or 1"),
        ({"points": [(1, 2)], "labels": [{"on": 1}]}, "labels 0 .* or 1"),  # cannot be in a set
        # boxes that are none
        ({"box": (1, 2, 3)}, "4 finite numbers"),
        ({"box": (1, 2, 3, float("nan"))}, "4 finite numbers"),
        ({"box": "wide"}, "4 finite numbers"),
        ({"box": 5}, "4 finite numbers"),
        ({"box": (5, 2, 3, 4)}, "min before max"),
        ({"box": (3, 2, 3, 4)}, "min before max"),
        ({"box": (3, 2, 65, 4)}, "inside the 64x48 image"),
        # masks of another shape, of no shape, or empty
        ({"mask": np.ones((64, 48), bool)}, r"\(48, 64\); got \(64, 48\)"),
        ({"mask": [[True]]}, r"\(48, 64\); got \(1, 1\)"),
        ({"mask": np.zeros(SIZE, bool)}, "at least one pixel"),
    ],
)
def test_a_bad_query_is_refused_with_what_was_expected(prompts, complaint):
    with pytest.raises(QueryError, match=complaint):
        Query.checked(SIZE, **prompts)


def test_negative_points_alone_start_nothing():
    with pytest.raises(QueryError, match=r"at least one positive point .* got 2 negative only"):
        Query.checked(SIZE, points=[(1, 2), (3, 4)], labels=[0, 0]).require_start()


@pytest.mark.parametrize("prompts", [{"points": [(1, 2)]}, {"box": (1, 2, 3, 4)}, {"mask": np.ones(SIZE)}])
def test_a_point_a_box_or_a_mask_starts_an_object(prompts):
    query = Query.checked(SIZE, **prompts)
    query.require_start()
    assert (len(query.xy) > 0, query.box is not None, query.mask is not None).count(True) == 1
