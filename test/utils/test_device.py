"""Which device networks run on, whether or not torch is installed."""

import sys

import pytest

from sampt_ros.errors import ConfigError
from sampt_ros.utils import device
from sampt_ros.utils.device import network_device


class Torch:
    """Takes the place of torch, with a GPU or without one."""

    def __init__(self, has_gpu: bool) -> None:
        self.cuda = self
        self.is_available = lambda: has_gpu


@pytest.mark.parametrize(
    ("name", "driver", "gpu", "found"),
    [
        ("cpu", True, True, "cpu"),
        ("auto", True, True, "cuda"),
        ("auto", True, False, "cpu"),  # a driver without a GPU, or a torch without CUDA
        ("auto", False, True, "cpu"),  # torch is not asked
        ("cuda", False, True, "cuda"),
    ],
)
def test_a_gpu_is_taken_where_torch_sees_one(monkeypatch, name, driver, gpu, found):
    monkeypatch.setattr(device, "_may_have_gpu", lambda: driver)
    monkeypatch.setitem(sys.modules, "torch", Torch(gpu))
    assert network_device(name) == found


def test_torch_is_not_imported_where_there_is_no_driver(monkeypatch):
    monkeypatch.setattr(device, "_may_have_gpu", lambda: False)
    monkeypatch.setattr(device, "_torch_has_gpu", lambda: pytest.fail("torch was asked"))
    assert network_device("auto") == "cpu"


def test_a_gpu_that_is_wanted_and_not_there_is_an_error(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", Torch(has_gpu=False))
    with pytest.raises(ConfigError, match="torch sees no CUDA device; got 'cuda'"):
        network_device("cuda")


def test_without_torch_there_is_only_the_cpu(monkeypatch):
    monkeypatch.setattr(device, "_may_have_gpu", lambda: True)
    monkeypatch.setitem(sys.modules, "torch", None)  # importing it is an ImportError then
    assert network_device("auto") == "cpu"
    with pytest.raises(ConfigError, match="torch is not installed; got 'cuda'"):
        network_device("cuda")
