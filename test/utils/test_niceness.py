"""Threads that let others go first."""

from __future__ import annotations

import os
import sys
import threading

import pytest

from sampt_ros.utils.niceness import lower_priority


@pytest.mark.skipif(sys.platform != "linux", reason="threads have a niceness of their own on Linux alone")
def test_only_the_thread_that_asks_and_those_it_starts_lower_priority():
    found = []

    def note() -> None:
        found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    def work() -> None:
        lower_priority()
        note()
        started = threading.Thread(target=note)
        started.start()
        started.join()

    before = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    worker = threading.Thread(target=work)
    worker.start()
    worker.join()
    assert found == [max(10, before)] * 2
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == before
