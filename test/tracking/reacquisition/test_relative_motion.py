"""How fast an object moves against its surroundings."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from synthetic import texture

from sampt_ros.data_types import LocalMask
from sampt_ros.tracking.reacquisition.relative_motion import relative_motion

HEIGHT, WIDTH = 240, 320
GROUND, OBJECT = texture(HEIGHT + 40, WIDTH + 40), texture(60, 60, seed=1)


def scene(left: int, camera: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A grey image (240, 320) uint8 of a square over ground that a camera moves over, and the square's mask."""
    image = GROUND[20 : 20 + HEIGHT, 20 + camera : 20 + camera + WIDTH].copy()
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[90:150, left : left + 60] = True
    image[mask] = OBJECT.reshape(-1, 3)
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), mask


@pytest.mark.parametrize(
    ("left", "camera", "pixels"),
    [
        (104, 0, 4),  # The object moves.
        (100, 5, 5),  # The camera moves, and the object stays in its picture.
        (100, 0, 0),  # Nothing moves.
        (95, 5, 0),  # The object stands still before a camera that moves.
    ],
)
def test_the_motion_of_the_camera_does_not_count(left, camera, pixels):
    (before, _), (now, mask) = scene(100), scene(left, camera)
    assert relative_motion(before, now, LocalMask.of(mask)) * WIDTH == pytest.approx(pixels, abs=0.3)


def test_a_mask_of_the_background_stands_still():
    (before, _), (now, mask) = scene(100), scene(104, camera=3)
    assert relative_motion(before, now, LocalMask.of(np.roll(mask, 100, 1))) * WIDTH < 0.3


def test_it_is_a_share_of_the_images_longer_side():
    (before, _), (now, mask) = scene(100), scene(104)
    large = [np.kron(image, np.ones((4, 4), np.uint8)) for image in (before, now)]
    motion = relative_motion(*large, LocalMask.of(np.kron(mask, np.ones((4, 4), bool))))
    assert motion == pytest.approx(4 / WIDTH, rel=0.1)


def test_it_is_unknown_where_nothing_can_be_followed():
    (before, _), (now, mask) = scene(100), scene(104)
    now[mask], before[np.roll(mask, -4, 1)] = 90, 90
    assert relative_motion(before, now, LocalMask.of(mask)) is None
    assert relative_motion(before, now, LocalMask.of(np.ones_like(mask))) is None
