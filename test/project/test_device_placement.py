"""Tests without a GPU that all tensors of a frame are on one device, and how often a frame waits for that device.

torch's fake tensors can be on a GPU that does not exist. They have shapes but no values, and raise where devices are
mixed.
"""

from __future__ import annotations

import copy
from contextlib import nullcontext

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is missing", exc_type=ImportError)

from torch._subclasses.fake_tensor import FakeTensorMode  # noqa: E402

from sampt_ros.data_types import Frame, LocalMask  # noqa: E402
from sampt_ros.descriptors.dinov2 import DinoV2  # noqa: E402
from sampt_ros.point_trackers.pips.network import Pips  # noqa: E402
from sampt_ros.point_trackers.pips.tracker import PipsTracker  # noqa: E402
from sampt_ros.point_trackers.raft import Raft  # noqa: E402
from sampt_ros.point_trackers.tapir.network import Tapir  # noqa: E402
from sampt_ros.point_trackers.tapir.tracker import TapirTracker  # noqa: E402
from sampt_ros.segmenters.nano.segmenter import Nano  # noqa: E402
from sampt_ros.segmenters.nano.torch_backend import TorchBackend, load_click_network, load_network  # noqa: E402
from sampt_ros.segmenters.sam.hq import SamHq  # noqa: E402
from sampt_ros.segmenters.sam.persam import PerSam  # noqa: E402
from sampt_ros.segmenters.sam.segmenter import Sam  # noqa: E402
from sampt_ros.segmenters.sam2.segmenter import Sam2  # noqa: E402
from sampt_ros.tracking.mask_decoding import ObjectPrompt, segment  # noqa: E402

SIZE = (96, 128)  # (height, width) of the frames.
_COPYING_MODULES = (
    "descriptors.dinov2",
    "segmenters.sam.persam",
    "segmenters.sam.segmenter",
    "segmenters.sam2.segmenter",
    "segmenters.nano.torch_backend",
    "point_trackers.pips.tracker",
    "point_trackers.raft",
    "point_trackers.tapir.tracker",
)


class FakeGpu:
    """Takes the place of the functions that copy arrays to a GPU and back; counts how often something comes back."""

    waits = 0

    def uploaded(self, array, device):
        assert device.type == "cuda"
        return torch.empty(array.shape, dtype=torch.from_numpy(np.empty(0, array.dtype)).dtype, device=device)

    def downloaded(self, *tensors):
        assert {tensor.device.type for tensor in tensors} == {"cuda"}
        self.waits += 1
        kinds = {torch.bool: bool, torch.float32: np.float32}
        return tuple(np.full(tuple(tensor.shape), 1, kinds[tensor.dtype]) for tensor in tensors)


@pytest.fixture
def gpu(monkeypatch):
    """A GPU of fake tensors, on which functions are called instead of recorded."""
    fake = FakeGpu()
    for module in _COPYING_MODULES:
        for name in ("uploaded", "staged", "downloaded"):
            stand_in = fake.downloaded if name == "downloaded" else fake.uploaded
            monkeypatch.setattr(f"sampt_ros.{module}.{name}", stand_in, raising=False)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda: True)
    monkeypatch.setattr("sampt_ros.utils.torch_device.SideStream.__init__", lambda self, *options, **named: None)
    monkeypatch.setattr("sampt_ros.utils.torch_device.SideStream.__call__", lambda self: nullcontext())
    monkeypatch.setattr("sampt_ros.utils.torch_device.SideStream.join", lambda self, *tensors: None)
    monkeypatch.setattr("sampt_ros.utils.cuda_graphs.Graphed.__call__", _called)
    # These need the device itself, unless they only look at shapes.
    monkeypatch.setattr(torch.Tensor, "to", _moved)
    monkeypatch.setattr(torch.Tensor, "contiguous", lambda self, **options: _moved(self))
    monkeypatch.setattr(torch.Tensor, "__getitem__", _indexed)
    monkeypatch.setattr(torch.Tensor, "__setitem__", _written)
    monkeypatch.setattr(torch.Tensor, "numpy", lambda self: np.zeros(tuple(self.shape), np.int64))
    monkeypatch.setattr(torch.Tensor, "__invert__", lambda self: torch.empty_like(self))
    monkeypatch.setattr(torch.nn.Module, "to", _module_moved)
    with FakeTensorMode():
        yield fake


def _moved(tensor, *arguments, dtype=None, device=None, **options):
    """Stands in for Tensor.to."""
    for argument in arguments:
        if isinstance(argument, torch.dtype):
            dtype = argument
        elif isinstance(argument, torch.device | str):
            device = argument
        elif isinstance(argument, torch.Tensor):
            dtype, device = argument.dtype, argument.device
    if device is None:
        return torch.empty_like(tensor, dtype=dtype, memory_format=torch.contiguous_format)
    return torch.empty(tensor.shape, dtype=dtype or tensor.dtype, device=device)


def _indexed(tensor, index):
    """Stands in for Tensor.__getitem__, and checks that a tensor and those that it is indexed by are on one device."""
    parts = index if isinstance(index, tuple) else (index,)
    assert {part.device for part in parts if isinstance(part, torch.Tensor)} <= {tensor.device}
    shapes = tuple(np.zeros(part.shape, int) if isinstance(part, torch.Tensor) else part for part in parts)
    shape = np.broadcast_to(np.zeros((), np.uint8), tensor.shape)[shapes].shape
    return torch.empty(shape, dtype=tensor.dtype, device=tensor.device)


def _written(tensor, index, value):
    """Stands in for Tensor.__setitem__."""
    part = _indexed(tensor, index)
    assert (part.shape, part.device) == (value.shape, value.device)


def _module_moved(module, *arguments, **options):
    """Stands in for Module.to."""
    for part in module.modules():
        for tensors in (part._parameters, part._buffers):
            for name, tensor in tensors.items():
                if tensor is not None:
                    moved = _moved(tensor, *arguments, **options)
                    moved = moved if tensor.is_floating_point() else _moved(tensor, device=moved.device)
                    is_parameter = isinstance(tensor, torch.nn.Parameter)
                    tensors[name] = torch.nn.Parameter(moved, requires_grad=False) if is_parameter else moved
    return module


def _called(self, *tensors, resident=(), **options):
    return self._function(*tensors, *resident, **options)


def prompts() -> list[ObjectPrompt]:
    on, off = np.full((8, 2), 40, np.float32), np.full((1, 2), 90, np.float32)
    return [ObjectPrompt(on, off, others=on), ObjectPrompt(on + 9, off, others=on)]


def frame(index: int = 0) -> Frame:
    return Frame(index, np.zeros((*SIZE, 3), np.uint8))


@pytest.fixture(params={"sam": Sam, "sam_hq": SamHq, "mobile_sam": Sam, "sam2": Sam2, "edgetam": Sam2}.items())
def sam_segmenter(request):
    """Makes the segmenter of a tiny model; the model itself is made before the fake GPU takes over."""
    import named_weights

    name, segmenter = request.param
    try:
        model = getattr(named_weights, f"small_{name}")()
    except ImportError as error:
        pytest.skip(f"the package of {name} is missing: {error}")
    return lambda: segmenter(model, "cuda")


def test_a_frame_of_sam_and_its_kin_waits_once(sam_segmenter, gpu):
    segmenter = sam_segmenter()
    embedding = segmenter.encode(frame())
    masks, scores = segment(segmenter, embedding, prompts(), refinements=3).results()
    assert (masks.shape, scores.shape, gpu.waits) == ((2, *SIZE), (2,), 1)


def test_an_object_is_found_by_a_picture_with_one_wait_for_the_place_and_one_for_the_mask(sam_segmenter, gpu):
    segmenter = sam_segmenter()
    embedding = segmenter.encode(frame())
    target = torch.empty(embedding.features.shape[1], device="cuda")
    found = PerSam(segmenter).find(embedding, target, np.zeros(SIZE, bool))
    assert (found.mask.shape, gpu.waits) == (SIZE, 2)


@pytest.fixture
def dinov2_network():
    pytest.importorskip("transformers", reason="transformers is missing", exc_type=ImportError)
    from named_weights import small_dinov2

    return small_dinov2()


def test_a_frame_is_described_by_dinov2_with_one_wait(dinov2_network, gpu):
    descriptor = DinoV2(dinov2_network, 70, "cuda")
    assert descriptor.describe(frame()).shape == (4, 5, 48)
    assert (gpu.waits, descriptor.concurrent) == (1, False)


@pytest.fixture
def pips():
    return Pips()


def test_a_frame_of_pips_waits_once(pips, gpu):
    tracker = PipsTracker(pips, device="cuda")
    tracker.update(frame())
    tracker.add(np.arange(5), np.full((5, 2), 30, np.float32), [frame()])
    before = gpu.waits
    assert len(tracker.update(frame(1))) == 5
    assert gpu.waits == before + 1


@pytest.fixture
def tapir():
    return Tapir(64)


def test_a_frame_of_tapir_waits_once(tapir, gpu):
    tracker = TapirTracker(tapir, device="cuda")
    tracker.update(frame())
    tracker.add(np.arange(5), np.full((5, 2), 30, np.float32), [frame()])
    before = gpu.waits
    assert len(tracker.update(frame(1))) == 5
    assert gpu.waits == before + 1


@pytest.fixture
def nano_networks():
    return load_network(), load_click_network()


def test_a_frame_of_nano_waits_once(nano_networks, gpu):
    nano = Nano(backend=TorchBackend(*nano_networks, torch.device("cuda")))
    embedding, mask = nano.encode(frame()), LocalMask(np.ones((40, 50), bool), 30, 20, SIZE)
    memory = nano.remember(embedding, mask, None)
    assert gpu.waits == 0
    objects = [ObjectPrompt(np.full((3, 2), 40, np.float32), mask=mask, memory=memory)]
    segment(nano, embedding, objects, refinements=0).results()
    assert gpu.waits == 1


def test_a_click_in_nano_waits_for_two_searches_and_for_the_mask(nano_networks, gpu):
    nano = Nano(backend=TorchBackend(*nano_networks, torch.device("cuda")))
    segment(nano, nano.encode(frame()), [ObjectPrompt(np.full((1, 2), 40, np.float32))], refinements=0).results()
    assert gpu.waits == 3


@pytest.fixture
def raft(raft_network):
    return Raft(copy.deepcopy(raft_network), device="cpu")


def test_a_frame_of_raft_waits_for_the_flow_there_and_the_flow_back(raft, gpu):
    raft._device = torch.device("cuda")
    raft._network.to(raft._device)
    raft.update(frame())
    raft.add(np.arange(5), np.full((5, 2), 30, np.float32), [frame()])
    assert len(raft.update(frame(1))) == 5
    assert gpu.waits == 2
