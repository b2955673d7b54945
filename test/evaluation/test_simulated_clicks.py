from __future__ import annotations

import cv2
import numpy as np
import pytest
from davis_folders import NOTHING, square
from fakes import DriftingTracker, Scripted, SquareSegmenter, blank

from sampt_ros.config.core import SamPtConfig
from sampt_ros.evaluation.layouts.sequences import Annotation
from sampt_ros.evaluation.simulated_clicks import click_objects, most_interior_point, start_objects
from sampt_ros.tracking.sam_pt import SamPt


@pytest.mark.parametrize(
    ("mask", "xy"),
    [
        # the middle of a square with an odd side
        (np.pad(np.ones((5, 5), bool), 3), (5, 5)),
        # the image border is outside: the middle column of a full image
        (np.ones((3, 3), bool), (1, 1)),
        # a single pixel
        (np.pad(np.ones((1, 1), bool), ((2, 0), (4, 0))), (4, 2)),
    ],
)
def test_the_most_interior_point_is_farthest_from_outside(mask, xy):
    assert most_interior_point(mask) == xy


def test_each_click_is_in_the_middle_of_the_largest_error():
    truth = Annotation({1: square(20, 20) | square(50, 30)}, NOTHING)
    near, extra = square(20, 20), square(10, 40)
    sam_pt = Scripted(near, near | square(50, 30) | extra, near | square(50, 30))
    click_objects(sam_pt, truth, clicks=5)
    assert sam_pt.queries == [
        ("new", [(20, 20)], [1]),
        ("more", [(50, 30)], [1]),  # missing
        ("more", [(10, 40)], [0]),  # too much
    ]  # and then nothing is wrong any more


def test_an_object_not_found_at_first_gets_all_clicks_again():
    sam_pt = Scripted(None, square(20, 20))
    click_objects(sam_pt, Annotation({1: square(20, 20)}, NOTHING), clicks=3)
    assert sam_pt.queries == [("new", [(20, 20)], [1]), ("new", [(20, 20), (20, 20)], [1, 1])]


def test_an_object_that_is_not_to_be_seen_is_not_clicked():
    sam_pt = Scripted(square(20, 20))
    click_objects(sam_pt, Annotation({1: NOTHING, 2: square(20, 20)}, NOTHING), clicks=1)
    assert sam_pt.object_ids == [2]


def test_errors_in_void_are_not_clicked():
    sam_pt = Scripted(square(20, 20) | square(50, 30))
    click_objects(sam_pt, Annotation({1: square(20, 20)}, void=square(50, 30)), clicks=3)
    assert len(sam_pt.queries) == 1


@pytest.mark.parametrize("clicks", [0, 1])
def test_objects_start_from_their_masks_or_from_clicks_under_their_ids(clicks):
    sam_pt = SamPt(SamPtConfig(), SquareSegmenter(), DriftingTracker())
    sam_pt.step(blank())
    start_objects(sam_pt, Annotation({2: square(20, 20), 5: square(50, 30)}, NOTHING), clicks)
    assert sam_pt.object_ids == [2, 5]


def test_of_pixels_as_far_inside_the_first_is_clicked(monkeypatch):
    mask = np.zeros((40, 60), bool)
    mask[5:20, 5:50] = True
    transform = cv2.distanceTransform

    def uneven(*arguments):  # as OpenCV's roots are at times
        distance = transform(*arguments)
        distance[13, 30] = np.nextafter(distance[13, 30], np.inf, dtype=np.float32)
        return distance

    monkeypatch.setattr(cv2, "distanceTransform", uneven)
    assert most_interior_point(mask) == (12, 12)
