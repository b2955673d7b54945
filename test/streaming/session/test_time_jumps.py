"""Stamps out of order, far off, or in a loop."""

from __future__ import annotations

import pytest
from fakes import blank
from session_stream import MS, START, SessionStream, stepped

from sampt_ros.data_types import POSITIVE, FrameResult, ObjectState
from sampt_ros.errors import FrameError
from sampt_ros.streaming.continuity import Change, ObjectHandling


def test_a_frame_out_of_order_is_as_if_it_had_never_come(stream):
    stream.start()
    before = stream.x()
    with pytest.raises(FrameError, match=r"got one 0\.150 s older: out of order"):
        stepped(stream.session, stream.now - 250 * MS, blank())
    assert stream.x() == before + 1


def jumped(stream: SessionStream, stamp_ns: int) -> FrameResult:
    """The frame after which a jump to `stamp_ns` is believed; the four before it are rejected."""
    stream.now = stamp_ns
    for _ in range(4):
        with pytest.raises(FrameError):
            stepped(stream.session, stream.now, blank())
        stream.now += 100 * MS
    result, change = stepped(stream.session, stream.now, blank())
    stream.change = change
    stream.now += 100 * MS
    return result


def test_after_a_jump_back_in_time_the_objects_are_looked_for(stream):
    """They may be anywhere, so that no point is followed from one side of the jump to the other."""
    stream.start()
    stream.step(15)
    (lost,) = jumped(stream, START).objects
    assert (lost.id, lost.state, lost.mask.any(), len(lost.points)) == (1, ObjectState.LOST, False, 0)
    assert stream.change == Change(
        "time jumped back by 1.100 s: the objects are searched for again", ObjectHandling.SEARCH
    )


def test_after_a_jump_back_in_time_a_click_beside_all_masks_still_belongs_to_the_object_clicked_last(stream):
    stream.session.click((20, 20), POSITIVE)
    stream.step(15)
    jumped(stream, START)
    assert stream.session.click((50, 40), POSITIVE, extend=True).text.startswith("corrected object 1")


def test_after_a_jump_back_in_time_an_object_that_would_not_be_known_again_is_dropped(stream):
    stream.segmenter.side = 1
    stream.start()
    stream.step()
    assert jumped(stream, START - 2000 * MS).objects == ()
    assert stream.change.message.endswith("searched for again; dropped, as nothing would tell them from the rest: 1")
    stream.start()
    assert stream.ids == [2]


def test_a_jump_back_is_seen_however_many_images_were_skipped_before_it(stream):
    stream.start()
    for _ in range(15):  # more than the history
        stream.skip()
    jumped(stream, START - 2000 * MS)
    assert stream.change.message.startswith("time jumped back by 1.600 s")
    assert stream.session.newest_stamp_ns == START - 1600 * MS


def test_images_skipped_after_a_jump_do_not_mix_with_those_before(stream):
    stream.step(20)
    stream.session.remember(START, blank)
    stream.session.remember(stream.now + 3_600_000 * MS, blank)
    stream.start(20, stamp_ns=stream.now)  # the newest frame, not the one that jumped
    assert stream.x() == 21


@pytest.mark.parametrize("wild", [3600.0, -3600.0, 1e9])
def test_one_frame_with_a_wild_stamp_is_rejected_and_the_objects_are_kept(stream, wild):
    stream.start()
    before = stream.x()
    with pytest.raises(FrameError, match="expected a stamp"):
        stepped(stream.session, stream.now + round(wild * 1000) * MS, blank())
    assert stream.x() == before + 1
    assert stream.ids == [1]


def test_after_a_first_frame_with_a_wild_stamp_the_objects_are_kept(stream):
    stream.start()
    before = stream.session.newest.objects[0].points.xy[0, 0]
    result = jumped(stream, START - 3_600_000 * MS)
    assert stream.change == Change(
        "time jumped back by 3599.600 s after the first image: the objects are kept", ObjectHandling.KEEP
    )
    assert result.objects[0].points.xy[0, 0] == before + 1
    stream.step(40)
    assert len(stream.session._kept) <= 11  # nothing of another time stays


def test_a_stamp_that_is_a_nanosecond_older_is_said_to_be_so(stream):
    with pytest.raises(FrameError, match=r"got one 0\.000000001 s older: out of order"):
        stepped(stream.session, START - 1, blank())


def test_after_a_long_pause_the_objects_are_kept(stream):
    stream.start()
    before = stream.x()
    result = jumped(stream, stream.now + 60_000 * MS)
    assert stream.change == Change("time jumped ahead by 60.500 s: the objects are kept", ObjectHandling.KEEP)
    assert result.objects[0].points.xy[0, 0] == before + 1


def test_after_a_pause_that_a_recording_shows_to_be_one_no_frame_is_rejected(stream):
    stream.start()
    before = stream.session.newest.objects[0].points.xy[0, 0]
    stream.now -= 100 * MS
    for _ in range(2):
        stream.now += 15_000 * MS
        change = stream.session.observe(stream.now, blank(), following_ns=[stream.now])
        assert change == Change("time jumped ahead by 15.000 s: the objects are kept", ObjectHandling.KEEP)
        (item,) = stream.session.step(stream.now, blank()).objects
    assert item.points.xy[0, 0] == before + 2


def looped(stream: SessionStream, start_ns: int) -> Change | None:
    """What the next frame shows, which is the first one after a jump."""
    stream.now = start_ns + 100 * MS
    return stepped(stream.session, start_ns, blank())[1]


def test_a_short_recording_in_a_loop_begins_anew_and_is_known_from_then_on(stream):
    stream.step(8)
    jumped(stream, START)
    assert stream.change.handling is ObjectHandling.SEARCH
    for first in (0, 2, 0):  # a frame or two may be dropped on their way
        stream.step((START + 800 * MS - stream.now) // (100 * MS))
        assert looped(stream, START + first * 100 * MS).handling is ObjectHandling.SEARCH


@pytest.mark.parametrize(
    ("frames", "late"),
    [
        (1, 3),  # where the loop begins, but a bit out of order
        (3, -1),  # before the loop begins
        (3, 6),  # in the middle of it
    ],
)
def test_a_frame_out_of_order_is_no_loop(stream, frames, late):
    stream.step(8)
    jumped(stream, START)
    stream.step(frames)
    with pytest.raises(FrameError, match="out of order"):
        looped(stream, START + late * 100 * MS)


def test_a_loop_is_forgotten_where_time_jumps_ahead(stream):
    stream.step(8)
    jumped(stream, START)
    jumped(stream, START + 60_000 * MS)
    with pytest.raises(FrameError):
        looped(stream, START)


def test_time_may_stand_still(stream):
    assert stepped(stream.session, START, blank())[1] is None
