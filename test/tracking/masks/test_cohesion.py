"""How far a mask is in one piece."""

import numpy as np
import pytest

from sampt_ros.data_types import LocalMask
from sampt_ros.tracking.masks.cohesion import cohesion


def test_a_mask_in_one_piece_and_an_empty_one_are_whole() -> None:
    mask = np.zeros((60, 80), bool)
    assert cohesion(LocalMask.of(mask)) == 1.0
    mask[10:30, 20:50] = True
    assert cohesion(LocalMask.of(mask)) == 1.0


def test_the_largest_part_counts() -> None:
    mask = np.zeros((60, 80), bool)
    mask[10:40, 5:25] = True
    mask[10:20, 40:60] = True
    assert cohesion(LocalMask.of(mask)) == pytest.approx(0.75)


@pytest.mark.parametrize("scale", [1, 12])
def test_the_scale_of_a_mask_changes_little(scale: int) -> None:
    small = np.zeros((60, 80), bool)
    small[10:40, 5:25] = small[10:20, 40:60] = True
    assert cohesion(LocalMask.of(np.kron(small, np.ones((scale, scale), bool)))) == pytest.approx(0.75, abs=0.02)


def test_a_thin_line_holds_parts_together_however_large_the_mask_is() -> None:
    mask = np.zeros((720, 1280), bool)
    mask[100:300, 100:300] = mask[400:600, 900:1100] = True
    assert cohesion(LocalMask.of(mask)) == pytest.approx(0.5, abs=0.01)
    mask[200, 100:1100] = mask[200:500, 1099] = True
    assert cohesion(LocalMask.of(mask)) == 1.0
