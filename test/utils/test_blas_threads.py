"""Matrix products on one thread."""

import threading

import numpy  # noqa: F401, which loads its BLAS library
import pytest

from sampt_ros.utils.blas_threads import on_one_thread

threadpoolctl = pytest.importorskip("threadpoolctl", reason="threadpoolctl is missing, which counts threads")


@on_one_thread
def threads_inside() -> set[int]:
    """How many threads each BLAS library would use in here."""
    return {each["num_threads"] for each in threadpoolctl.threadpool_info() if each["user_api"] == "blas"}


def test_another_thread_has_the_limit_too_and_gives_back_what_was_there():
    before = threadpoolctl.threadpool_info()
    assert threads_inside() == {
        1
    }  # Some versions of threadpoolctl would let this thread alone set a limit from now on.
    found = []
    other = threading.Thread(target=lambda: found.append(threads_inside()))
    other.start()
    other.join()
    assert found == [{1}]
    assert threadpoolctl.threadpool_info() == before


def test_the_limit_is_not_lifted_under_another_thread():
    begun, leave, found = threading.Event(), threading.Event(), []

    @on_one_thread
    def held() -> None:
        begun.set()
        leave.wait(10)

    first, second = threading.Thread(target=held), threading.Thread(target=lambda: found.append(threads_inside()))
    first.start()
    begun.wait(10)
    second.start()
    leave.set()
    first.join()
    second.join()
    assert found == [{1}]


def test_products_run_on_one_thread_and_leave_the_libraries_as_they_were():
    before = threadpoolctl.threadpool_info()
    assert threads_inside() == {1}
    assert threadpoolctl.threadpool_info() == before


def test_threads_hold_the_limit_at_once_until_the_last_one_leaves():
    before = threadpoolctl.threadpool_info()
    both, first_left, found = threading.Barrier(2, timeout=10), threading.Event(), []

    @on_one_thread
    def leave_first() -> None:
        both.wait()  # never passed if one of them waited for the other

    @on_one_thread
    def leave_last() -> None:
        both.wait()
        first_left.wait(10)
        found.append({each["num_threads"] for each in threadpoolctl.threadpool_info() if each["user_api"] == "blas"})

    first, last = threading.Thread(target=leave_first), threading.Thread(target=leave_last)
    first.start()
    last.start()
    first.join()
    first_left.set()
    last.join()
    assert found == [{1}]
    assert threadpoolctl.threadpool_info() == before
