"""Which masks are taken for something else than their object."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fakes import DriftingTracker, SquareSegmenter

from sampt_ros.config.core import PointsConfig, PromptingConfig, ReacquireConfig, ReinitConfig, SamPtConfig
from sampt_ros.data_types import LocalMask, ObjectState
from sampt_ros.geometry.crops import Window
from sampt_ros.segmenters.base import WindowFeatures
from sampt_ros.tracking.reacquisition.drift import CERTAIN, Likeness, ObjectLooks
from sampt_ros.tracking.sam_pt import SamPt

SIDE = 16  # Pixels and cells a side of the images here.
WINDOW = Window(0, 0, SIDE, SIDE)
OBJECT, GROUND, OTHER = np.eye(3, dtype=np.float32)  # Features that have nothing in common.


def square(left: int, top: int, side: int = 6) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), bool)
    mask[top : top + side, left : left + side] = True
    return mask


def scene(*objects: tuple[np.ndarray, np.ndarray], ground: np.ndarray = GROUND) -> WindowFeatures:
    """Features of an image in which each of some masks has its own, and the ground the rest."""
    features = np.broadcast_to(ground, (SIDE, SIDE, 3)).copy()
    for mask, feature in objects:
        features[mask] = feature
    return WindowFeatures(WINDOW, features)


def known(frames: int = 4, feature: np.ndarray = OBJECT, ground: np.ndarray = GROUND) -> ObjectLooks:
    """An object of 36 pixels that was seen in so many frames."""
    looks, mask = ObjectLooks(), square(5, 5)
    for index in range(frames):
        looks = looks.accepted(index, scene((mask, feature), ground=ground), LocalMask.of(mask), 0.9)
    return looks


def doubts(looks: ObjectLooks, around: WindowFeatures, mask: np.ndarray, score: float = 0.9, index: int = 4) -> bool:
    looks = looks.observed(index, LocalMask.of(mask), score)
    return looks.doubts(looks.likeness(around, LocalMask.of(mask)), index, int(mask.sum()))


def test_an_object_of_which_nothing_is_known_is_certain():
    mask = square(5, 5)
    assert ObjectLooks().likeness(scene((mask, OTHER)), LocalMask.of(mask)) == CERTAIN
    assert not doubts(ObjectLooks(), scene((mask, OTHER)), mask)


def test_likeness_is_one_for_the_object_and_zero_for_its_surroundings():
    mask = square(5, 5)
    own = known().likeness(scene((mask, OBJECT)), LocalMask.of(mask))
    ground = known().likeness(scene(), LocalMask.of(mask))
    assert (own.resemblance, own.margin) == pytest.approx((1, 1))
    assert (ground.resemblance, ground.margin) == pytest.approx((0, -1))
    assert (own.share, ground.share) == (pytest.approx(1), pytest.approx(0))


@pytest.mark.parametrize(
    ("mask", "score"),
    [
        (square(5, 5, side=5), 0.9),  # 25 of 36 pixels are left.
        (square(5, 5), 0.7),  # The segmenter is less sure of it.
        (square(0, 5), 0.9),  # It touches the border.
        (square(5, 5, side=3), 0.9),  # Most of it is gone.
    ],
)
def test_a_suspicious_mask_on_the_ground_is_doubted_and_one_on_the_object_is_not(mask, score):
    assert doubts(known(), scene(), mask, score)
    assert not doubts(known(), scene((mask, OBJECT)), mask, score)


def test_an_object_that_changes_its_looks_alone_is_not_doubted():
    mask = square(5, 5)
    assert not doubts(known(), scene((mask, OTHER)), mask)


def test_a_mask_on_what_was_beside_the_object_is_doubted_without_a_suspicion():
    assert doubts(known(), scene(), square(5, 5))


def test_a_suspicion_lasts_for_ten_frames():
    unlike = Likeness(resemblance=0.1, margin=0.0)
    looks = known().observed(4, LocalMask.of(square(0, 5)), 0.9)
    assert looks.doubts(unlike, 14, 36)
    assert not looks.doubts(unlike, 15, 36)


def test_where_most_of_the_area_is_gone_both_measures_have_to_be_high():
    half_alike = Likeness(resemblance=0.7, margin=0.1)
    looks = known().observed(4, LocalMask.of(square(5, 5, side=3)), 0.9)
    assert looks.doubts(half_alike, 4, 9)
    assert not looks.doubts(half_alike, 4, 30)
    assert not looks.doubts(Likeness(resemblance=0.4, margin=0.5), 4, 9)


def test_after_a_doubted_mask_both_measures_have_to_be_high():
    half_alike = Likeness(resemblance=0.7, margin=0.1)
    assert not known().doubts(half_alike, 4, 36)
    assert known().doubted().doubts(half_alike, 4, 36)


def test_more_is_asked_for_ten_frames_after_the_predicted_iou_fell_far():
    changed = Likeness(resemblance=0.7, margin=0.2)
    assert not known().observed(4, LocalMask.of(square(5, 5)), 0.8).doubts(changed, 4, 36)
    alarmed = known().observed(4, LocalMask.of(square(5, 5)), 0.6)
    assert alarmed.doubts(changed, 14, 36)
    assert not alarmed.doubts(changed, 15, 36)
    assert not alarmed.doubts(Likeness(resemblance=0.7, margin=0.5), 4, 36)


def test_a_moving_mask_is_doubted_too_after_the_predicted_iou_fell_far():
    changed = Likeness(resemblance=0.4, margin=0.2)
    for moving in ({"motions": (0.05,) * 3, "motion": 0.05}, {"motion": 0.05}):
        looks = replace(known(), **moving)
        assert not looks.observed(4, LocalMask.of(square(5, 5)), 0.9).doubts(changed, 4, 36)
        alarmed = looks.observed(4, LocalMask.of(square(5, 5)), 0.6)
        assert alarmed.doubts(changed, 4, 36)
        assert not alarmed.doubts(Likeness(resemblance=0.9, margin=0.2), 4, 36)


def test_what_is_back_after_nothing_was_found_has_to_be_like_the_object():
    changed = Likeness(resemblance=0.7, margin=0.2)
    gone = known().absent()
    assert not known().doubts(changed, 5, 36)
    assert gone.doubts(changed, 5, 36)
    assert not gone.doubts(Likeness(resemblance=0.7, margin=0.5), 5, 36)


def test_an_object_that_nobody_knows_yet_is_not_absent():
    assert not ObjectLooks().absent().is_absent


def test_an_object_is_given_up_after_eight_doubted_masks_in_a_row():
    looks = known()
    for _ in range(8):
        assert not looks.is_given_up
        looks = looks.doubted()
    assert looks.is_given_up
    assert not looks.lost().is_given_up


def test_an_object_like_its_surroundings_is_never_doubted():
    alike = OBJECT + 0.1 * GROUND
    looks = known(feature=OBJECT, ground=(alike / np.linalg.norm(alike)).astype(np.float32))
    mask = square(5, 5, side=3)
    assert not looks.is_distinctive
    assert not doubts(looks, scene(ground=OTHER), mask)


def test_a_part_that_is_left_behind_is_cut_off():
    own, left_behind = square(9, 9), square(1, 1)
    around = scene((own, OBJECT))
    assert np.array_equal(known().own_parts(around, LocalMask.of(own | left_behind)).whole(), own)


def test_a_smaller_part_has_to_be_more_like_the_object_than_the_largest():
    largest, small = square(2, 5), square(10, 5, side=4)
    half_alike = (0.7 * OBJECT + 0.5 * GROUND + 0.5 * OTHER).astype(np.float32)
    half_alike /= np.linalg.norm(half_alike)
    both = LocalMask.of(largest | small)
    assert np.array_equal(known().own_parts(scene((largest, OBJECT), (small, half_alike)), both).whole(), largest)
    assert np.array_equal(known().own_parts(scene((largest, OBJECT), (small, OBJECT)), both).whole(), both.whole())
    as_largest = scene((largest, half_alike), (small, OBJECT))
    assert np.array_equal(known().own_parts(as_largest, both).whole(), both.whole())


def test_parts_that_are_all_alike_or_all_alien_are_kept():
    whole = square(9, 9) | square(1, 1)
    both = LocalMask.of(whole)
    assert np.array_equal(known().own_parts(scene((whole, OBJECT)), both).whole(), whole)
    assert np.array_equal(known().own_parts(scene(), both).whole(), whole)


MOVING, STANDING = 0.01, 0.0  # Motions in shares of the image's longer side.


def moving(looks: ObjectLooks) -> ObjectLooks:
    """The looks of an object that moved until now."""
    return replace(looks, motions=(MOVING,) * 3)


def test_a_mask_that_stands_still_while_its_object_moved_has_to_be_high_in_both_measures():
    half_alike = Likeness(resemblance=0.4, margin=0.5)
    assert moving(known()).moved(STANDING).doubts(half_alike, 4, 36)
    assert not moving(known()).moved(MOVING).doubts(half_alike, 4, 36)
    assert not known().moved(STANDING).doubts(half_alike, 4, 36)


def test_an_object_that_stops_is_not_doubted():
    assert not moving(known()).moved(STANDING).doubts(Likeness(resemblance=0.9, margin=0.5), 4, 36)


def test_what_goes_on_as_before_after_a_doubt_has_to_be_high_in_one_measure_and_what_moves_slower_in_both():
    half_alike = Likeness(resemblance=0.7, margin=0.1)
    looks = moving(known()).doubted()
    assert not looks.moved(MOVING).doubts(half_alike, 4, 36)
    assert looks.moved(MOVING / 2).doubts(half_alike, 4, 36)


def test_what_is_left_of_an_object_and_moves_slower_has_to_be_high_in_one_measure():
    unlike, half_alike = Likeness(resemblance=0.4, margin=0.0), Likeness(resemblance=0.4, margin=0.5)
    looks = moving(known())
    assert not looks.moved(MOVING).doubts(unlike, 4, 9)
    assert looks.moved(MOVING / 2).doubts(unlike, 4, 9)
    assert not looks.moved(MOVING / 2).doubts(half_alike, 4, 9)
    assert not looks.moved(MOVING / 2).doubts(unlike, 4, 36)


def test_an_object_like_its_surroundings_that_stood_for_three_frames_is_doubted_until_it_goes_on_as_before():
    looks = replace(moving(known()), first_margins=(0.1,) * 3).doubted().doubted()
    unlike = Likeness(resemblance=0.5, margin=0.1)
    assert not looks.moved(MOVING / 2).doubts(unlike, 4, 36)
    looks = looks.doubted()
    assert looks.doubts(unlike, 4, 36)
    assert looks.moved(MOVING / 2).doubts(unlike, 4, 36)
    assert not looks.moved(MOVING).doubts(unlike, 4, 36)


def test_after_three_doubted_masks_one_that_does_not_go_on_has_to_be_as_like_as_one_that_stands_still():
    looks, nearly = known().doubted().doubted(), Likeness(resemblance=0.55, margin=0.4)
    assert not looks.doubts(nearly, 4, 36)
    assert looks.doubted().doubts(nearly, 4, 36)


def test_the_motion_of_a_doubted_mask_is_not_its_objects():
    looks = moving(known()).moved(STANDING)
    assert looks.doubted().motions == (MOVING,) * 3
    assert looks.accepted(4, scene((square(5, 5), OBJECT)), LocalMask.of(square(5, 5)), 0.9).motions == (
        MOVING,
    ) * 3 + (STANDING,)


def test_what_moves_unlike_its_surroundings_is_not_doubted_at_first():
    alien = Likeness(resemblance=0.0, margin=-0.5)
    looks = known().moved(MOVING)
    assert not looks.doubts(alien, 4, 36)
    assert looks.doubted().doubts(alien, 4, 36)


def test_an_object_like_its_surroundings_is_doubted_where_it_stands_still_under_a_suspicion():
    looks = replace(moving(known()), first_margins=(0.1,) * 3, suspected_till=4)
    unlike = Likeness(resemblance=0.5, margin=0.1)
    assert looks.moved(STANDING).doubts(unlike, 4, 36)
    assert not looks.moved(STANDING).doubts(unlike, 5, 36)
    assert not looks.moved(MOVING).doubts(unlike, 4, 36)


def test_motion_is_measured_now_and_then_and_where_it_decides():
    sure, unsure = Likeness(1.0, 1.0), Likeness(0.0, -1.0)
    looks = moving(known()).moved(MOVING).accepted(4, scene((square(5, 5), OBJECT)), LocalMask.of(square(5, 5)), 0.9)
    assert [looks.wants_motion(sure, index, 36) for index in (5, 7, 8)] == [False, False, True]
    assert looks.observed(5, LocalMask.of(square(5, 5)), 0.9).wants_motion(unsure, 5, 36)
    assert looks.observed(5, LocalMask.of(square(0, 5)), 0.9).wants_motion(sure, 5, 36)


@pytest.mark.parametrize(("motion", "views"), [(STANDING, 1), (MOVING, 2)])
def test_a_mask_that_grows_is_learned_from_only_where_it_moves_unlike_its_surroundings(motion, views):
    looks = replace(known(), views=known().views[:1], learn_at=4).moved(motion)
    grown = square(4, 4, side=8)
    assert len(looks.accepted(4, scene((grown, OBJECT)), LocalMask.of(grown), 0.9).views) == views


def test_what_is_unlike_the_object_is_not_learned():
    mask = square(5, 5)
    looks = known(frames=1).accepted(10, scene((mask, OTHER)), LocalMask.of(mask), 0.9)
    assert len(looks.views) == 1


def test_the_first_view_is_never_forgotten():
    looks, first = known(frames=1), known(frames=1).views[0]
    mask = square(5, 5)
    for index in range(10, 200, 10):
        looks = looks.accepted(index, scene((mask, OBJECT)), LocalMask.of(mask), 0.9)
    assert looks.views[0].inside.tolist() == first.inside.tolist()
    assert len(looks.views) == 6


class ColorSegmenter(SquareSegmenter):
    """Describes the surroundings of an object by their colours, a cell a pixel."""

    def describe_object(self, frame, embedding, mask):
        window = Window(0, 0, 64, 64)
        colors = window.cut(frame.image).astype(np.float32) + 1
        return WindowFeatures(window, colors / np.linalg.norm(colors, axis=2, keepdims=True))


def image(left: int | None) -> np.ndarray:
    """A green picture (64, 64) with a red square of 9 pixels a side from `left` on, or without one."""
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[..., 1] = 200
    if left is not None:
        picture[28:37, left : left + 9] = (200, 0, 0)
    return picture


def run(is_enabled: bool) -> list[ObjectState]:
    """States of an object that is gone after five frames, while the segmenter is less sure of its mask."""
    config = SamPtConfig(
        points=PointsConfig(positive=1, negative=0),
        prompting=PromptingConfig(refinements=0, iou_threshold=0.2),
        reinit=ReinitConfig(policy="never"),
        reacquire=ReacquireConfig(enabled=is_enabled),
    )
    segmenter = ColorSegmenter()
    sam_pt = SamPt(config, segmenter, DriftingTracker((0, 0)))
    sam_pt.step(image(28))
    sam_pt.add_object([(32, 32)])
    states = [sam_pt.step(image(28)).objects[0].state for _ in range(5)]
    segmenter.rate = lambda xy: 0.5
    return states + [sam_pt.step(image(None)).objects[0].state for _ in range(10)]


def test_an_object_whose_place_is_empty_is_uncertain_and_then_lost():
    states = run(is_enabled=True)
    assert states[:5] == [ObjectState.TRACKING] * 5
    assert states[5:12] == [ObjectState.UNCERTAIN] * 7
    assert states[12:] == [ObjectState.LOST] * 3


def test_without_reacquisition_nothing_is_doubted():
    assert run(is_enabled=False) == [ObjectState.TRACKING] * 15


@pytest.mark.parametrize(("follows_cut", "is_found"), [(True, True), (False, False)])
def test_more_likeness_is_asked_of_what_had_left_than_after_a_cut(follows_cut, is_found):
    somewhat_alike = Likeness(resemblance=0.55, margin=0.05)
    assert known().is_found_again(somewhat_alike, follows_cut) is is_found
