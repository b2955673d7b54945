"""The mailbox: the newest frame wins, no task is lost, and tasks do not keep frames out."""

from __future__ import annotations

import threading

from fakes import blank

from sampt_ros.streaming.live.mailbox import Mailbox, Task
from sampt_ros.streaming.tracked_frame import ImageEvent


def arrival(stamp_ns: int) -> ImageEvent:
    return ImageEvent(stamp_ns, None, blank)


def task() -> Task:
    """Does nothing."""
    return Task(lambda stream: None)


def test_the_newest_frame_wins_and_those_it_pushed_out_are_handed_on():
    mailbox = Mailbox()
    assert [mailbox.put_frame(arrival(stamp)) for stamp in (1, 2, 3)] == [True, False, False]
    batch = mailbox.take()
    assert batch.newest.stamp_ns == 3
    assert [skipped.stamp_ns for skipped in batch.skipped] == [1, 2]


def test_what_was_taken_is_gone():
    mailbox = Mailbox()
    mailbox.put_frame(arrival(1))
    mailbox.put_task(task())
    mailbox.take()
    assert mailbox.put_frame(arrival(2))
    batch = mailbox.take()
    assert (batch.newest.stamp_ns, batch.skipped, batch.tasks) == (2, [], [])


def test_tasks_come_in_order_with_or_without_a_frame():
    mailbox = Mailbox()
    tasks = [task() for _ in range(3)]
    for one in tasks:
        mailbox.put_task(one)
    batch = mailbox.take()
    assert (batch.newest, batch.tasks) == (None, tasks)


def test_of_many_queries_some_come_with_each_frame_and_what_is_asked_for_behind_them_comes_after_them():
    mailbox = Mailbox()
    queries, reset = [task() for _ in range(6)], Task(lambda stream: None, outcome="the reset fails")
    for one in (reset, *queries[:4], reset, *queries[4:], reset):
        mailbox.put_task(one)
    for stamp, expected in ((1, [reset, *queries[:4], reset]), (2, [*queries[4:], reset])):
        mailbox.put_frame(arrival(stamp))
        assert mailbox.queries == sum(one in queries for one in expected) + (2 if stamp == 1 else 0)
        batch = mailbox.take(max_queries=4)
        assert (batch.newest.stamp_ns, batch.tasks) == (stamp, expected)


def test_so_many_skipped_frames_are_remembered_and_no_more():
    mailbox = Mailbox(max_skipped=2)
    for stamp in range(5):
        mailbox.put_frame(arrival(stamp))
    assert [skipped.stamp_ns for skipped in mailbox.take().skipped] == [2, 3]


def test_skipped_frames_take_so_many_bytes_and_no_more():
    mailbox = Mailbox(max_bytes=100)
    for stamp in range(5):
        mailbox.put_frame(ImageEvent(stamp, None, blank, nbytes=40))
    assert [skipped.stamp_ns for skipped in mailbox.take().skipped] == [2, 3]


def test_take_waits_until_something_comes():
    mailbox, taken = Mailbox(), []
    thread = threading.Thread(target=lambda: taken.append(mailbox.take()))
    thread.start()
    mailbox.put_frame(arrival(7))
    thread.join(timeout=10)
    assert [batch.newest.stamp_ns for batch in taken] == [7]


def test_closing_ends_the_wait_and_whatever_is_left():
    mailbox, taken = Mailbox(), []
    thread = threading.Thread(target=lambda: taken.append(mailbox.take()))
    thread.start()
    mailbox.close()
    thread.join(timeout=10)
    mailbox.put_frame(arrival(1))
    assert [*taken, mailbox.take()] == [None, None]


def test_what_is_left_when_the_mailbox_is_closed_or_comes_later_is_refused():
    mailbox, refused = Mailbox(), []
    for name in (1, 2):
        mailbox.put_task(Task(lambda stream: None, lambda reason, name=name: refused.append((name, reason))))
        if name == 1:
            mailbox.close()
    reason = "expected an active node; it stopped before this was done"
    assert refused == [(1, reason), (2, reason)]
    assert mailbox.take() is None
