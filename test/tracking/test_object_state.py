"""What is kept of the objects from one frame to the next."""

from collections import deque

import numpy as np
import pytest

from sampt_ros.data_types import NEGATIVE, POSITIVE, LocalMask, ObjectResult, ObjectState, Points
from sampt_ros.errors import QueryError, UnknownObjectError
from sampt_ros.tracking.object_state import ObjectTable, TrackedObject
from sampt_ros.tracking.reinit import AcceptedMask, MaskHistory

SIZE = (20, 30)


def tracked(object_id, *points):
    """An object with points (x, y, label), ids from 1."""
    xy, labels = np.reshape([point[:2] for point in points], (-1, 2)), [point[2] for point in points]
    all_points = Points.start(np.arange(1, len(points) + 1), xy, labels)
    result = ObjectResult(object_id, ObjectState.LOST, 0.0, LocalMask.of(np.zeros(SIZE, bool)), all_points)
    return TrackedObject(object_id, all_points, MaskHistory(0, 0, deque()), None, result)


def table(*ids):
    objects = ObjectTable()
    for object_id in ids:
        objects.put(tracked(object_id))
    return objects


def test_a_mask_violates_positive_clicks_outside_it_and_negative_ones_inside():
    item = tracked(1, (5, 5, POSITIVE), (25, 5, POSITIVE), (6, 6, NEGATIVE), (26, 6, NEGATIVE))
    mask = np.zeros(SIZE, bool)
    mask[:10, :10] = True
    assert item.violated_clicks(LocalMask.of(mask)) == 0  # Nothing was clicked: all points were drawn from a mask.
    item.clicked_ids = frozenset([1, 2, 3, 4])
    assert item.violated_clicks(LocalMask.of(mask)) == 2
    assert item.violated_clicks(LocalMask.of(~mask)) == 2


def test_a_prompt_of_clicks_only_leaves_drawn_points_out():
    item = tracked(1, (5, 5, POSITIVE), (25, 5, POSITIVE))
    item.clicked_ids = frozenset([2])
    nothing = np.zeros((0, 2), np.float32)
    assert item.prompt(nothing, None).positive.tolist() == [[5, 5], [25, 5]]
    assert item.prompt(nothing, None, clicks_only=True).positive.tolist() == [[25, 5]]


def propagated(state=ObjectState.TRACKING):
    """An object in this state, with a propagated mask (default: one pixel), and a score of 0.8."""
    item = tracked(1, (5, 5, POSITIVE))
    item.result = ObjectResult(1, state, 0.8, LocalMask.of(np.zeros(SIZE, bool)), item.points)
    item.propagated_mask = LocalMask(np.array([[0.4, 0.6]], np.float32), 5, 5, SIZE)
    return item


@pytest.mark.parametrize("state", [ObjectState.TRACKING, ObjectState.REACQUIRED])
def test_a_propagated_mask_becomes_the_objects_own(state):
    item = propagated(state)
    assert item.take_propagated_mask()
    assert (item.result.state, item.result.score) == (ObjectState.TRACKING, 0.8)
    assert np.argwhere(item.result.mask).tolist() == [[5, 6]]


def test_a_propagated_mask_is_not_taken_where_it_cannot_be_trusted():
    for state in (ObjectState.UNCERTAIN, ObjectState.LOST):
        assert not propagated(state).take_propagated_mask()
    without = propagated()
    without.propagated_mask = None
    assert not without.take_propagated_mask()
    hidden = propagated()
    hidden.points.visible[:] = False
    assert not hidden.take_propagated_mask()
    assert not hidden.result.mask.any()


def test_an_error_leaves_an_object_as_it_was():
    item = propagated()
    before = item.result
    with pytest.raises(RuntimeError), item.undone_on_error():
        item.take_propagated_mask()
        raise RuntimeError
    assert item.result is before


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_error_or_an_interrupt_takes_back_an_accepted_mask(error):
    item = propagated()
    item.history.add(AcceptedMask(0, item.propagated_mask))
    before = list(item.history.accepted)
    with pytest.raises(error), table().undone_on_error(item):
        item.history.add(AcceptedMask(1, item.propagated_mask))
        raise error
    assert list(item.history.accepted) == before


def test_an_id_is_never_given_twice_until_a_reset():
    objects = table(1, 7)
    objects.clear()
    assert objects.free_id(None, max_objects=4) == 8
    objects.reset()
    assert objects.free_id(None, max_objects=4) == 1


def test_an_object_takes_the_place_of_one_with_its_id():
    objects = table(1, 2)
    first = objects[1]
    assert objects.free_id(1, max_objects=2) == 1
    assert objects.put(tracked(1)) is first
    assert objects.ids == [1, 2]


@pytest.mark.parametrize(
    "wanted, expected",
    [
        (0, "from 1 to 65535; got 0"),
        (65536, "got 65536"),
        (2.0, "from 1 to 65535; got 2.0"),
        ("3", "from 1 to 65535; got '3'"),
        (True, "from 1 to 65535; got True"),
        (None, "at most"),
    ],
)
def test_an_id_that_cannot_be_is_refused(wanted, expected):
    with pytest.raises(QueryError, match=expected):
        table(1).free_id(wanted, max_objects=1)


def test_after_the_highest_id_the_lowest_that_was_never_used_is_free():
    objects = table(1, 3, 65535)
    del objects[1], objects[65535]
    assert objects.free_id(None, max_objects=4) == 2
    objects.put(tracked(2))
    assert objects.free_id(None, max_objects=4) == 4


def test_no_id_is_used_twice_so_they_may_run_out():
    objects = ObjectTable()
    objects._used.update(range(1, 65536))
    with pytest.raises(QueryError, match="got none that was never used"):
        objects.free_id(None, max_objects=4)


def test_an_id_may_be_of_numpy_and_is_an_int_then():
    found = ObjectTable().free_id(np.uint16(7), max_objects=1)
    assert (found, type(found)) == (7, int)


def test_an_unknown_id_is_refused_with_the_known_ones():
    with pytest.raises(UnknownObjectError, match=r"\(1, 2\); got 3"):
        table(1, 2)[3]


def test_the_points_of_rivals_are_their_visible_positive_ones():
    objects = ObjectTable()
    first, second = tracked(1, (5, 5, POSITIVE)), tracked(2, (8, 8, POSITIVE), (9, 9, NEGATIVE))
    objects.put(first)
    objects.put(second)
    assert objects.positive_points_of_rivals(first).tolist() == [[8, 8]]
    assert objects.positive_points_of_rivals(second).tolist() == [[5, 5]]


# Wholes and parts


def masked(object_id, first, last):
    """An object with a point on its mask, which covers these columns of the picture."""
    item = tracked(object_id, (first, 1, POSITIVE))
    mask = np.zeros(SIZE, bool)
    mask[:, first:last] = True
    item.result = ObjectResult(object_id, ObjectState.TRACKING, 1.0, LocalMask.of(mask), item.points)
    return item


def compared(*items):
    """A table of these objects."""
    objects = ObjectTable()
    for item in items:
        objects.put(item)
    return objects


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)])
def test_an_object_that_another_one_covers_at_its_start_is_a_part_of_it(order):
    whole, part, beside = items = [masked(1, 0, 20), masked(2, 3, 8), masked(3, 18, 30)]
    objects = compared(*(items[index] for index in order))
    assert [set(item.wholes) for item in items] == [set(), {1}, set()]
    assert objects.rivals(whole) == objects.rivals(part) == [beside]
    assert objects.positive_points_of_rivals(part).tolist() == [[18, 1]]
    np.testing.assert_array_equal(objects.masks_of_rivals(part), beside.result.mask)
    np.testing.assert_array_equal(objects.masks_of_rivals(beside), whole.result.mask)


def test_objects_whose_masks_coincide_are_parts_of_each_other():
    first, second = masked(1, 0, 10), masked(2, 0, 9)
    compared(first, second)
    assert (set(first.wholes), set(second.wholes)) == ({2}, {1})


def test_masks_that_coincide_later_do_not_make_an_object_a_part():
    first, second = masked(1, 0, 10), masked(2, 10, 20)
    objects = compared(first, second)
    second.result = masked(2, 0, 10).result  # It has drifted onto the first one.
    assert objects.rivals(first) == [second]
    objects.compare(second)  # A person says that it is meant.
    assert objects.rivals(first) == []
    second.result = masked(2, 10, 20).result
    objects.compare(second)  # It was corrected.
    assert objects.rivals(first) == [second]


def test_a_lost_whole_stays_a_whole_while_its_part_is_corrected():
    whole, part = masked(1, 0, 20), masked(2, 3, 8)
    objects = compared(whole, part)
    whole.result = tracked(1).result  # lost
    objects.compare(part)
    assert objects.wholes == {2: {1}}


def test_a_whole_in_doubt_is_compared_by_its_last_mask():
    whole = masked(1, 0, 20)
    whole.propagated_mask = LocalMask.of(whole.result.mask.astype(np.float32))
    whole.result = tracked(1).result
    part = masked(2, 3, 8)
    assert compared(whole, part).wholes == {2: {1}}


def test_objects_on_the_same_thing_are_no_smaller_parts():
    assert compared(masked(1, 0, 10), masked(2, 0, 9)).wholes == {}


def test_an_object_that_was_compared_but_never_added_is_no_whole():
    part = masked(2, 3, 8)
    objects = compared(part)
    objects.compare(masked(1, 0, 20))
    assert objects.wholes == {}


def test_an_object_that_could_not_replace_a_whole_leaves_its_part_to_it():
    whole, part = masked(1, 0, 20), masked(2, 3, 8)
    objects = compared(whole, part)
    other = masked(1, 30, 40)
    with pytest.raises(RuntimeError), objects.undone_on_error(other):
        objects.compare(other)
        raise RuntimeError
    assert objects.wholes == {2: {1}}


@pytest.mark.parametrize("ends", ["removed", "replaced"])
def test_the_next_object_with_the_id_of_a_whole_is_no_whole(ends):
    whole, part = masked(1, 0, 20), masked(2, 3, 8)
    objects = compared(whole, part)
    if ends == "removed":
        del objects[1]
    objects.put(tracked(1))
    assert objects.wholes == {}
    assert objects.rivals(part) == [objects[1]]


def test_objects_known_from_pictures_of_different_sizes_are_compared_with_nothing():
    small, large = tracked(1), tracked(2)
    large.result = ObjectResult(2, ObjectState.LOST, 0.0, LocalMask.of(np.zeros((50, 60), bool)), large.points)
    assert compared(small, large).wholes == {}


def test_objects_without_a_mask_are_rivals():
    objects = table(1, 2)
    assert [[rival.id for rival in objects.rivals(item)] for item in objects] == [[2], [1]]
