"""Masks from what the user gave: an object's first one, and its correction by clicks."""

from collections import deque

import numpy as np
import pytest
from fakes import SquareSegmenter, blank

from sampt_ros.data_types import NEGATIVE, POSITIVE, Frame, LocalMask, ObjectResult, ObjectState, Points
from sampt_ros.errors import QueryError
from sampt_ros.tracking.frame_segmenter import FrameSegmenter
from sampt_ros.tracking.masks.click_masks import corrected_mask, first_mask
from sampt_ros.tracking.object_state import TrackedObject
from sampt_ros.tracking.queries import Query
from sampt_ros.tracking.reinit import MaskHistory

FRAME = Frame(0, blank())
NOBODY = np.zeros((0, 2), np.float32)


@pytest.fixture
def segmenter():
    return SquareSegmenter()


def started(segmenter, **query):
    return first_mask(FrameSegmenter(segmenter), Query.checked(FRAME.size, **query), FRAME, refinements=0)


def test_a_seed_mask_is_taken_as_it_is(segmenter):
    seed = np.zeros(FRAME.size, np.uint8)
    seed[3:6, 4:9] = 7
    mask, score = started(segmenter, mask=seed)
    assert ((mask.whole() == (seed > 0)).all(), score, segmenter.passes) == (True, 1.0, [])


# Only a single click does not say how large the object is.
@pytest.mark.parametrize(
    "query, is_ambiguous",
    [
        ({"points": [(20, 20)]}, True),
        ({"points": [(20, 20), (24, 20)]}, False),
        ({"points": [(20, 20)], "box": (10, 10, 30, 30)}, False),
    ],
)
def test_only_a_single_click_is_ambiguous(segmenter, query, is_ambiguous):
    mask, _ = started(segmenter, **query)
    assert mask.whole()[20, 20]
    assert [ambiguous for _, ambiguous in segmenter.passes] == [is_ambiguous]


def test_prompts_on_nothing_are_refused(segmenter):
    segmenter.paint = False
    with pytest.raises(QueryError, match="the segmenter finds nothing there"):
        started(segmenter, points=[(20, 20)])


def corrected(segmenter, *clicks):
    """The corrected mask of an object with clicks (x, y, label), and what it remembers of another mask."""
    points = Points.start(np.arange(len(clicks)), [click[:2] for click in clicks], [click[2] for click in clicks])
    result = ObjectResult(1, ObjectState.TRACKING, 1.0, LocalMask.of(np.zeros(FRAME.size, bool)), points)
    history = MaskHistory(0, 0, deque())
    tracked = TrackedObject(1, points, history, None, result, frozenset(points.id.tolist()), memory="of a wrong mask")
    mask_prompt = LocalMask.of(np.zeros(FRAME.size, np.float32))
    return corrected_mask(FrameSegmenter(segmenter), tracked, NOBODY, mask_prompt, FRAME, refinements=0)


def test_clicks_and_the_mask_until_now_correct_it_without_memory(segmenter):
    found = corrected(segmenter, (20, 20, POSITIVE))
    assert found.mask.whole()[20, 20]
    assert not found.starts_anew
    prompts = [prompts for prompts, _ in segmenter.passes]
    # With its mask until now, once more with what that gave, and without any.
    assert [each.logits is None for each in prompts] == [False, False, True]
    assert all(each.memories == [None] for each in prompts)


@pytest.mark.parametrize(("rating", "starts_anew"), [(0.8, False), (0.9, True)])
def test_of_two_masks_that_obey_the_clicks_the_one_rated_higher_is_taken(segmenter, rating, starts_anew):
    decode = segmenter.decode

    def rated(embedding, prompts, ambiguous=False):
        segmenter.rate = lambda xy: rating if prompts.logits is None else 0.85
        return decode(embedding, prompts, ambiguous)

    segmenter.decode = rated
    assert corrected(segmenter, (20, 20, POSITIVE)).starts_anew is starts_anew


def test_where_they_cannot_the_clicks_alone_start_it_anew(segmenter):
    decode = segmenter.decode

    def misled_by_the_mask_prompt(embedding, prompts, ambiguous=False):
        segmenter.paint = prompts.logits is None
        return decode(embedding, prompts, ambiguous)

    segmenter.decode = misled_by_the_mask_prompt
    found = corrected(segmenter, (20, 20, POSITIVE))
    assert found.mask.whole()[20, 20]
    assert found.starts_anew


def test_where_neither_obeys_the_clicks_the_mask_until_now_is_kept(segmenter):
    found = corrected(segmenter, (20, 20, POSITIVE), (21, 20, NEGATIVE))
    assert not found.starts_anew
    assert len(segmenter.passes) >= 2
