"""An object is followed through a sequence as the stream does it: training/nano/learning/follower.py."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic import disk
from training_samples import SIZE, follow, right, scene

torch = pytest.importorskip("torch", reason="torch is missing, which trains the network")


@pytest.mark.parametrize("seed", range(8))
def test_clicks_lie_on_the_object(seed):
    from training.nano.learning.prompts import click_on

    mask = disk((80, 60), 30) | disk((130, 60), 8)
    x, y = click_on(mask, np.random.default_rng(seed)).astype(int)
    assert mask[y, x]


@pytest.mark.parametrize("seed", range(6))
def test_looks_are_what_they_say(seed):
    looks, follower = follow(scene(), seed, right)
    assert len(looks) >= 5 or looks[0].prompts[2].any()  # A part in a box is looked at once.
    for look in looks:
        assert (look.window.shape, look.window.dtype) == ((SIZE, SIZE, 3), np.uint8)
        assert look.prompts.shape == (6, SIZE // 4, SIZE // 4)
        assert np.abs(look.prompts).max() < 1.001
        assert look.truth.shape == look.known.shape == (SIZE // 2, SIZE // 2)
        assert -0.001 < look.truth.min() <= look.truth.max() < 1.001
        assert look.prompts[:5].any()
    assert not any(look.first for look in looks[1:])
    assert follower.remembered
    assert len(follower.remembered) <= 4
    assert all(entry.mask.shape == (SIZE, SIZE) for entry in follower.remembered)
    steps = [entry.shown for entry in follower.remembered]
    assert steps == sorted(set(steps))


def test_a_network_that_is_right_is_shown_the_object_again_and_again():
    looks, _ = follow(scene(), 1, right)
    assert np.mean([look.truth.max() > 0.5 for look in looks]) > 0.7


def test_a_network_that_finds_nothing_keeps_what_was_carried():
    _, follower = follow(scene(), 2, lambda look: np.full((SIZE // 2, SIZE // 2), -9, np.float32))
    assert follower.done
    assert len(follower.remembered) <= 1


def half(look):
    """Finds no more than the left half of the window."""
    logits = right(look)
    logits[:, logits.shape[1] // 2 :] = -10
    return logits


@pytest.mark.parametrize("seed", range(6))
def test_a_mask_at_a_click_that_is_wrong_is_corrected_by_more_clicks(seed):
    looks, _ = follow(scene(1), seed, half, starts=(1.0, 0.0, 0.0), corrected=1.0)
    assert [look.first for look in looks] == [True] + [False] * (len(looks) - 1)
    assert 3 <= len(looks) <= 6
    assert any(look.prompts[4].all() for look in looks[1:])  # There is a mask to correct.
    clicked = [look.prompts[:2].sum() / look.prompts[:2].max() for look in looks]
    assert max(clicked[1:]) > clicked[0]


def test_a_mask_that_is_right_is_not_corrected():
    for seed in range(4):
        looks, _ = follow(scene(), seed, right, size=192, starts=(1.0, 0.0, 0.0), corrected=1.0, sought=0.0)
        assert len(looks) == 5 + 1


def test_clicks_that_correct_a_later_mask_recall_nothing():
    from training.nano.learning.follower import Follower
    from training.nano.learning.parts import Habits

    habits = Habits(starts=(0.0, 0.0, 1.0), later=1.0, sought=0.0, accident=0.0, rescued=0.0)
    follower = Follower(scene(), (1,), np.random.default_rng(0), habits, 0.0)
    recalled = []
    while not follower.done:
        look = follower.look(SIZE)
        recalled.append(len(follower.remembered) * follower.recalls)
        follower.take(half(look), 0.9, len(recalled))
    # Each frame's first look, and four with more clicks.
    assert recalled[:12] == [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 2, 0]


@pytest.mark.parametrize("count", [1, 2, 3, 20])
def test_a_sequence_of_any_length_shows_some_of_its_frames(count):
    from training.nano.learning.follower import drawn_frames

    for seed in range(50):
        drawn = drawn_frames(count, np.random.default_rng(seed))
        assert drawn
        assert set(drawn) <= set(range(count))


def test_an_object_without_a_label_in_an_incomplete_sequence_ends_it():
    sequence = scene(complete=False)
    for labels in sequence.labels[2:]:
        labels[:] = 0
    for seed in range(6):
        looks, _ = follow(sequence, seed, right)
        assert all(look.truth.any() or look.beyond for look in looks if not look.prompts[0].any())
        assert len(looks) <= 4


def test_accidents_put_the_mask_elsewhere():
    from training.nano.learning.damage import misplaced

    mask, other = disk((60, 60), 20), disk((120, 60), 20)
    overlaps = []
    for seed in range(20):
        moved = misplaced(mask, other, np.random.default_rng(seed)) > 0.5
        overlaps.append(np.count_nonzero(moved & mask) / np.count_nonzero(mask))
    assert np.mean(overlaps) < 0.5
    assert min(overlaps) == 0


@pytest.mark.parametrize("seed", range(5))
def test_damaged_masks_stay_near_the_mask(seed):
    from training.nano.learning.damage import damaged, lightly_damaged

    mask = disk((80, 60), 30)
    rng = np.random.default_rng(seed)
    carried = damaged(mask, np.zeros_like(mask), rng)
    assert (carried.shape, carried.dtype) == (mask.shape, np.float32)
    assert (carried[mask] > 0.5).mean() > 0.2
    light = lightly_damaged(mask, rng) > 0.5
    assert np.count_nonzero(light & mask) > 0.8 * np.count_nonzero(light | mask)
