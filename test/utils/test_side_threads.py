"""Work beside the caller's."""

import gc
import threading

import pytest

from sampt_ros.utils import side_threads
from sampt_ros.utils.side_threads import SideThreads


@pytest.fixture(params=[1, 2])
def side(request, monkeypatch) -> SideThreads:
    monkeypatch.setattr(side_threads, "usable_cores", lambda: request.param)
    return SideThreads("beside")


@pytest.fixture
def beside(monkeypatch) -> SideThreads:
    """One thread, however many cores there are."""
    monkeypatch.setattr(side_threads, "usable_cores", lambda: 2)
    return SideThreads("beside")


def test_work_is_done_in_order_and_its_results_come_back(side):
    order = []
    pending = [side.start(lambda number=number: order.append(number) or number) for number in range(5)]
    assert [each.result() for each in pending] == [0, 1, 2, 3, 4] == order


def test_an_error_is_raised_where_the_result_is_taken_and_work_goes_on(side):
    failed = side.start(lambda: 1 / 0)
    failed.wait()
    with pytest.raises(ZeroDivisionError):
        failed.result()
    assert side.start(lambda: 7).result() == 7


def test_work_goes_on_beside_the_caller(beside):
    told = threading.Event()
    pending = beside.start(lambda: (told.wait(10), threading.current_thread().name))
    told.set()  # never reached if the caller did the work
    is_told, name = pending.result()
    assert is_told
    assert name.startswith("beside")


def test_there_is_a_thread_where_there_is_a_core_for_it(side):
    thread = side.start(threading.current_thread).result()
    assert (thread is not threading.current_thread()) == bool(side.count)


def test_shared_work_comes_back_in_order(side):
    assert side.share(lambda number: number * number, range(9)) == [number * number for number in range(9)]
    assert side.share(lambda number: number, []) == []


def test_the_caller_and_a_thread_share_work(beside):
    both = threading.Barrier(2, timeout=10)  # which one thread alone never passes
    threads = beside.share(lambda _: (both.wait(), threading.current_thread())[1], range(2))
    assert len(set(threads)) == 2


def test_the_caller_does_all_work_while_the_thread_has_other_work(beside):
    done = threading.Event()
    other = beside.start(lambda: done.wait(10))
    assert set(beside.share(lambda _: threading.current_thread(), range(4))) == {threading.current_thread()}
    done.set()
    assert other.result()


def test_the_error_of_the_first_item_is_raised_after_all_were_tried(side):
    tried = []

    def fail(number: int) -> None:
        tried.append(number)
        if number:
            raise ValueError(f"number {number}")

    with pytest.raises(ValueError, match="number 1"):
        side.share(fail, range(4))
    assert sorted(tried) == [0, 1, 2, 3]


def test_the_thread_ends_with_its_owner(monkeypatch):
    monkeypatch.setattr(side_threads, "usable_cores", lambda: 2)
    side = SideThreads("beside")
    thread = side.start(threading.current_thread).result()
    assert thread.is_alive()
    del side
    gc.collect()
    thread.join(10)
    assert not thread.is_alive()
