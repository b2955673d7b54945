"""SAM 2 and EdgeTAM in the stream against the package's own sessions, one for each object, that keep everything."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from synthetic import two_disks

pytest.importorskip("torch", reason="torch is missing", exc_type=ImportError)

import torch
from safetensors.torch import save_file
from torch.nn import functional

from sampt_ros.config.core import SamPtConfig
from sampt_ros.config.options import updated
from sampt_ros.data_types import Frame
from sampt_ros.errors import CheckpointError
from sampt_ros.mask_propagators import build_mask_propagator
from sampt_ros.mask_propagators.base import PropagatedMask
from sampt_ros.mask_propagators.sam2.propagator import Sam2Video
from sampt_ros.weights import sam2_architectures as architectures

NAMES = ["sam2", "edgetam"]
RED, BLUE = two_disks(0)[1:]


@pytest.fixture(params=NAMES)
def network(request) -> Any:
    for package in ("transformers", "timm"):
        pytest.importorskip(package, reason=f"{package} is missing", exc_type=ImportError)
    import named_weights

    torch.set_num_threads(1)
    return getattr(named_weights, f"small_{request.param}_video")()


class Published:
    """An object followed by the package, with the image processor and the session that it is made for."""

    def __init__(self, network: Any, mask: np.ndarray) -> None:
        import transformers

        kind = type(network).__name__.replace("VideoModel", "VideoInferenceSession")
        self.session = getattr(transformers, kind)(dtype=torch.float32)
        side = {"height": 256, "width": 256}
        self.images = transformers.Sam2ImageProcessor(size=side, do_convert_rgb=False)
        self.network = network
        self.give(mask, 0)

    def give(self, mask: np.ndarray, index: int) -> None:
        """Say what the object's mask is on a frame, counted from the first one of the session."""
        from transformers import Sam2VideoProcessor

        processor = type("", (), {"target_size": 256})
        Sam2VideoProcessor.process_new_mask_for_video_frame(processor, self.session, index, [1], [mask])

    @torch.inference_mode()
    def step(self, image: np.ndarray) -> np.ndarray:
        """Probabilities (H, W) on the next frame; the first one is that of the mask."""
        pixels = self.images(image, return_tensors="pt")["pixel_values"]
        masks = self.network(inference_session=self.session, frame=pixels).pred_masks
        logits = functional.interpolate(masks, image.shape[:2], mode="bilinear", align_corners=False)
        return logits[0, 0].sigmoid().numpy()

    @torch.inference_mode()
    def correct(self, mask: np.ndarray, index: int) -> None:
        """Give a mask on a frame that was followed already."""
        self.give(mask, index)
        self.network(inference_session=self.session, frame_idx=index)


def assert_same(found: PropagatedMask, expected: np.ndarray) -> None:
    """Two masks agree, and there is something to see: where the network misses its object all would be zero."""
    np.testing.assert_allclose(found.mask, expected, rtol=0, atol=1e-5)
    assert np.ptp(expected) > 0.1


def test_frames_equal_the_packages_own_sessions_however_much_is_dropped(network):
    # Longer than the 16 frames that the network looks back; an object is added in the 4th and one removed in the 8th.
    ours = Sam2Video(network, "cpu")
    frames = [Frame(index, two_disks(index)[0]) for index in range(22)]
    published = {1: Published(network, RED)}
    ours.start(1, RED, frames[0])
    published[1].step(frames[0].image)
    for index, frame in enumerate(frames[1:], 1):
        found = ours.update(frame)
        assert list(found) == list(published)
        expected = {object_id: session.step(frame.image) for object_id, session in published.items()}
        for object_id, mask in expected.items():
            assert_same(found[object_id], mask)
        if index == 3:
            blue = two_disks(index)[2]
            ours.start(2, blue, frame)
            published[2] = Published(network, blue)
            published[2].step(frame.image)
        if index == 7:
            assert np.abs(expected[1] - expected[2]).max() > 1e-3, "the objects should differ, or this test says little"
            ours.remove(1)
            del published[1]

    forgetful = Published(network, two_disks(20)[2])
    forgetful.step(frames[20].image)
    difference = np.abs(forgetful.step(frames[21].image) - expected[2]).max()
    assert difference > 1e-3, "the past should count, or this test says little"


def test_an_object_that_is_corrected_goes_on_as_in_the_packages_own_session(network):
    ours, published = Sam2Video(network, "cpu"), Published(network, RED)
    frames = [Frame(index, two_disks(index)[0]) for index in range(6)]
    ours.start(1, RED, frames[0])
    published.step(frames[0].image)
    for index, frame in enumerate(frames[1:], 1):
        assert_same(ours.update(frame)[1], published.step(frame.image))
        if index in (2, 3):
            ours.start(1, BLUE, frame)
            published.correct(BLUE, index)


def test_what_is_kept_is_bounded(network):
    def size() -> int:
        (session,) = ours._sessions.values()
        outputs = [frame for kind in session.output_dict_per_obj[0].values() for frame in kind.values()]
        return sum(value.numel() for frame in outputs for value in frame.values() if torch.is_tensor(value))

    ours, sizes = Sam2Video(network, "cpu"), []
    ours.start(1, RED, Frame(0, two_disks(0)[0]))
    for index in range(1, 41):
        image, red, _ = two_disks(index % 12)
        frame = Frame(index, image)
        ours.update(frame)
        if index % 3 == 0:  # However often it is corrected.
            ours.start(1, red, frame)
        sizes.append(size())
    assert sizes[24] == sizes[39]
    (session,) = ours._sessions.values()
    assert not session.processed_frames
    assert len(session.cache._vision_features) == 1
    assert len(session.frames_tracked_per_obj[0]) <= 17


@pytest.mark.parametrize("name", NAMES)
def test_a_published_file_brings_its_weights_and_another_is_refused_by_name(name, tmp_path, monkeypatch):
    for package in ("transformers", "timm"):
        pytest.importorskip(package, reason=f"{package} is missing", exc_type=ImportError)
    import named_weights

    module = "sampt_ros.mask_propagators.sam2.propagator"
    small = getattr(named_weights, f"small_{name}_video")
    monkeypatch.setattr(f"{module}.{name}_video", lambda *model: small())
    path, weights = (
        tmp_path / "weights.safetensors",
        {key: value.clone() for key, value in small().state_dict().items()},
    )
    save_file(weights, path)
    config = updated(SamPtConfig(), {"mask_propagator": name, "device": "cpu", f"{name}.checkpoint": str(path)})
    loaded = build_mask_propagator(config)._network.state_dict()
    assert all(torch.equal(values, loaded[key]) for key, values in weights.items())

    del weights["no_memory_embedding"]
    save_file(weights, path)
    with pytest.raises(CheckpointError, match=r"1 tensors missing.*no_memory_embedding"):
        build_mask_propagator(config)


@pytest.mark.parametrize(
    ("model", "millions"), [("tiny", 38.963), ("small", 46.061), ("base_plus", 80.851), ("large", 224.447)]
)
def test_the_architectures_have_the_published_numbers_of_weights(model, millions):
    pytest.importorskip("transformers", reason="transformers is missing")
    with torch.device("meta"):
        tensors = architectures.sam2_video(model).state_dict().values()
    assert sum(tensor.numel() for tensor in tensors) / 1e6 == pytest.approx(millions, abs=1e-3)
