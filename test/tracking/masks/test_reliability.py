"""How far an object's masks can be relied on."""

import numpy as np
import pytest

from sampt_ros.data_types import LocalMask
from sampt_ros.tracking.masks.reliability import Reliability

WHOLE = LocalMask.of(np.ones((20, 20), bool))


def after(qualities: list[float]) -> Reliability:
    reliability = Reliability()
    for quality in qualities:
        reliability = reliability.after(WHOLE, quality)
    return reliability


def test_the_first_mask_has_its_predicted_iou_which_is_at_most_1() -> None:
    assert after([0.7]).score == pytest.approx(0.7)
    assert after([1.3]).score == 1.0
    assert after([0.0]).score == 0.0


def test_a_mask_in_two_equal_parts_is_rated_half() -> None:
    mask = np.zeros((20, 20), bool)
    mask[:5] = mask[15:] = True
    assert Reliability().after(LocalMask.of(mask), 0.8).score == pytest.approx(0.4)


def test_a_good_mask_after_poor_ones_is_less_reliable_than_one_after_good_ones() -> None:
    assert after([0.3] * 8 + [0.9]).score < 0.6
    assert after([0.9] * 9).score == pytest.approx(0.9)


def test_a_poor_mask_after_good_ones_shows_at_once() -> None:
    assert after([0.9] * 30 + [0.1]).score < 0.35


def test_what_is_long_ago_is_forgotten() -> None:
    assert after([0.1] * 20 + [0.9] * 100).score == pytest.approx(0.9, abs=0.01)


def test_it_is_not_changed_by_another_mask() -> None:
    before = after([0.8])
    before.after(WHOLE, 0.1)
    assert before == after([0.8])
