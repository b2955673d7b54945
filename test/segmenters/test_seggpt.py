"""SegGPT in the stream against the package's image processor and model."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from synthetic import two_disks

pytest.importorskip("torch", reason="torch is missing", exc_type=ImportError)

import torch
from safetensors.torch import save_file

from sampt_ros.config.core import SamPtConfig
from sampt_ros.config.options import updated
from sampt_ros.config.presets import load_preset
from sampt_ros.config.segmenters import SegGptConfig
from sampt_ros.data_types import Frame, LocalMask, ObjectState
from sampt_ros.errors import CheckpointError
from sampt_ros.segmenters import build_segmenter
from sampt_ros.segmenters.base import Prompts
from sampt_ros.segmenters.grabcut.segmenter import GrabCut
from sampt_ros.segmenters.seggpt import Examples, SegGpt, _some, seggpt
from sampt_ros.tracking.sam_pt import SamPt

SIDE = 64  # of the small network's images
SCENES = [two_disks(index) for index in range(12)]
CLICK = np.array([(44, 48)], np.float32)
NOTHING = np.zeros((0, 2), np.float32)


def decode(segmenter, frame: Frame, *memories: Examples | None) -> np.ndarray:
    """Logits (B, H, W) of objects of which this is remembered."""
    prompts = Prompts.pack([CLICK] * len(memories), [NOTHING] * len(memories), memories=memories)
    return segmenter.decode(segmenter.encode(frame), prompts).logits


def published(network, image: np.ndarray, examples: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """The package's own answer for an image (S, S, 3): how much nearer its painting (S, S) is to white than black."""
    from transformers import SegGptImageProcessor

    processor = SegGptImageProcessor(size={"height": SIDE, "width": SIDE})
    given = processor(
        images=[image] * len(examples),
        prompt_images=[each for each, _ in examples],
        prompt_masks=[mask.astype(np.uint8) for _, mask in examples],
        num_labels=1,
        return_tensors="pt",
    )
    with torch.inference_mode():
        output = network(**given, feature_ensemble=len(examples) > 1)
    scores = processor.post_process_semantic_segmentation(output, num_labels=1, return_segmentation_scores=True)
    black, white = scores[0]["segmentation_scores"].numpy()
    return white - black


def brightness(difference: np.ndarray) -> np.ndarray:
    """How bright a painting is, 0..1, whose squared distances to black and white, of 3 x 255 levels, differ so."""
    return difference / (2 * 3 * 255**2) + 0.5


def squares(index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The upper left (S, S) part of a scene and of its masks, which no one has to scale."""
    image, red, blue = SCENES[index]
    return image[20 : 20 + SIDE, 20 : 20 + SIDE], red[20 : 20 + SIDE, 20 : 20 + SIDE], blue[20 : 20 + SIDE, 20:84]


def test_twelve_frames_equal_the_packages_own_predictor(small_seggpt):
    # Objects are known from their first frame and the latest. One is added in the 4th frame, one removed in the 8th.
    network = small_seggpt._network
    memories: dict[int, Examples] = {}
    given: dict[int, list[tuple[np.ndarray, np.ndarray]]] = {}
    for index in range(12):
        image, red, blue = squares(index)
        frame = Frame(index, image)
        if memories:
            found = decode(small_seggpt, frame, *memories.values())
            for logits, examples in zip(found, given.values()):
                expected = brightness(published(network, image, examples)).clip(1e-4, 1 - 1e-4)
                np.testing.assert_allclose(1 / (1 + np.exp(-logits)), expected, atol=1e-5)
        for name, mask, first in ((1, red, 0), (2, blue, 3)):
            if index == first or name in memories:
                embedding = small_seggpt.encode(frame)
                memories[name] = small_seggpt.remember(embedding, LocalMask.of(mask), memories.get(name))
                given[name] = [*given.get(name, [])[:1], (image, mask)]
        if index == 7:
            del memories[1], given[1]
    assert list(memories) == [2]


@pytest.mark.parametrize("height", [97, 300, 40])
def test_an_image_of_another_size_is_scaled_as_the_package_does(small_seggpt, height):
    from transformers import SegGptImageProcessor

    image = np.random.default_rng(0).integers(0, 255, (height, 120, 3)).astype(np.uint8)
    mask = np.zeros((height, 120), bool)
    mask[10:30, 40:90] = True
    processor = SegGptImageProcessor(size={"height": SIDE, "width": SIDE})
    given = processor(images=image, prompt_masks=mask.astype(np.uint8), num_labels=1, return_tensors="pt")
    embedding = small_seggpt.encode(Frame(0, image))
    torch.testing.assert_close(embedding.image, given["pixel_values"][0], atol=1e-5, rtol=0)
    remembered = small_seggpt.remember(embedding, LocalMask.of(mask), None)
    torch.testing.assert_close(remembered.masks[0], given["prompt_masks"][0], atol=1e-5, rtol=0)


def test_the_first_frame_and_the_latest_ones_are_remembered(small_seggpt):
    segmenter = SegGpt(small_seggpt._network, SegGptConfig(memories=3), "cpu")
    memory, frames = None, [segmenter.encode(Frame(index, scene[0])) for index, scene in enumerate(SCENES[:6])]
    for embedding, (_, red, _) in zip(frames, SCENES):
        memory = segmenter.remember(embedding, LocalMask.of(red), memory)
    assert [any(kept is embedding.image for embedding in frames) for kept in memory.images] == [True] * 3
    assert memory.images[0] is frames[0].image
    assert memory.images[-1] is frames[-1].image
    assert len(memory.masks) == 3
    assert segmenter.remember(frames[0], LocalMask.empty((480, 640)), memory) is memory
    alone = SegGpt(small_seggpt._network, SegGptConfig(memories=1), "cpu").remember(
        frames[1], LocalMask.of(SCENES[1][1]), memory
    )
    assert alone.images == (frames[0].image,)


def test_a_mask_too_thin_for_the_network_is_remembered_all_the_same(small_seggpt):
    thin = np.zeros((480, 640), bool)
    thin[100, 100:102] = True
    embedding = small_seggpt.encode(Frame(0, np.zeros((480, 640, 3), np.uint8)))
    mask = small_seggpt.remember(embedding, LocalMask.of(thin), None).masks[0]
    assert len(mask.unique()) > len(
        small_seggpt.remember(embedding, LocalMask.of(~np.zeros_like(thin)), None).masks[0].unique()
    )


def test_what_is_not_remembered_is_found_by_its_clicks(small_seggpt):
    frame = Frame(0, SCENES[0][0])
    embedding = small_seggpt.encode(frame)
    memory = small_seggpt.remember(embedding, LocalMask.of(SCENES[0][1]), None)
    prompts = Prompts.pack([CLICK, CLICK], [NOTHING, NOTHING], memories=[memory, None])
    found = small_seggpt.decode(embedding, prompts)
    alone = Prompts.pack([CLICK], [NOTHING])
    expected = GrabCut().decode(frame, alone)
    np.testing.assert_array_equal(found.logits[1], expected.logits[0])
    assert found.scores()[1] == expected.scores()[0]
    np.testing.assert_array_equal(found.logits[0], decode(small_seggpt, frame, memory)[0])


def test_a_reference_picture_is_the_first_thing_remembered(small_seggpt):
    picture, red, _ = SCENES[0]
    sam_pt = SamPt(load_preset("seggpt", {"prompting.iou_threshold": 0.0}), small_seggpt)
    sam_pt.step(SCENES[1][0])
    assert sam_pt.add_reference(picture[8:80], red[8:80]).state == ObjectState.LOST
    (tracked,) = sam_pt._objects
    assert tracked.memory.images[0] is not None
    expected = small_seggpt.encode(Frame(0, picture[8:80])).image
    torch.testing.assert_close(tracked.memory.images[0], expected)
    sam_pt.step(SCENES[2][0])


def test_a_published_file_brings_its_weights_and_another_is_refused_by_name(small_seggpt, tmp_path, monkeypatch):
    import named_weights

    monkeypatch.setattr("sampt_ros.segmenters.seggpt.seggpt", named_weights.small_seggpt)
    path = tmp_path / "weights.safetensors"
    weights = {name: values.clone() for name, values in small_seggpt._network.state_dict().items()}
    weights["decoder.decoder_pred.head.bias"] += 1
    save_file(weights, path)
    config = updated(SamPtConfig(), {"segmenter": "seggpt", "device": "cpu", "seggpt.checkpoint": str(path)})
    loaded = build_segmenter(config)._network.state_dict()
    assert all(torch.equal(values, loaded[name]) for name, values in weights.items())

    del weights["model.embeddings.mask_token"]
    save_file(weights, path)
    with pytest.raises(CheckpointError, match=r"1 tensors missing.*model\.embeddings\.mask_token"):
        build_segmenter(config)


def test_the_architecture_has_the_published_size():
    pytest.importorskip("transformers", reason="transformers is missing")
    with torch.device("meta"):
        tensors = seggpt().state_dict()
    assert tensors["model.encoder.layers.23.attention.qkv.weight"].shape == (3072, 1024)
    assert sum(tensor.numel() for tensor in tensors.values()) / 1e6 == pytest.approx(370.7, abs=1)


def test_without_transformers_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(
        CheckpointError, match=r"seggpt needs the package transformers \(pip install 'sampt_ros\[seggpt\]'"
    ):
        build_segmenter(SamPtConfig(segmenter="seggpt"))


def test_some_of_the_prompts_keep_which_is_a_part_of_which():
    nothing = [np.zeros((0, 2))] * 3
    assert list(_some(Prompts.pack(nothing, nothing, wholes=[[2], [], []]), [2, 0]).wholes) == [[], [0]]
