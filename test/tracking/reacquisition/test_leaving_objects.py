"""Objects that leave the picture and come back, with the default preset."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from synthetic import texture

pytest.importorskip("torch", reason="torch is missing, which the default preset's network runs on")
pytest.importorskip("safetensors", reason="safetensors is missing, which reads the weights")

from sampt_ros.config.presets import load_preset
from sampt_ros.data_types import ObjectResult, ObjectState
from sampt_ros.io.video import open_source
from sampt_ros.tracking.sam_pt import SamPt

GROUND = texture(270, 480) // 3 + 60
OBJECT = texture(52, 68, seed=3) // 2 + np.array([110, 20, 0], np.uint8)


def picture(centre: tuple[float, float] | None) -> np.ndarray:
    """The ground (270, 480, 3) uint8 with the object's middle at `centre` (x, y), or without it."""
    image = np.pad(GROUND, ((80, 80), (80, 80), (0, 0)))
    if centre is not None:
        x, y = round(centre[0]) + 46, round(centre[1]) + 54
        image[y : y + 52, x : x + 68] = OBJECT
    return image[80:-80, 80:-80].copy()


def follow(images: Iterable[np.ndarray], click: tuple[float, float]) -> list[ObjectResult]:
    """The results of every frame after the first one, in which an object is clicked."""
    sam_pt, images = SamPt(load_preset()), iter(images)
    sam_pt.step(next(images))
    sam_pt.add_object([click])
    return [sam_pt.step(image).objects[0] for image in images]


def check(
    results: list[ObjectResult], away: range, last: int, middle: tuple[float, float], tolerance: float = 8
) -> None:
    """No mask while it is away, found again by frame `last`, and the mean (x, y) of its pixels in the end."""
    assert not any(results[frame - 1].mask.any() for frame in away)
    states = [result.state for result in results]
    assert ObjectState.REACQUIRED in states[away.stop - 1 : last]
    assert results[-1].state == ObjectState.TRACKING
    y, x = np.nonzero(results[-1].mask)
    assert (x.mean(), y.mean()) == pytest.approx(middle, abs=tolerance)


def test_what_left_is_not_taken_for_the_background_and_is_found_when_it_is_back():
    way = (
        [(300 + 14 * frame, 130) for frame in range(16)] + [None] * 8 + [(-34 + 12 * frame, 90) for frame in range(14)]
    )
    check(follow(map(picture, way), way[0]), range(16, 24), 36, way[-1])


def test_what_left_in_a_handed_video_is_found_again(shared_folder):
    with open_source(str(shared_folder / "cases/leaves_and_returns/leaves_1.mp4")) as images:
        check(follow(images, (240, 130)), range(22, 32), 44, (-34 + 12 * 23, 90), tolerance=9)


def test_an_object_that_stops_is_still_tracked():
    way = [(100 + 10 * frame, 130) for frame in range(12)] + [(210, 130)] * 14
    results = follow(map(picture, way), way[0])
    assert {result.state for result in results} == {ObjectState.TRACKING}
