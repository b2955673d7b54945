"""Which decoder passes an object's points lead to."""

from __future__ import annotations

import numpy as np
import pytest
from fakes import SquareSegmenter, blank

from sampt_ros.data_types import NEGATIVE, POSITIVE, Frame, LocalMask
from sampt_ros.segmenters.base import PADDING
from sampt_ros.tracking.mask_decoding import ObjectPrompt, segment

FRAME = Frame(0, blank())
POSITIVES = np.array([(20, 20), (24, 20), (22, 26)], np.float32)
OWN = np.array([(5, 5), (6, 40)], np.float32)
OTHERS = np.array([(50, 30)], np.float32)
SQUARE = (18, 18, 26, 26)  # the box of what SquareSegmenter finds around POSITIVES


def passes(*prompts: ObjectPrompt, refinements: int = 0, ambiguous: bool = False):
    """The prompts of each pass, and whether it was ambiguous."""
    segmenter = SquareSegmenter()
    segment(segmenter, segmenter.encode(FRAME), prompts, refinements, ambiguous)
    return segmenter.passes


def test_an_object_without_own_negatives_gets_one_pass_with_everything():
    ((prompts, _),) = passes(ObjectPrompt(POSITIVES, others=OTHERS))
    assert prompts.xy[0].tolist() == [*POSITIVES.tolist(), *OTHERS.tolist()]
    assert prompts.labels[0].tolist() == [POSITIVE] * 3 + [NEGATIVE]
    assert prompts.boxes is None
    assert prompts.logits is None


def test_own_negatives_lead_to_a_positive_pass_and_a_full_pass():
    (first, _), (full, _) = passes(ObjectPrompt(POSITIVES, OWN, OTHERS))
    assert first.xy[0].tolist() == POSITIVES.tolist()
    assert first.labels[0].tolist() == [POSITIVE] * 3
    assert first.logits is None
    # the others' positive points come after the object's own negative ones
    assert full.xy[0].tolist() == [*POSITIVES.tolist(), *OWN.tolist(), *OTHERS.tolist()]
    assert full.labels[0].tolist() == [POSITIVE] * 3 + [NEGATIVE] * 3


def test_the_full_pass_gets_the_mask_of_the_positive_pass():
    segmenter = SquareSegmenter()
    first = segmenter.decode(FRAME, passes(ObjectPrompt(POSITIVES))[0][0])
    _, (full, _) = passes(ObjectPrompt(POSITIVES, OWN))
    np.testing.assert_array_equal(full.logits, first.logits)
    assert full.boxes is None


def test_only_objects_with_own_negatives_take_part_in_the_full_pass():
    plain, twice = ObjectPrompt(POSITIVES), ObjectPrompt(POSITIVES + 10, OWN)
    (first, _), (full, _) = passes(plain, twice, plain)
    assert (len(first), len(full)) == (3, 1)
    assert full.xy[0].tolist() == [*(POSITIVES + 10).tolist(), *OWN.tolist()]


def test_objects_with_fewer_points_are_padded():
    ((prompts, _),) = passes(ObjectPrompt(POSITIVES), ObjectPrompt(OTHERS))
    assert prompts.labels.tolist() == [[POSITIVE] * 3, [POSITIVE, PADDING, PADDING]]


@pytest.mark.parametrize(("own", "first_passes"), [(np.zeros((0, 2), np.float32), 1), (OWN, 2)])
@pytest.mark.parametrize("refinements", [0, 1, 12])
def test_refinements_come_after_the_first_passes(own, first_passes, refinements):
    assert len(passes(ObjectPrompt(POSITIVES, own), refinements=refinements)) == first_passes + refinements


def test_a_refinement_gets_all_points_the_current_mask_and_its_box():
    *_, (full, _), (refinement, _) = passes(ObjectPrompt(POSITIVES, OWN, OTHERS), refinements=1)
    np.testing.assert_array_equal(refinement.xy, full.xy)
    np.testing.assert_array_equal(refinement.labels, full.labels)
    assert refinement.boxes.tolist() == [list(SQUARE)]
    left, top, right, bottom = SQUARE
    expected = np.full((1, *FRAME.size), -1, np.float32)
    expected[0, top : bottom + 1, left : right + 1] = 1
    np.testing.assert_array_equal(refinement.logits, expected)


def test_a_refinement_of_an_empty_mask_has_no_box():
    segmenter = SquareSegmenter(paint=False)
    segment(segmenter, FRAME, [ObjectPrompt(POSITIVES)], 1)
    assert np.isnan(segmenter.passes[-1][0].boxes).all()


@pytest.mark.parametrize("ambiguous", [False, True])
def test_only_the_first_pass_may_be_ambiguous(ambiguous):
    calls = passes(ObjectPrompt(POSITIVES, OWN), refinements=2, ambiguous=ambiguous)
    assert [flag for _, flag in calls] == [ambiguous, False, False, False]


def test_the_users_box_is_in_the_first_pass():
    boxed = ObjectPrompt(np.zeros((0, 2), np.float32), box=(10, 10, 20, 20))
    ((prompts, _),) = passes(ObjectPrompt(POSITIVES), boxed)
    np.testing.assert_array_equal(prompts.boxes, np.float32([[np.nan] * 4, (10, 10, 20, 20)]))


def test_a_propagated_mask_is_the_first_pass_mask_prompt():
    mask = np.zeros(FRAME.size, np.float32)
    mask[10:20, 10:20] = 1
    ((prompts, _),) = passes(ObjectPrompt(POSITIVES), ObjectPrompt(POSITIVES, mask=LocalMask.of(mask)))
    assert np.isnan(prompts.logits[0]).all()
    np.testing.assert_array_equal(prompts.logits[1], 2 * mask - 1)


def test_the_result_is_that_of_the_last_pass():
    segmenter = SquareSegmenter(rate=lambda xy: len(segmenter.passes) / 10)
    decoded = segment(segmenter, FRAME, [ObjectPrompt(POSITIVES), ObjectPrompt(POSITIVES, OWN)], 0)
    # the second object alone took part in the second pass
    np.testing.assert_allclose(decoded.scores(), [0.1, 0.2])


@pytest.mark.parametrize(("setting", "refinements"), [("positive_only", 0), ("two_pass", 0), ("refined_3", 3)])
def test_masks_equal_those_of_the_published_implementation(small_sam, shared_folder, setting, refinements):
    golden = np.load(shared_folder / "golden/sam_decoding.npz")
    points, visible = golden[f"{setting}_points"], golden[f"{setting}_visible"]
    for index, image in enumerate(golden["frames"]):
        # points 0 to 2 are positive, the rest negative
        seen = [(xy[:3][shown[:3]], xy[3:][shown[3:]]) for xy, shown in zip(points[index], visible[index])]
        others = [seen[1][0], seen[0][0]]
        prompts = [ObjectPrompt(*own, other) for own, other in zip(seen, others)]
        decoded = segment(small_sam, small_sam.encode(Frame(index, image)), prompts, refinements)
        np.testing.assert_allclose(decoded.full_logits(), golden[f"{setting}_mask_logits"][:, index], atol=2e-3)
        np.testing.assert_allclose(decoded.scores(), golden[f"{setting}_iou"][index], atol=1e-3)
