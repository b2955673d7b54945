"""Our batched decoding against that of SAM's, HQ-SAM's and MobileSAM's own packages, one object at a time."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from synthetic import disk, texture

pytest.importorskip("torch", reason="torch is missing")

import torch

from sampt_ros.data_types import NEGATIVE, POSITIVE, Frame, LocalMask
from sampt_ros.segmenters.base import Prompts
from sampt_ros.segmenters.sam.segmenter import Sam, SamDecoded, SamEmbedding

SIZES = [
    (160, 256),  # as the model wants it
    (120, 90),  # portrait, enlarged
    (301, 401),  # odd, made smaller
]


PACKAGES = {"small_sam": "segment_anything", "small_sam_hq": "segment_anything_hq", "small_mobile_sam": "mobile_sam"}


@dataclass(frozen=True)
class Prompt:
    """What one object is asked for with, in pixels of the image."""

    xy: np.ndarray
    labels: np.ndarray
    box: tuple[float, float, float, float] | None = None
    mask: np.ndarray | None = None


def prompts_on(height: int, width: int) -> list[Prompt]:
    """Objects with different numbers of points, with and without boxes and masks."""
    rng = np.random.default_rng(0)
    mask = disk((width / 2, height / 2), height / 4, height, width).astype(np.float32)
    box = (0.2 * width, 0.3 * height, 0.6 * width, 0.9 * height)

    def prompt(labels: list[int], box=None, mask=None) -> Prompt:
        xy = rng.uniform(0, 1, (len(labels), 2)) * [width - 1, height - 1]
        return Prompt(xy.astype(np.float32), np.array(labels), box, mask)

    return [
        prompt([POSITIVE]),
        prompt([POSITIVE] * 3 + [NEGATIVE] * 2),
        prompt([POSITIVE, NEGATIVE], box=box),
        prompt([POSITIVE] * 4, mask=mask),
        prompt([POSITIVE] * 2 + [NEGATIVE], box=box, mask=mask),
        prompt([], box=box),
    ]


def pack(segmenter: Sam, embedding: SamEmbedding, prompts: list[Prompt]) -> Prompts:
    return Prompts.pack(
        [p.xy[p.labels == POSITIVE] for p in prompts],
        [p.xy[p.labels == NEGATIVE] for p in prompts],
        np.array([p.box or (np.nan,) * 4 for p in prompts], np.float32),
        segmenter.mask_prompt(embedding, [None if p.mask is None else LocalMask.of(p.mask) for p in prompts]),
    )


@dataclass
class Family:
    """A segmenter on one frame, and the predictor of its package on that frame's very features."""

    segmenter: Sam
    predictor: Any

    def encode(self, image: np.ndarray) -> SamEmbedding:
        outputs: list[Any] = []
        hook = self.segmenter.model.image_encoder.register_forward_hook(lambda *call: outputs.append(call[-1]))
        embedding = self.segmenter.encode(Frame(0, image))
        hook.remove()
        predictor, output = self.predictor, outputs[0]
        predictor.features, *rest = output if isinstance(output, tuple) else (output,)
        if rest:  # HQ-SAM's also takes features from within the encoder
            (predictor.interm_features,) = rest
        predictor.is_image_set = True
        predictor.original_size, predictor.input_size = embedding.image_size, embedding.resized
        return embedding

    def published(self, prompt: Prompt, logits: torch.Tensor, multimask: bool):
        """The predictor's full-resolution logits (M, H, W), predicted IoU (M,), logits (M, h, w) of one object."""
        predictor, size = self.predictor, self.predictor.original_size
        xy = predictor.transform.apply_coords(prompt.xy.astype(np.float64), size)
        box = None if prompt.box is None else predictor.transform.apply_boxes(np.array([prompt.box]), size)
        masks, iou, low = predictor.predict_torch(
            torch.tensor(xy[None], dtype=torch.float32) if len(xy) else None,
            torch.tensor(prompt.labels[None]) if len(xy) else None,
            None if box is None else torch.tensor(box, dtype=torch.float32),
            None if prompt.mask is None else logits[None, None],
            multimask_output=multimask,
            return_logits=True,
        )
        return masks[0], iou[0], low[0]


@pytest.fixture(params=PACKAGES)
def family(request) -> Family:
    segmenter = request.getfixturevalue(request.param)
    return Family(segmenter, importlib.import_module(PACKAGES[request.param]).SamPredictor(segmenter.model))


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_a_batch_equals_the_published_decoder_one_object_at_a_time(family, height, width):
    embedding = family.encode(texture(height, width))
    prompts = prompts_on(height, width)
    packed = pack(family.segmenter, embedding, prompts)
    decoded = family.segmenter.decode(embedding, packed)
    for row, prompt in enumerate(prompts):
        masks, iou, low = family.published(prompt, packed.logits[row], multimask=False)
        np.testing.assert_allclose(decoded.logits[row], low[0], atol=1e-4)
        np.testing.assert_allclose(decoded.full_logits()[row], masks[0], atol=1e-4)
        np.testing.assert_allclose(decoded.iou[row], iou[0], atol=1e-4)


def test_an_ambiguous_click_gets_the_candidate_rated_best(family):
    embedding = family.encode(texture(160, 256))
    for prompt in prompts_on(160, 256)[:2]:
        packed = pack(family.segmenter, embedding, [prompt])
        decoded = family.segmenter.decode(embedding, packed, ambiguous=True)
        masks, iou, _ = family.published(prompt, packed.logits[0], multimask=True)
        assert len(iou) in (1, 3)  # HQ-SAM's package chooses by itself
        np.testing.assert_allclose(decoded.iou[0], iou.max(), atol=1e-4)
        np.testing.assert_allclose(decoded.full_logits()[0], masks[iou.argmax()], atol=1e-4)


def test_a_mask_given_back_is_the_prompt_that_the_published_predictor_takes(family):
    embedding = family.encode(texture(160, 256))
    prompts = prompts_on(160, 256)[:3]
    first = family.segmenter.decode(embedding, pack(family.segmenter, embedding, prompts))
    packed = replace(pack(family.segmenter, embedding, prompts), logits=first.logits)
    second = family.segmenter.decode(embedding, packed)
    assert isinstance(second, SamDecoded)
    for row, prompt in enumerate(prompts):
        _, _, low = family.published(replace(prompt, mask=np.ones(1)), first.logits[row], multimask=False)
        np.testing.assert_allclose(second.logits[row], low[0], atol=1e-4)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_a_frame_is_encoded_as_published(family, height, width):
    image = texture(height, width)
    family.predictor.set_image(image)
    embedding = family.segmenter.encode(Frame(0, image))
    assert embedding.resized == tuple(family.predictor.input_size)
    # the resized image differs by rounding only, one of 255 here and there
    difference = (embedding.features - family.predictor.features).abs()
    assert difference.mean() < 0.01 * family.predictor.features.std()


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_the_box_of_a_mask_is_in_pixels_of_the_image(small_sam, height, width):
    embedding = small_sam.encode(Frame(0, texture(height, width)))
    decoded = small_sam.decode(embedding, pack(small_sam, embedding, prompts_on(height, width)))
    for mask, box in zip(decoded.masks(), decoded.boxes().tolist()):
        y, x = np.nonzero(mask)
        assert box == [x.min(), y.min(), x.max(), y.max()]
