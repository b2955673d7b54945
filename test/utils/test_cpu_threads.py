"""Threads of networks on a CPU: as many as wanted while we compute, and as before for whoever imports us."""

import os
import subprocess
import sys

import pytest

from sampt_ros.utils import cpu_threads
from sampt_ros.utils.cpu_threads import do_not_spin, environment_for_others, on_cpu_threads, thread_count, torch_threads


class Torch:
    """Takes the place of torch."""

    count = 7

    def get_num_threads(self) -> int:
        return self.count

    def set_num_threads(self, count: int) -> None:
        self.count = count


@pytest.fixture
def torch(monkeypatch):
    fake = Torch()
    monkeypatch.setitem(sys.modules, "torch", fake)
    return fake


@pytest.mark.parametrize(("cores", "taken"), [(1, 1), (2, 2), (4, 2), (6, 3), (8, 4), (64, 4)])
def test_some_cores_are_left_to_others(monkeypatch, cores, taken):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(cpu_threads, "usable_cores", lambda: cores)
    assert thread_count(0) == taken
    assert thread_count(5) == 5


@pytest.mark.parametrize(("wanted", "taken"), [("3", 3), ("64", 4), ("0", 4), ("many", 4), ("", 4)])
def test_a_wish_for_fewer_threads_is_respected(monkeypatch, wanted, taken):
    monkeypatch.setattr(cpu_threads, "usable_cores", lambda: 16)
    monkeypatch.setenv("OMP_NUM_THREADS", wanted)
    assert thread_count(0) == taken
    assert thread_count(5) == 5


def test_torch_gets_no_more_threads_than_it_has_unless_asked_for(torch, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(cpu_threads, "usable_cores", lambda: 16)
    for had, configured, taken in ((1, 0, 1), (16, 0, 4), (1, 3, 3)):
        torch.count = had
        with torch_threads(configured):
            assert torch.count == taken
        assert torch.count == had


def test_torch_has_its_threads_back_afterwards_also_after_an_error(torch):
    with pytest.raises(KeyError), torch_threads(2):
        assert torch.count == 2
        raise KeyError
    assert torch.count == 7


def test_where_nobody_imported_torch_nothing_happens(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    with torch_threads(2):
        assert "torch" not in sys.modules


def test_methods_compute_on_the_configured_threads(torch):
    @on_cpu_threads("step")
    class Tracker:
        cpu_threads = 3

        @property
        def config(self):
            return self

        def step(self, image):
            """Documented."""
            return image, torch.count

        def reset(self):
            return torch.count

    assert Tracker().step(image=5) == (5, 3)
    assert Tracker().reset() == torch.count == 7
    assert Tracker.step.__doc__ == "Documented."


def test_waiting_threads_sleep_unless_the_user_says_otherwise(monkeypatch):
    for name in cpu_threads._SLEEP_AT_ONCE:
        monkeypatch.setenv(name, "")  # so that it is removed afterwards
        monkeypatch.delenv(name)
    monkeypatch.setenv("KMP_BLOCKTIME", "200")
    monkeypatch.setattr(cpu_threads, "_set_here", set())
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")  # This process goes on to run other tests.
    monkeypatch.setenv("OPENCV_FOR_THREADS_NUM", "2")
    do_not_spin()
    assert (os.environ["OMP_WAIT_POLICY"], os.environ["KMP_BLOCKTIME"]) == ("PASSIVE", "200")
    # Programs that are started from here choose for themselves.
    assert "OMP_WAIT_POLICY" not in environment_for_others()
    assert environment_for_others()["KMP_BLOCKTIME"] == "200"


def test_opencv_and_numpy_compute_on_the_calling_thread_in_our_own_programs():
    program = """
import cv2, numpy
from sampt_ros.utils.cpu_threads import do_not_spin
cv2.setNumThreads(2)
do_not_spin()
counts = [cv2.getNumThreads()]
try:
    import threadpoolctl
    counts += [each["num_threads"] for each in threadpoolctl.threadpool_info() if each["user_api"] == "blas"]
except ImportError:
    pass
print(set(counts))
"""
    unset = {"OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"}
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    assert run.stdout.strip() == "{1}", run.stderr


def test_tracking_leaves_torch_its_threads():
    pytest.importorskip("torch", reason="torch is missing", exc_type=ImportError)
    program = """
import numpy as np, torch
from sampt_ros import SamPt, load_preset
torch.set_num_threads(2)
during = []
class Recording(SamPt):
    def _reacquire(self, *arguments):
        during.append(torch.get_num_threads())
sam_pt = Recording(load_preset("grabcut", {"cpu_threads": 1}))
sam_pt.step(np.zeros((48, 64, 3), np.uint8))
print(during, torch.get_num_threads())
"""
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert finished.stdout.split() == ["[1]", "2"], finished.stderr
