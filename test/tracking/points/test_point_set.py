"""Points get ids of their own, are moved together, and do not count near the border."""

import numpy as np
import pytest
from fakes import DriftingTracker, blank

from sampt_ros.config.core import SamPtConfig
from sampt_ros.config.options import updated
from sampt_ros.data_types import NEGATIVE, POSITIVE, Frame, LocalMask
from sampt_ros.tracking.points.point_set import TrackedPoints

NONE = np.zeros((0, 2), np.float32)


@pytest.fixture
def points():
    config = updated(SamPtConfig(), {"points.positive": 4, "points.negative": 2, "visibility.border": 0.1})
    return TrackedPoints(config, DriftingTracker((10, 0)))


def test_ids_are_never_given_twice(points):
    first = points.new(np.array([(1, 1), (2, 2)], np.float32), np.array([(3, 3)], np.float32))
    assert first.id.tolist() == [1, 2, 3]
    assert first.label.tolist() == [POSITIVE, POSITIVE, NEGATIVE]
    points.forget_all()
    assert points.new(np.array([(1, 1)], np.float32), NONE).id.tolist() == [4]
    points.reset()
    assert points.new(np.array([(1, 1)], np.float32), NONE).id.tolist() == [1]


def test_points_are_drawn_on_and_off_the_mask_as_configured(points):
    mask = np.zeros((48, 64), bool)
    mask[10:20, 10:20] = True
    drawn = points.draw(LocalMask.of(mask), Frame(0, blank()))
    x, y = drawn.xy.astype(int).T
    assert mask[y, x].tolist() == [True] * 4 + [False] * 2
    assert drawn.label.tolist() == [POSITIVE] * 4 + [NEGATIVE] * 2


def test_each_object_gets_its_own_points_back(points):
    frames = [Frame(0, blank()), Frame(1, blank())]
    first = points.follow(points.new(np.array([(20, 20)], np.float32), NONE), frames[:1])
    second = points.follow(points.new(np.array([(25, 30), (30, 30)], np.float32), NONE), frames[:1])
    moved_second, moved_first = points.update([second, first], frames[1])
    assert moved_first.xy.tolist() == [[30, 20]]
    assert moved_second.xy.tolist() == [[35, 30], [40, 30]]


def test_a_point_near_the_border_does_not_count(points):
    followed = points.follow(points.new(np.array([(30, 24), (50, 24)], np.float32), NONE), [Frame(0, blank())])
    assert followed.visible.tolist() == [True, True]
    (moved,) = points.update([followed], Frame(1, blank()))
    assert moved.xy[1].tolist() == [60, 24]
    assert moved.visible.tolist() == [True, False]
