"""Work beside the caller's."""

import gc
import threading

import pytest

from sampt_ros.utils import side_thread
from sampt_ros.utils.side_thread import SideThread


@pytest.fixture(params=[True, False])
def side(request) -> SideThread:
    return SideThread("beside", threaded=request.param)


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


def test_work_goes_on_beside_the_caller():
    side, told = SideThread("beside", threaded=True), threading.Event()
    pending = side.start(lambda: (told.wait(10), threading.current_thread().name))
    told.set()  # never reached if the caller did the work
    is_told, name = pending.result()
    assert is_told
    assert name.startswith("beside")


@pytest.mark.parametrize(("cores", "threaded"), [(1, False), (2, True)])
def test_there_is_a_thread_where_there_is_a_core_for_it(monkeypatch, cores, threaded):
    monkeypatch.setattr(side_thread, "usable_cores", lambda: cores)
    thread = SideThread("beside").start(threading.current_thread).result()
    assert (thread is not threading.current_thread()) == threaded


def test_the_thread_ends_with_its_owner():
    side = SideThread("beside", threaded=True)
    thread = side.start(threading.current_thread).result()
    assert thread.is_alive()
    del side
    gc.collect()
    thread.join(10)
    assert not thread.is_alive()
