"""The flow back, by which points are checked, is computed around them only where the method allows that."""

import numpy as np
import pytest
from synthetic import moving_texture

from sampt_ros.data_types import Frame
from sampt_ros.point_trackers.dense_flow import DenseFlowTracker
from sampt_ros.point_trackers.dis_flow import DisFlow

SHIFT = np.array((3, -2), np.float32)


class KnownFlow(DenseFlowTracker):
    """Everything moves by SHIFT; back it moves by the negative of that, or not at all right of `still_from`."""

    def __init__(self, checks_nearby: bool, still_from: int = 10**6) -> None:
        self.checks_nearby = checks_nearby
        self.still_from = still_from
        self.sizes: list[tuple[int, ...]] = []
        super().__init__(size=480, carry_size=240, max_error=1.0)

    def flow_input(self, frame: Frame) -> np.ndarray:
        # Each pixel says its column, so that `flow` knows of which part of the image it is asked.
        return np.broadcast_to(np.arange(frame.size[1], dtype=np.float32), frame.size).astype(np.uint8)

    def flow(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        self.sizes.append(start.shape)
        if len(self.sizes) % 2:
            return np.broadcast_to(SHIFT, (*start.shape, 2)).copy()
        return np.where(start[..., None] < self.still_from, -SHIFT, 0).astype(np.float32)


def moved(tracker: DenseFlowTracker, xy: np.ndarray, size: tuple[int, int] = (180, 240)) -> tuple[np.ndarray, ...]:
    before, after = (Frame(index, np.zeros((*size, 3), np.uint8)) for index in range(2))
    return tracker.move(xy, before, after)


@pytest.mark.parametrize("checks_nearby", [False, True])
def test_points_are_compared_with_the_flow_back_where_they_arrive(checks_nearby):
    tracker = KnownFlow(checks_nearby, still_from=104)
    xy = np.array([(90, 80), (99, 80), (103, 84)], np.float32)
    arrived, visible, _ = moved(tracker, xy)
    np.testing.assert_allclose(arrived, xy + SHIFT)
    assert visible.tolist() == [True, True, False]  # the last one arrives where nothing goes back


def test_the_flow_back_covers_the_points_and_their_surroundings():
    tracker = KnownFlow(checks_nearby=True)
    moved(tracker, np.array([(90, 80), (100, 90)], np.float32))
    (forth, back) = tracker.sizes
    assert forth == (180, 240)
    # From 90 to 103 and from 78 to 90, with 32 pixels and half of 13 on each side.
    assert back == (91, 92)


@pytest.mark.parametrize("xy", [(-500.0, -500.0), (0.0, 0.0), (239.0, 179.0), (900.0, 900.0)])
def test_a_point_at_the_border_or_far_outside_is_checked_somewhere(xy):
    tracker = KnownFlow(checks_nearby=True)
    arrived, visible, _ = moved(tracker, np.array([xy], np.float32))
    assert np.isfinite(arrived).all()
    assert visible.shape == (1,)
    assert min(tracker.sizes[1]) >= 1


def test_points_near_each_other_are_tracked_as_with_the_flow_of_the_whole_image(monkeypatch):
    frames = moving_texture(2, (3, 2))
    xy = np.array([(60.0, 50.0), (64.5, 55.25), (70.0, 52.0)], np.float32)
    found = []
    for checks_nearby in (True, False):
        monkeypatch.setattr(DisFlow, "checks_nearby", checks_nearby)
        tracker = DisFlow()
        found.append(tracker.move(xy, frames[0], frames[1]))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    assert found[0][1].all()
    assert found[1][1].all()
