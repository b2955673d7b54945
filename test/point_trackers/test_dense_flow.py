"""What trackers by dense flow share, with a flow that is known."""

from __future__ import annotations

import numpy as np
import pytest

from sampt_ros.data_types import Frame, LocalMask
from sampt_ros.geometry.crops import Crop
from sampt_ros.point_trackers.dense_flow import DenseFlowTracker, _FramePair
from sampt_ros.point_trackers.dis_flow import DisFlow


class CountingFlow(DenseFlowTracker):
    """Everything moves 4 pixels of the image to the right, or back, and the sizes that flow was asked for are kept."""

    def __init__(self, size: int = 320, carry_size: int = 240) -> None:
        self.asked: list[tuple[int, ...]] = []
        super().__init__(size, carry_size, max_error=1.0)

    def flow_input(self, frame):
        return frame.gray

    def flow(self, start, end):
        self.asked.append(start.shape)
        way = 4 if end.mean() < start.mean() else -4  # Frames grow darker.
        flow = np.zeros((*start.shape, 2), np.float32)
        flow[..., 0] = way
        return flow


def darkening(height: int, width: int) -> tuple[Frame, Frame]:
    """Two plain frames, the second one darker."""
    before, after = (np.full((height, width, 3), grey, np.uint8) for grey in (110, 100))
    return Frame(0, before), Frame(1, after)


def square(height: int, width: int, left: int, top: int, side: int) -> np.ndarray:
    mask = np.zeros((height, width), bool)
    mask[top : top + side, left : left + side] = True
    return mask


def test_few_masks_move_by_a_flow_of_their_own_and_many_by_the_images():
    frames, tracker = darkening(240, 320), CountingFlow()
    masks = [square(240, 320, 30 + 50 * at, 60, 60) for at in range(4)]

    def moved(among: int) -> list[np.ndarray]:
        tracker.asked.clear()
        found = [tracker.propagate_mask(LocalMask.of(mask), *frames, among) for mask in masks[:among]]
        return [mask.whole() > 0.5 for mask in found]

    own = moved(3)
    assert len(tracker.asked) == 3
    shared = moved(4)
    assert tracker.asked == [(240, 320)]
    tracker.move(np.array([(50, 50)], np.float32), *frames)
    assert tracker.asked == [(240, 320)] * 2  # The points need one more, the flow forth.
    for mask, alone, together in zip(masks, own, shared):
        np.testing.assert_array_equal(alone, np.roll(mask, 4, 1))
        np.testing.assert_array_equal(together, np.roll(mask, 4, 1))


def test_a_mask_that_the_images_flow_is_too_coarse_for_has_its_own():
    frames, tracker = darkening(480, 640), CountingFlow(size=320)
    for side, is_shared in ((40, False), (200, True)):
        tracker.asked.clear()
        tracker.propagate_mask(LocalMask.of(square(480, 640, 200, 150, side)), *frames, among=8)
        assert (tracker.asked == [(240, 320)]) == is_shared


def test_the_flow_of_a_new_pair_is_computed_anew():
    frames, tracker = [*darkening(240, 320), Frame(2, np.full((240, 320, 3), 90, np.uint8))], CountingFlow()
    mask = LocalMask.of(square(240, 320, 100, 100, 60))
    for pair in (frames[:2], frames[1:], frames[1:], frames[:2]):
        tracker.propagate_mask(mask, *pair, among=4)
    assert len(tracker.asked) == 3
    tracker.reset()
    tracker.propagate_mask(mask, *frames[:2], among=4)
    assert len(tracker.asked) == 4


@pytest.mark.parametrize("crop_size", [(150, 110), (300, 220)], ids=["smaller", "as large or larger"])
@pytest.mark.parametrize("size", [(480, 640), (240, 320), (300, 400)])
def test_the_images_flow_within_a_crop_is_in_pixels_of_the_crop(size, crop_size):
    frames = darkening(480, 640)

    def flow(start, end):
        rows, columns = np.mgrid[: start.shape[0], : start.shape[1]].astype(np.float32)
        return np.stack([0.5 + columns / 100, -1 + rows / 50], axis=2)

    ramp = np.broadcast_to(np.linspace(0, 250, size[1]).astype(np.uint8), size)
    pair = _FramePair(frames, ramp, ramp[:, ::-1], flow)
    crop, before, after, found = pair.within(Crop((100, 80, 400, 300), crop_size))
    assert crop.window == (100, 80, 400, 300)
    assert before.shape == after.shape == found.shape[:2] == crop.size[::-1]
    assert crop.size[0] <= crop_size[0]
    scale = np.array([size[1] / 640, size[0] / 480])
    rows, columns = np.mgrid[: crop.size[1], : crop.size[0]]
    image_xy = np.stack([(columns + 0.5) / crop.scale[0] + 99.5, (rows + 0.5) / crop.scale[1] + 79.5], axis=2)
    at = (image_xy + 0.5) * scale - 0.5
    expected = np.stack([0.5 + at[..., 0] / 100, -1 + at[..., 1] / 50], axis=2) / scale * crop.scale
    # Half a pixel of the scaled image, in which the flow changes by 1 / 100 and 1 / 50 of one; at the border it ends.
    inner = np.s_[4:-4, 4:-4]
    np.testing.assert_allclose(found[inner], expected[inner], atol=0.6 / 50 * (crop.scale / scale).max())
    np.testing.assert_allclose(before[inner], (at[..., 0] * 250 / (size[1] - 1))[inner], atol=2)


def test_a_crop_of_a_single_pixel_of_the_scaled_image():
    pair = CountingFlow(size=320)._frame_pair(*darkening(480, 640))
    for window in ((639, 479, 640, 480), (0, 0, 1, 1), (320, 479, 340, 480)):
        crop, before, after, flow = pair.within(Crop(window, (16, 16)))
        assert before.shape == after.shape == flow.shape[:2] == crop.size[::-1]
        assert before.size


def test_many_masks_of_dis_flow_move_with_the_image():
    rng = np.random.default_rng(0)
    texture = np.repeat(np.repeat(rng.integers(0, 255, (60, 80), np.uint8), 8, 0), 8, 1)
    frames = [Frame(at, np.dstack([np.roll(texture, (-3 * at, 4 * at), (0, 1))] * 3)) for at in range(2)]
    tracker = DisFlow()
    for left in (60, 200, 340, 480):
        mask = square(480, 640, left, 150, 90)
        moved = tracker.propagate_mask(LocalMask.of(mask), *frames, among=4).whole() > 0.5
        expected = np.roll(mask, (-3, 4), (0, 1))
        assert (moved & expected).sum() > 0.95 * (moved | expected).sum()
