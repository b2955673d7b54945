"""Masks of which only a rectangle is kept: they are what the masks of the whole image are."""

from __future__ import annotations

import sys
import threading
from dataclasses import replace

import numpy as np
import pytest

from sampt_ros.data_types import LocalMask
from sampt_ros.geometry.crops import box_of

SIZE = (8, 10)
SOFT = LocalMask(np.array([[0.2, 0.6, 0.7], [0.1, 0.9, 0.5]], np.float32), 4, 3, SIZE)


def test_a_mask_of_the_whole_image_is_what_it_is_in_its_rectangle_and_0_outside():
    whole = SOFT.whole()
    assert (whole.shape, whole.dtype) == (SIZE, np.float32)
    np.testing.assert_array_equal(whole[SOFT.rectangle], SOFT.values)
    assert np.count_nonzero(whole) == SOFT.values.size
    assert LocalMask.of(whole).whole() is whole


@pytest.mark.parametrize(
    "rows, columns",
    [
        (slice(3, 5), slice(5, 7)),  # inside the rectangle
        (slice(0, 4), slice(6, 10)),  # partly beyond it
        (slice(2, 9), slice(3, 99)),  # beyond the image as well
        (slice(0, 3), slice(0, 10)),  # beside it
        (slice(5, 8), slice(7, 10)),
        (slice(None), slice(None)),
    ],
)
def test_a_part_is_that_of_the_whole_mask(rows, columns):
    np.testing.assert_array_equal(SOFT.part(rows, columns), SOFT.whole()[rows, columns])


def test_what_is_above_a_half_is_on_the_object():
    on_object = SOFT.whole() > 0.5
    np.testing.assert_array_equal(SOFT.on_object.whole(), on_object)
    assert SOFT.area == 3
    assert SOFT.bounds == (5, 3, 2, 2)
    assert SOFT.box.tolist() == box_of(on_object).tolist()


def test_trimmed_it_is_the_same_in_the_smallest_rectangle():
    mask = np.zeros(SIZE, bool)
    mask[2, 3], mask[6, 4] = True, True
    trimmed = LocalMask.of(mask).trimmed()
    assert trimmed.values.shape == (5, 2)
    assert (trimmed.area, trimmed.bounds) == (2, (3, 2, 2, 5))
    np.testing.assert_array_equal(trimmed.whole(), mask)
    np.testing.assert_array_equal(SOFT.trimmed().values, [[True, True], [True, False]])


def test_an_empty_mask_has_no_pixels():
    for empty in (LocalMask.empty(SIZE), LocalMask.of(np.zeros(SIZE, bool)).trimmed()):
        assert (empty.area, empty.bounds[2:]) == (0, (0, 0))
        assert not empty.whole().any()
        assert not empty.part(slice(1, 3), slice(1, 3)).any()


def test_threads_that_ask_masks_for_different_things_do_not_wait_for_one_another():
    def ask(name: str) -> None:
        for _ in range(500):
            getattr(replace(SOFT), name)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=ask, args=(name,), daemon=True) for name in ("bounds", "on_object", "area")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(5)
    finally:
        sys.setswitchinterval(interval)
    assert not any(thread.is_alive() for thread in threads)


def test_what_is_within_the_bounds_of_a_soft_mask_is_of_bool_and_the_soft_mask_is_whole() -> None:
    values = np.zeros((4, 5), np.float32)
    values[1:3, 2:5] = [[0.2, 0.9, 0.1], [0.6, 0.7, 0.4]]
    mask = LocalMask(values, 10, 20, (60, 80))
    assert mask.bounds == (12, 21, 2, 2)
    np.testing.assert_array_equal(mask.within_bounds, [[False, True], [True, True]])
    assert mask.soft().shape == (60, 80)
    np.testing.assert_array_equal(mask.soft()[20:24, 10:15], values)
    assert LocalMask.empty((60, 80)).within_bounds.size == 0
