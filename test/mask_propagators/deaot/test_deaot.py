"""DeAOT in the stream against the package's own engine of many objects."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from synthetic import two_disks

pytest.importorskip("torch", reason="torch is missing", exc_type=ImportError)

import torch

from sampt_ros.config.core import SamPtConfig
from sampt_ros.config.mask_propagators import DeaotConfig
from sampt_ros.config.options import updated
from sampt_ros.data_types import Frame
from sampt_ros.errors import CheckpointError
from sampt_ros.mask_propagators import build_mask_propagator
from sampt_ros.mask_propagators.deaot.architectures import deaot
from sampt_ros.mask_propagators.deaot.propagator import Deaot

RED, BLUE = two_disks(0)[1:]
FRAMES = [Frame(index, np.pad(two_disks(index)[0], ((0, 1), (0, 1), (0, 0)), "edge")) for index in range(12)]


def padded(mask: np.ndarray) -> np.ndarray:
    """A mask (96, 128) of frames that have a multiple of 16 and one more pixels, as the network likes them."""
    return np.pad(mask, ((0, 1), (0, 1)))


class Published:
    """The package's own engine, one object in each of its parts, with what its evaluation does around it."""

    def __init__(self, network) -> None:
        from aot.networks.engines import build_engine

        gap = network.cfg.TEST_LONG_TERM_MEM_GAP
        settings = {"long_term_mem_gap": gap, "max_aot_obj_num": 1}
        self.engine = build_engine("deaotengine", phase="eval", aot_model=network, **settings).eval()

    def image(self, frame: Frame) -> torch.Tensor:
        colors = frame.image / 255.0
        colors -= (0.485, 0.456, 0.406)
        colors /= (0.229, 0.224, 0.225)
        return torch.from_numpy(colors.transpose(2, 0, 1))[None].float()

    def start(self, frame: Frame, mask: np.ndarray) -> None:
        self.engine.add_reference_frame(self.image(frame), torch.from_numpy(mask)[None, None].float(), 1, 0)

    def step(self, frame: Frame, added: np.ndarray | None = None, known: np.ndarray | None = None) -> np.ndarray:
        """Probabilities (objects, H, W); added: the mask of one more object on this frame; known: of the only one."""
        self.engine.match_propogate_one_frame(self.image(frame))
        probabilities = self.engine.decode_current_logits(frame.size).softmax(1)
        labels = probabilities.argmax(1, keepdim=True).float()
        if known is not None:
            self.engine.add_reference_frame(self.image(frame), torch.from_numpy(known)[None, None].float(), 1)
        elif added is None:
            self.engine.update_memory(labels)
        else:
            number = self.engine.obj_nums + 1
            labels = torch.where(torch.from_numpy(added), number, labels)
            self.engine.add_reference_frame(self.image(frame), labels, number)
        return probabilities[0, 1:].numpy()


@torch.inference_mode()
def test_twelve_frames_equal_the_packages_own_predictor(deaot_network):
    published, ours = Published(deaot_network), Deaot(deaot_network, device="cpu")
    published.start(FRAMES[0], padded(RED))
    ours.start(1, padded(RED), FRAMES[0])
    covered = []
    for index, frame in enumerate(FRAMES[1:], 1):
        blue = padded(two_disks(index)[2]) if index == 3 else None  # A second object is added in the fourth frame.
        expected, found = published.step(frame, blue), ours.update(frame)
        for item, mask in zip(found.values(), expected):
            np.testing.assert_allclose(item.mask, mask, atol=1e-5)
        covered.append([item.mask.mean() for item in found.values()])
        if blue is not None:
            ours.start(2, blue, frame)
        if index == 7:  # The first one is removed in the eighth.
            del published.engine.aot_engines[0]
            published.engine.obj_nums = 1
            ours.remove(1)
    assert list(found) == [2]
    assert [len(masks) for masks in covered] == [1] * 3 + [2] * 4 + [1] * 4
    assert len({round(float(mean), 4) for masks in covered for mean in masks}) > 4  # The numbers are not all alike.


@torch.inference_mode()
def test_a_known_object_that_gets_a_mask_goes_on_as_in_the_package(deaot_network):
    published, ours, unchanged = Published(deaot_network), *(Deaot(deaot_network, device="cpu") for _ in range(2))
    published.start(FRAMES[0], padded(RED))
    for propagator in (ours, unchanged):
        propagator.start(1, padded(RED), FRAMES[0])
    for index, frame in enumerate(FRAMES[1:9], 1):
        given = padded(BLUE) if index in (2, 5) else None  # The fifth frame is remembered for long.
        expected, found, other = published.step(frame, known=given)[0], ours.update(frame), unchanged.update(frame)
        np.testing.assert_allclose(found[1].mask, expected, atol=1e-5)
        if given is not None:
            ours.start(1, given, frame)
    assert np.abs(other[1].mask - expected).max() > 1e-3, "the mask should count, or this test says little"


@torch.inference_mode()
def test_a_mask_given_twice_on_one_frame_is_the_last_one(deaot_network):
    ours, alone = (Deaot(deaot_network, device="cpu") for _ in range(2))
    ours.start(1, padded(BLUE), FRAMES[0])
    for propagator in (ours, alone):
        propagator.start(1, padded(RED), FRAMES[0])
    found, expected = (propagator.update(FRAMES[1])[1].mask for propagator in (ours, alone))
    np.testing.assert_allclose(found, expected, atol=1e-6)


@torch.inference_mode()
def test_an_image_of_another_size_is_scaled_as_the_package_does(deaot_network):
    import cv2

    image = two_disks(0)[0]  # 96 x 128, which becomes 97 x 129
    ours = Deaot(deaot_network, device="cpu")
    ours.start(1, RED, Frame(0, image))
    resized = cv2.resize(image.astype(np.float32), (129, 97), interpolation=cv2.INTER_CUBIC)
    expected = Published(deaot_network).image(Frame(0, resized))
    torch.testing.assert_close(ours._newest[1], expected, atol=1e-5, rtol=0)


@torch.inference_mode()
def test_a_started_object_takes_its_pixels_from_the_others(deaot_network):
    ours = Deaot(deaot_network, device="cpu")
    ours.start(1, padded(RED), FRAMES[0])
    ours.start(2, padded(np.roll(RED, 8, 1)), FRAMES[0])
    np.testing.assert_array_equal(ours._labels[0, 0] == 2, padded(np.roll(RED, 8, 1)))
    np.testing.assert_array_equal(ours._labels[0, 0] == 1, padded(RED & ~np.roll(RED, 8, 1)))
    ours.remove(1)
    np.testing.assert_array_equal(ours._labels[0, 0] == 1, padded(np.roll(RED, 8, 1)))


def test_what_is_kept_is_bounded_and_the_first_frame_stays(deaot_network):
    ours, sizes = Deaot(deaot_network, DeaotConfig(memories=3), "cpu"), []
    ours.start(1, padded(RED), FRAMES[0])
    engine = ours._engines[1]
    places, first = engine.enc_hw, [layer[1].clone() for layer in engine.long_term_memories]
    for index in range(30):  # One more is remembered every fifth.
        ours.update(FRAMES[index % 12])
        sizes.append(len(engine.long_term_memories[0][1]) // places)
    assert sizes[:6] == [1] * 5 + [2]
    assert sizes[-1] == max(sizes) == 3
    for layer, start in zip(engine.long_term_memories, first):
        torch.testing.assert_close(layer[1][-places:], start, atol=0, rtol=0)
    assert len(engine.short_term_memories_list) == 1


def test_a_checkpoint_brings_its_weights_and_another_is_refused_by_name(deaot_network, tmp_path):
    path, weights = tmp_path / "deaot.pth", dict(deaot_network.state_dict())
    torch.save({"state_dict": weights}, path)
    changes = {"mask_propagator": "deaot", "deaot.model": "large", "deaot.checkpoint": str(path), "device": "cpu"}
    config = updated(SamPtConfig(), changes)
    loaded = build_mask_propagator(config)._network.state_dict()
    assert all(torch.equal(values, loaded[name]) for name, values in weights.items())

    del weights["encoder_projector.weight"]
    torch.save({"state_dict": weights}, path)
    with pytest.raises(CheckpointError, match=r"1 tensors missing.*encoder_projector\.weight"):
        build_mask_propagator(config)


@pytest.mark.parametrize(
    ("model", "millions"),
    [("tiny", 7.2), ("small", 10.2), ("base", 13.2), ("large", 13.2), ("r50_large", 19.8), ("swin_b_large", 70.3)],
)
def test_the_architectures_have_the_published_numbers_of_weights(model, millions):
    pytest.importorskip("aot", reason="deaotpy is missing")
    parameters = sum(tensor.numel() for tensor in deaot(model).parameters())
    assert parameters / 1e6 == pytest.approx(millions, abs=0.051)


def test_a_package_whose_parts_have_other_names_is_told(monkeypatch):
    pytest.importorskip("aot.networks.models", reason="deaotpy is missing")
    monkeypatch.delattr("aot.networks.models.build_vos_model")
    with pytest.raises(CheckpointError, match=r"deaot: expected the parts of deaotpy 1\.11: .*build_vos_model"):
        deaot("tiny")


def test_without_the_package_the_error_says_what_to_install(monkeypatch):
    for name in ("aot", "aot.networks", "aot.networks.models"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(CheckpointError, match=r"deaotpy \(pip install --no-deps deaotpy==1\.11\.0\)"):
        build_mask_propagator(SamPtConfig(mask_propagator="deaot"))
