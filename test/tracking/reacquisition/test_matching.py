"""Where a lost object may be and whether a mask is it, on made-up feature maps."""

import numpy as np
import pytest

from sampt_ros.config.core import ReacquireConfig
from sampt_ros.data_types import LocalMask, ObjectState
from sampt_ros.tracking.reacquisition.appearance import MaskedCells
from sampt_ros.tracking.reacquisition.matching import Reacquisition, ResponseMap, Sighting

SIZE = (60, 80)  # of the images; 6 x 8 cells of 10 pixels
RED, GREEN = np.eye(2, dtype=np.float32)
NOWHERE = np.zeros(SIZE, bool)


def scene(*red):
    """A feature map (6, 8, 2), green but for the cells (x, y) in `red`."""
    feature_map = np.tile(GREEN, (6, 8, 1))
    for x, y in red:
        feature_map[y, x] = RED
    return feature_map


def mask_of(x, y):
    """The mask of the cell (x, y)."""
    mask = np.zeros(SIZE, bool)
    mask[10 * y : 10 * y + 10, 10 * x : 10 * x + 10] = True
    return mask


def cells(feature_map, mask):
    """The cells of a feature map that a mask (H, W) covers."""
    return MaskedCells.of(feature_map, LocalMask.of(mask))


def learned(*others, **changes):
    """A red object that was seen in the cell (2, 3) of frame 0, with others as red in the cells (x, y)."""
    start = Reacquisition.start(ReacquireConfig(**changes))
    return start.learned(0, cells(scene((2, 3), *others), mask_of(2, 3)))


def candidate(known, feature_map, occupied=NOWHERE):
    cell = known.candidate(known.response(feature_map, occupied))
    return None if cell is None else tuple(cell.tolist())


def test_the_candidate_is_where_the_frame_looks_like_the_object():
    assert candidate(learned(), scene((5, 2))) == (5, 2)
    assert candidate(learned(), scene()) is None


def test_what_another_object_covers_is_no_candidate():
    assert candidate(learned(), scene((5, 2)), occupied=mask_of(5, 2)) is None


def test_what_looked_like_the_object_beside_it_is_a_distractor_wherever_it_goes():
    known = learned((5, 2))
    for index, cell in enumerate([(5, 3), (4, 4), (5, 5)], 1):
        response = known.response(scene(cell), NOWHERE)
        known = known.following(response, index)
        assert known.candidate(response) is None
    assert candidate(known, scene((5, 5), (2, 2))) == (2, 2)


def test_a_distractor_not_seen_for_long_is_forgotten():
    known = learned((5, 2))
    unseen = known.response(scene(), NOWHERE)
    assert len(known.following(unseen, 30).distractors) == 1
    assert len(known.following(unseen, 31).distractors) == 0


def test_a_rejected_cell_is_no_candidate_for_four_frames():
    known = learned().rejecting(np.array([5, 2]), index=10)
    response = known.response(scene((5, 2)), NOWHERE)
    assert known.following(response, 14).candidate(response) is None
    assert known.following(response, 15).candidate(response).tolist() == [5, 2]


# Each mask of frame 1 is found from the cell (5, 2); the object was as large as a cell.
@pytest.mark.parametrize(
    "feature_map, mask, is_match",
    [
        (scene((5, 2)), mask_of(5, 2), True),
        (scene((5, 2)), mask_of(4, 2), False),  # It does not cover the cell.
        (scene(), mask_of(5, 2), False),  # It looks like something else.
        (scene((5, 2)), mask_of(5, 2) | mask_of(6, 2) | mask_of(5, 3) | mask_of(6, 3), False),  # It is too large.
    ],
)
def test_a_mask_matches_by_place_looks_and_size(feature_map, mask, is_match):
    assert learned().matches(1, np.array([5, 2]), cells(feature_map, mask)) is is_match


def test_a_mask_over_a_distractor_does_not_match():
    both = scene((5, 2), (5, 3))
    covered = cells(both, mask_of(5, 2) | mask_of(5, 3))
    assert learned().matches(1, np.array([5, 2]), covered)
    assert not learned((5, 3)).matches(1, np.array([5, 2]), covered)


def test_a_sighting_is_confirmed_by_the_next_one_near_it():
    near, far = Sighting.of(mask_of(5, 2)), Sighting.of(mask_of(1, 4))
    assert not learned().confirms(near)
    known = learned().sighted(Sighting.of(mask_of(5, 2) | mask_of(5, 3)))
    assert known.confirms(near)
    assert not known.confirms(far)
    assert not known.after_cut().confirms(near)


@pytest.mark.parametrize(
    "state, missed, is_sought",
    [
        (ObjectState.TRACKING, 0, False),
        (ObjectState.LOST, 1, True),
        (ObjectState.UNCERTAIN, 2, False),  # Its mask was refused, but not for `patience` frames yet.
        (ObjectState.UNCERTAIN, 3, True),
    ],
)
def test_an_object_is_sought_when_lost_or_after_patience(state, missed, is_sought):
    known = learned(patience=3)
    for _ in range(missed):
        known = known.after_frame(state)
    assert known.is_sought(state) is is_sought


def test_a_mask_is_checked_when_learning_is_due_and_after_a_cut():
    known = learned()
    assert [known.is_check_due(index) for index in (3, 4)] == [False, True]
    assert known.after_cut().is_check_due(3)
    assert not known.after_cut().checked().is_check_due(3)


def test_questions_give_the_same_answers_twice_and_in_any_order():
    known = learned((2, 5)).after_frame(ObjectState.LOST).sighted(Sighting.of(mask_of(5, 2)))
    feature_map, cell, mask = scene((5, 2), (2, 5)), np.array([5, 2]), mask_of(5, 2)
    questions = {
        "is_check_due": lambda: known.is_check_due(9),
        "is_sought": lambda: known.is_sought(ObjectState.LOST),
        "has_drifted": lambda: known.has_drifted(cells(feature_map, mask_of(3, 3))),
        "candidate": lambda: candidate(known, feature_map),
        "matches": lambda: known.matches(1, cell, cells(feature_map, mask)),
        "confirms": lambda: known.confirms(Sighting.of(mask)),
    }
    first = {name: ask() for name, ask in questions.items()}
    assert first == dict.fromkeys(questions, True) | {"candidate": (5, 2)}
    assert {name: ask() for name, ask in reversed(questions.items())} == first


def test_peaks_are_ranked_by_how_much_around_them_responds():
    values = np.zeros((9, 9), np.float32)
    values[2, 2] = 1.0
    values[5:8, 5:8] = 0.8
    both = ResponseMap(values, floor=0.5).peaks
    assert [cell.tolist() for cell in both][:1] == [[6, 6]]
    assert [2, 2] in [cell.tolist() for cell in both]
    highest = ResponseMap(values, floor=0.9).peaks
    assert [cell.tolist() for cell in highest] == [[2, 2]]
