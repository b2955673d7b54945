"""A camera's stream: stamps, late queries, clicks, odd frames."""

from __future__ import annotations

import numpy as np
import pytest
from fakes import SIDE, DriftingTracker, SquareSegmenter, blank

from sampt_ros.config.core import SamPtConfig
from sampt_ros.config.options import updated
from sampt_ros.data_types import NEGATIVE, POSITIVE, FrameResult, ObjectState
from sampt_ros.errors import FrameError, QueryError
from sampt_ros.streaming.continuity import Change, ObjectHandling
from sampt_ros.streaming.requests import Action, Request
from sampt_ros.streaming.session import Session
from sampt_ros.tracking.sam_pt import SamPt

MS = 1_000_000
START = 1_000_000 * MS
CONFIG = updated(SamPtConfig(), {"points.positive": 4, "prompting.refinements": 1, "reinit.policy": "never"})


def stepped(session: Session, stamp_ns: int, image: np.ndarray) -> tuple[FrameResult, Change | None]:
    """Bring a session to its next frame: the result, and what has changed."""
    change = session.observe(stamp_ns, image)
    return session.step(stamp_ns, image), change


class Stream:
    """A Session whose camera takes a frame every 100 ms; all that it sees moves by 1 px a frame."""

    def __init__(self, history: float = 1.0) -> None:
        self.tracker, self.segmenter = DriftingTracker(), SquareSegmenter()
        self.session = Session(SamPt(CONFIG, self.segmenter, self.tracker), history)
        self.now = START

    def step(self, count: int = 1) -> FrameResult:
        for _ in range(count):
            result, change = stepped(self.session, self.now, blank())
            assert change is None
            self.now += 100 * MS
        return result

    def skip(self) -> None:
        self.session.remember(self.now, blank)
        self.now += 100 * MS

    def start(self, x: float = 20, y: float = 20, **options) -> str:
        return self.session.answer(Request(points=np.array([(x, y)]), labels=np.array([POSITIVE]), **options)).text

    def x(self) -> float:
        """Where the left one of the clicked points is on the next frame."""
        return min(item.points.xy[0, 0] for item in self.step().objects)

    @property
    def ids(self) -> list[int]:
        return self.session.sam_pt.object_ids


@pytest.fixture
def stream() -> Stream:
    """After its first frame."""
    made = Stream()
    made.step()
    return made


# --- requests ---


def test_answers_say_what_was_done(stream):
    assert stream.start() == f"started object 1: TRACKING, {SIDE**2} px, score 1.00"
    assert stream.start(21, 20, object_id=1).startswith("corrected object 1: TRACKING")
    assert stream.start(40, 30, object_id=1, action=Action.REPLACE).startswith("started object 1")
    assert stream.session.answer(Request(Action.REMOVE, 1)).text == "object 1 removed"
    assert stream.ids == []


def test_a_box_or_mask_corrects_nothing(stream):
    stream.start()
    for prompt in ({"box": (10.0, 10.0, 20.0, 20.0)}, {"mask": np.ones((48, 64), bool)}):
        with pytest.raises(QueryError, match="expected only points for an object that is tracked; use REPLACE"):
            stream.session.answer(Request(object_id=1, **prompt))


def test_only_tracked_objects_are_corrected(stream):
    stream.start()
    with pytest.raises(QueryError, match=r"a tracked one \(1\); got 7; REPLACE starts an object under an id"):
        stream.start(object_id=7)


def test_a_program_may_choose_the_id_of_a_new_object(stream):
    stream.start(40, 30, object_id=7, action=Action.REPLACE)
    stream.start()
    assert stream.ids == [7, 8]


def test_before_the_first_frame_nothing_can_be_asked():
    stream = Stream()
    for ask in (stream.start, lambda: stream.session.click((20, 20), POSITIVE), lambda: stream.session.size):
        with pytest.raises(QueryError, match="expected an image before the first query"):
            ask()


# --- late queries ---


@pytest.mark.parametrize("late", [0, 1, 3])
def test_a_late_query_catches_up(stream, late):
    named = stream.now
    stream.step(1 + late)
    stream.start(20, stamp_ns=named)
    assert stream.x() == 20 + late + 1


def test_between_two_frames_the_older_one_is_meant(stream):
    named = stream.now
    stream.step(3)
    stream.start(20, stamp_ns=named + 99 * MS)
    assert stream.x() == 20 + 2 + 1


def test_a_stamp_ahead_of_the_camera_means_the_newest_frame(stream):
    stream.start(20, stamp_ns=stream.now + 5000 * MS)
    assert stream.x() == 21


def test_a_skipped_image_can_be_named(stream):
    named = stream.now
    stream.skip()
    stream.step()
    stream.start(20, stamp_ns=named)
    assert stream.x() == 20 + 1 + 1


def test_skipped_images_after_the_newest_frame_do_not_hide_it(stream):
    stream.skip()
    stream.start(20, stamp_ns=stream.now)
    assert stream.x() == 21


def test_a_late_point_corrects_an_object(stream):
    stream.start()
    named = stream.now
    stream.step(3)
    stream.start(30, stamp_ns=named, object_id=1)
    (item,) = stream.step().objects
    assert item.points.xy[1].tolist() == [30 + 2 + 1, 20]


@pytest.mark.parametrize(("history", "kept"), [(1.0, 11), (0.35, 4), (0.0, 1)])
def test_images_are_kept_for_so_many_seconds(history, kept):
    stream = Stream(history)
    stream.step(20)
    newest = stream.now - 100 * MS
    oldest = newest - (kept - 1) * 100 * MS
    stream.start(stamp_ns=oldest)
    with pytest.raises(QueryError, match=f"the stamp of an image kept, {oldest / 1e9:.3f} to {newest / 1e9:.3f}; got"):
        stream.start(stamp_ns=oldest - 1)


def test_a_damaged_image_in_the_history_refuses_the_query(stream):
    def damaged() -> np.ndarray:
        raise FrameError("expected 48 rows")

    stream.session.remember(stream.now, damaged)
    named, stream.now = stream.now, stream.now + 100 * MS
    stream.step()
    with pytest.raises(FrameError, match="expected 48 rows"):
        stream.start(stamp_ns=named)
    assert stream.ids == []


def test_a_camera_without_stamps():
    stream = Stream()
    for _ in range(3):
        stepped(stream.session, 0, blank())
    stream.session.remember(0, blank)  # does not take the place of the frame that was tracked
    stream.start()
    assert stepped(stream.session, 0, blank())[0].objects[0].points.xy[0].tolist() == [21, 20]


# --- clicks ---


def test_a_click_beside_all_masks_starts_an_object(stream):
    stream.session.click((20, 20), POSITIVE)
    stream.step()
    stream.session.click((50, 40), POSITIVE)
    assert stream.ids == [1, 2]


def test_a_click_beside_all_masks_may_extend_the_last_clicked_object(stream):
    stream.session.click((20, 20), POSITIVE, extend=True)
    stream.step()
    assert stream.session.click((50, 40), POSITIVE, extend=True).text.startswith("corrected object 1")
    assert stream.ids == [1]


@pytest.mark.parametrize("frames", [0, 1], ids=["at once", "a frame later"])
def test_a_click_on_a_mask_corrects_that_object(stream, frames):
    stream.session.click((20, 20), POSITIVE)
    stream.session.click((50, 40), POSITIVE)
    for _ in range(frames):
        stream.step()
    for label in (POSITIVE, NEGATIVE):
        assert stream.session.click((21, 21), label).text.startswith("corrected object 1")
    assert stream.ids == [1, 2]


def test_a_background_click_belongs_to_the_object_clicked_last(stream):
    with pytest.raises(QueryError, match="after a click on an object"):
        stream.session.click((5, 5), NEGATIVE)
    stream.session.click((20, 20), POSITIVE)
    stream.session.click((50, 40), POSITIVE)
    assert stream.session.click((5, 5), NEGATIVE).text.startswith("corrected object 2")
    stream.session.answer(Request(Action.REMOVE, 2))
    with pytest.raises(QueryError, match="after a click on an object"):
        stream.session.click((5, 5), NEGATIVE)


def test_the_mask_of_a_removed_object_is_background(stream):
    stream.session.click((20, 20), POSITIVE)
    stream.step()
    stream.session.answer(Request(Action.REMOVE, 1))
    assert stream.session.click((21, 20), POSITIVE).text.startswith("started object 2")


@pytest.mark.parametrize("xy", [(np.nan, 20), (20, np.inf), (-1, 20), (64, 20), (20, 48)])
def test_a_click_outside_the_image_is_refused(stream, xy):
    stream.session.click((20, 20), POSITIVE)
    with pytest.raises(QueryError):
        stream.session.click(xy, POSITIVE)
    assert stream.ids == [1]


# --- odd frames ---


def test_a_frame_out_of_order_is_as_if_it_had_never_come(stream):
    stream.start()
    before = stream.x()
    with pytest.raises(FrameError, match=r"got one 0\.150 s older: out of order"):
        stepped(stream.session, stream.now - 250 * MS, blank())
    assert stream.x() == before + 1


def jumped(stream: Stream, stamp_ns: int) -> FrameResult:
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


def looped(stream: Stream, start_ns: int) -> Change | None:
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


def test_without_a_history_the_newest_image_alone_is_kept():
    stream = Stream(0.0)
    stream.now = 1_700_000_000_123_456_789  # which no float holds to the nanosecond
    stream.step(3)
    stream.start()
    assert stream.x() == 21


def test_images_of_a_long_history_do_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr("sampt_ros.streaming.session._MAX_KEPT_BYTES", 4 * blank().nbytes)
    stream = Stream(30.0)
    stream.step(20)
    assert len(stream.session._kept) == 4


def test_single_frames_of_another_size_are_dropped(stream):
    stream.start()
    for _ in range(6):
        with pytest.raises(FrameError, match="expected an image of 64x48 like those before; got 40x30"):
            stepped(stream.session, stream.now, blank(30, 40))
        stream.step()
    assert stream.ids == [1]


def test_a_lasting_change_of_size_drops_the_objects(stream):
    stream.start()
    # one of a third size in between: the count begins anew
    for height, width in [(30, 40)] * 4 + [(20, 20)] + [(30, 40)] * 4:
        with pytest.raises(FrameError):
            stepped(stream.session, stream.now, blank(height, width))
    result, change = stepped(stream.session, stream.now, blank(30, 40))
    assert change == Change("the images are now 40x30, no longer 64x48: all objects are dropped", ObjectHandling.DROP)
    assert (result.size, result.objects, stream.session.size) == ((30, 40), (), (30, 40))


def test_reset_begins_anew():
    stream, fresh = Stream(), Stream()
    stream.step()
    stream.start()
    stream.step(12)
    stream.session.reset()
    assert stream.ids == []
    with pytest.raises(QueryError, match="expected an image before the first query"):
        stream.start()
    # an older stamp and another size are welcome
    results = []
    for one in (stream, fresh):
        stepped(one.session, 5, blank(30, 40))
        one.start()
        result, _ = stepped(one.session, 6, blank(30, 40))
        results.append((result.index, result.objects[0].id, result.objects[0].points.xy.tolist()))
    assert results[0] == results[1]


# --- frames whose computation failed ---


def test_a_click_after_a_failed_frame_is_about_that_frame(stream):
    stream.start(20)
    encode = stream.segmenter.encode
    stream.segmenter.encode = lambda frame: 1 / 0
    with pytest.raises(ZeroDivisionError):
        stepped(stream.session, stream.now, blank())
    stream.segmenter.encode = encode
    failed_at, stream.now = stream.now, stream.now + 100 * MS
    assert stream.session.newest_stamp_ns == failed_at
    assert [item.state for item in stream.session.newest.objects] == [ObjectState.UNCERTAIN]
    stream.start(40, 30, stamp_ns=failed_at)
    assert sorted(item.points.xy[0, 0] for item in stream.step().objects) == [22, 41]


def test_images_that_come_before_any_is_tracked_do_not_fill_the_memory():
    session = Stream().session
    for index in range(2000):
        session.remember(START + index * MS, blank)
    assert len(session._kept) == 64
