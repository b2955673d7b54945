"""Threads of networks on a CPU: as many as wanted while we compute, and as before for whoever imports us."""

import os
import subprocess
import sys

import pytest

from sampt_ros.utils import cpu_threads
from sampt_ros.utils.cpu_threads import do_not_spin, on_cpu_threads, thread_count, torch_threads


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
    monkeypatch.setattr(cpu_threads, "usable_cores", lambda: cores)
    assert thread_count(0) == taken
    assert thread_count(5) == 5


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
    do_not_spin()
    assert (os.environ["OMP_WAIT_POLICY"], os.environ["KMP_BLOCKTIME"]) == ("PASSIVE", "200")


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
