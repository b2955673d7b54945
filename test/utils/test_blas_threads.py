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


def test_the_limit_stays_until_the_last_thread_needs_it_no_more():
    inside, leave = threading.Event(), threading.Event()

    @on_one_thread
    def held() -> None:
        inside.set()
        leave.wait(10)

    before = threadpoolctl.threadpool_info()
    other = threading.Thread(target=held)
    other.start()
    inside.wait(10)
    assert threads_inside() == {1}
    leave.set()
    other.join()
    assert threadpoolctl.threadpool_info() == before


def test_products_run_on_one_thread_and_leave_the_libraries_as_they_were():
    before = threadpoolctl.threadpool_info()
    assert threads_inside() == {1}
    assert threadpoolctl.threadpool_info() == before
