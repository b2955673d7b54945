"""SAM 2 and EdgeTAM in the batched prompting path against the processors and models of transformers."""

from __future__ import annotations

import importlib.metadata
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from synthetic import disk, texture, two_disks

pytest.importorskip("torch", reason="torch is missing", exc_type=ImportError)

import torch
from safetensors.torch import save_file

from sampt_ros.config.core import SamPtConfig
from sampt_ros.config.options import updated
from sampt_ros.config.presets import load_preset
from sampt_ros.data_types import Frame, LocalMask, ObjectState
from sampt_ros.errors import CheckpointError
from sampt_ros.segmenters import build_segmenter
from sampt_ros.segmenters.base import Prompts
from sampt_ros.segmenters.sam2.parts import Parts
from sampt_ros.segmenters.sam2.segmenter import Sam2, _stable
from sampt_ros.tracking.sam_pt import SamPt
from sampt_ros.weights import sam2_architectures as architectures
from sampt_ros.weights.packages import TESTED

NAMES = ["sam2", "edgetam"]
SIZES = [(256, 256), (120, 90), (301, 401)]  # as the model wants it, portrait, and odd
NO_POINTS = np.zeros((0, 2), np.float32)


@pytest.fixture(params=NAMES)
def segmenter(request) -> Sam2:
    return request.getfixturevalue(f"small_{request.param}")


@pytest.fixture
def published(request, segmenter) -> Published:
    """The model of the segmenter's weights as transformers itself uses it."""
    import named_weights

    name = request.node.callspec.params["segmenter"]
    return Published(getattr(named_weights, f"small_{name}")())


class Published:
    """A model and a processor of transformers."""

    def __init__(self, model: Any) -> None:
        from transformers import Sam2ImageProcessor, Sam2Processor

        side = {"height": 256, "width": 256}
        self.model, self.processor = model, Sam2Processor(Sam2ImageProcessor(size=side, do_convert_rgb=False))

    @torch.inference_mode()
    def __call__(self, image, prompt: dict[str, Any], multimask: bool = False) -> tuple[np.ndarray, ...]:
        """Full-resolution logits (M, H, W), predicted IoU (M,) and logits (M, h, w) of one object."""
        given = {}
        if len(prompt["positive"]) + len(prompt["negative"]):
            xy = np.concatenate([prompt["positive"], prompt["negative"]])
            given["input_points"] = [[xy.tolist()]]
            given["input_labels"] = [[[1] * len(prompt["positive"]) + [0] * len(prompt["negative"])]]
        if "box" in prompt:
            given["input_boxes"] = [[list(prompt["box"])]]
        inputs = self.processor(images=image, return_tensors="pt", **given)
        sizes = inputs.pop("original_sizes")
        if "logits" in prompt:
            inputs["input_masks"] = prompt["logits"][None, None]
        inputs.pop("reshaped_input_sizes", None)
        outputs = self.model(**inputs, multimask_output=multimask)
        full = self.processor.post_process_masks(outputs.pred_masks, sizes, binarize=False)[0][0]
        return full.numpy(), outputs.iou_scores[0, 0].numpy(), outputs.pred_masks[0, 0].numpy()


def prompts_on(height: int, width: int) -> list[dict[str, Any]]:
    """Objects with different numbers of points, with and without boxes and masks."""
    rng = np.random.default_rng(0)
    box = (0.2 * width, 0.3 * height, 0.6 * width, 0.9 * height)
    mask = disk((width / 2, height / 2), height / 4, height, width).astype(np.float32)

    def prompt(positive: int, negative: int, **more: Any) -> dict[str, Any]:
        groups = [
            (rng.uniform(0, 1, (n, 2)) * [width - 1, height - 1]).astype(np.float32) for n in (positive, negative)
        ]
        return {"positive": groups[0], "negative": groups[1], **more}

    return [
        prompt(1, 0),
        prompt(3, 2),
        prompt(1, 1, box=box),
        prompt(4, 0, mask=mask),
        prompt(2, 1, box=box, mask=mask),
        prompt(0, 0, box=box),
    ]


def pack(segmenter: Sam2, embedding, prompts: list[dict[str, Any]]) -> Prompts:
    return Prompts.pack(
        [p["positive"] for p in prompts],
        [p["negative"] for p in prompts],
        np.array([p.get("box", (np.nan,) * 4) for p in prompts], np.float32),
        segmenter.mask_prompt(embedding, [LocalMask.of(p["mask"]) if "mask" in p else None for p in prompts]),
    )


def with_logits(prompt: dict[str, Any], logits: torch.Tensor) -> dict[str, Any]:
    """What transformers takes for the prompt: its mask as logits."""
    return prompt | ({"logits": logits} if "mask" in prompt else {})


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_a_batch_equals_transformers_one_object_at_a_time(segmenter, published, height, width):
    image, prompts = texture(height, width), prompts_on(height, width)
    embedding = segmenter.encode(Frame(0, image))
    packed = pack(segmenter, embedding, prompts)
    decoded = segmenter.decode(embedding, packed)
    for row, prompt in enumerate(prompts):
        full, iou, low = published(image, with_logits(prompt, packed.logits[row]))
        np.testing.assert_allclose(decoded.logits[row], low[0], atol=1e-3)
        np.testing.assert_allclose(decoded.full_logits()[row], full[0], atol=1e-3)
        np.testing.assert_allclose(decoded.scores()[row], iou[0], atol=1e-4)


def test_an_ambiguous_click_gets_the_candidate_rated_best(segmenter, published):
    image = texture(160, 256)
    embedding = segmenter.encode(Frame(0, image))
    for prompt in prompts_on(160, 256)[:2]:
        decoded = segmenter.decode(embedding, pack(segmenter, embedding, [prompt]), ambiguous=True)
        full, iou, _ = published(image, prompt, multimask=True)
        assert len(iou) == 3
        np.testing.assert_allclose(decoded.scores()[0], iou.max(), atol=1e-4)
        np.testing.assert_allclose(decoded.full_logits()[0], full[iou.argmax()], atol=1e-3)


def test_refinement_passes_are_calls_of_transformers_with_mask_and_box(segmenter, published):
    image = two_disks(0)[0]
    prompt = {"positive": np.array([(60, 60), (70, 50)], np.float32), "negative": NO_POINTS}
    embedding = segmenter.encode(Frame(0, image))
    packed = pack(segmenter, embedding, [prompt])
    first = segmenter.decode(embedding, packed)
    refined = segmenter.refine(embedding, packed, first, 2)
    full, _, low = published(image, prompt)
    for _ in range(2):
        y, x = np.nonzero(full[0] > 0)
        box = tuple(map(float, (x.min(), y.min(), x.max(), y.max())))
        full, iou, low = published(image, prompt | {"logits": torch.from_numpy(low[0]), "box": box})
    np.testing.assert_allclose(refined.logits[0], low[0], atol=1e-3)
    np.testing.assert_allclose(refined.scores()[0], iou[0], atol=1e-4)


@pytest.mark.parametrize(
    ("logits", "chosen"),
    [
        (10.0, 0),  # the first mask's area does not depend on the threshold
        (0.01, 2),  # it does
    ],
)
def test_a_mask_that_is_not_stable_is_replaced_by_the_candidate_rated_best(logits, chosen):
    from types import SimpleNamespace

    masks = torch.arange(4.0)[None, :, None, None].repeat(1, 1, 4, 4)
    masks[0, 0, :2], masks[0, 0, 2:] = logits, -logits
    ratings = torch.tensor([[0.9, 0.1, 0.8, 0.3]])
    config = SimpleNamespace(
        dynamic_multimask_via_stability=True,
        dynamic_multimask_stability_delta=0.05,
        dynamic_multimask_stability_thresh=0.98,
    )
    found, rated = _stable(masks, ratings, config)
    assert torch.equal(found[:, 0], masks[:, chosen])
    assert rated.item() == ratings[0, chosen].item()
    config.dynamic_multimask_via_stability = False
    assert torch.equal(_stable(masks, ratings, config)[0], masks[:, :1])


def test_padding_points_change_nothing(segmenter):
    embedding = segmenter.encode(Frame(0, texture(160, 256)))
    prompts = prompts_on(160, 256)[:2]
    together = segmenter.decode(embedding, pack(segmenter, embedding, prompts))
    alone = segmenter.decode(embedding, pack(segmenter, embedding, prompts[:1]))
    np.testing.assert_allclose(together.logits[0], alone.logits[0], atol=1e-4)


# Weights and the whole stream


@pytest.fixture
def small_architectures(monkeypatch):
    """The published architectures are the small ones here."""
    pytest.importorskip("transformers", reason="transformers is missing")
    pytest.importorskip("timm", reason="timm is missing", exc_type=ImportError)
    import named_weights

    segmenter_module = "sampt_ros.segmenters.sam2.segmenter"
    monkeypatch.setattr(f"{segmenter_module}.sam2", lambda model: named_weights.small_sam2())
    monkeypatch.setattr(f"{segmenter_module}.edgetam", named_weights.small_edgetam)


def config(name: str, path: object) -> SamPtConfig:
    return updated(SamPtConfig(), {"segmenter": name, "device": "cpu", f"{name}.checkpoint": str(path)})


@pytest.mark.parametrize("name", NAMES)
def test_a_published_file_brings_its_weights_and_may_have_more_for_videos(name, small_architectures, tmp_path):
    import named_weights

    path = tmp_path / "weights.safetensors"
    expected = getattr(named_weights, f"small_{name}")()
    weights = {
        key: 0.5 * values if values.is_floating_point() else values for key, values in expected.state_dict().items()
    }
    save_file(weights | {"memory_attention.layers.0.weight": torch.zeros(1)}, path)
    loaded = build_segmenter(config(name, path)).model
    expected.load_state_dict(weights)
    for tensor, values in Parts(expected).state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[tensor], values)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda weights: weights.pop("mask_decoder.iou_token.weight"), "1 tensors missing.*iou_token"),
        (lambda weights: weights.update({"decoder.other": torch.zeros(1)}), "1 unknown.*decoder.other"),
        (
            lambda weights: weights.update({"mask_decoder.iou_token.weight": torch.zeros(1)}),
            "another shape.*iou_token",
        ),
    ],
)
def test_weights_of_another_network_are_refused_by_name(small_architectures, tmp_path, change, complaint):
    import named_weights

    weights = {name: values.clone() for name, values in named_weights.small_sam2().state_dict().items()}
    change(weights)
    save_file(weights, tmp_path / "weights.safetensors")
    with pytest.raises(CheckpointError, match=complaint):
        build_segmenter(config("sam2", tmp_path / "weights.safetensors"))


@pytest.mark.parametrize("name", NAMES)
def test_without_transformers_the_error_says_what_to_install(monkeypatch, name):
    monkeypatch.setitem(sys.modules, "transformers", None)
    monkeypatch.setitem(sys.modules, "timm", sys)
    with pytest.raises(CheckpointError, match=rf"{name} needs .*pip install 'sampt_ros\[{name}\]'"):
        build_segmenter(config(name, ""))


def test_a_library_whose_parts_moved_is_told_readably():
    with pytest.raises(CheckpointError, match=rf"expected a model as in transformers {TESTED}, got Linear"):
        Parts(torch.nn.Linear(1, 1))


def test_the_installed_transformers_is_one_that_was_tested():
    pytest.importorskip("transformers", reason="transformers is missing")
    version = importlib.metadata.version("transformers")
    assert version.startswith(f"{TESTED}."), "run this file with it, then change TESTED and setup.py"


@pytest.mark.parametrize(
    ("model", "millions"), [("tiny", 31.441), ("small", 38.539), ("base_plus", 73.329), ("large", 216.925)]
)
def test_the_architectures_have_the_published_numbers_of_weights(model, millions):
    # Together with what only videos need these are the 38.9, 46, 80.8 and 224.4 millions that are published.
    pytest.importorskip("transformers", reason="transformers is missing")
    with torch.device("meta"):
        tensors = architectures.sam2(model).state_dict().values()
    assert sum(tensor.numel() for tensor in tensors) / 1e6 == pytest.approx(millions, abs=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_the_stream_runs_with_it(name, request):
    segmenter = request.getfixturevalue(f"small_{name}")
    preset = load_preset(
        {"sam2": "sam2_tiny"}.get(name, name), {"point_tracker": "dis_flow", "prompting.iou_threshold": 0}
    )
    sam_pt = SamPt(preset, segmenter=segmenter)
    sam_pt.step(two_disks(0)[0])
    sam_pt.add_object(points=[(60, 60)])
    (item,) = sam_pt.step(two_disks(1)[0]).objects
    assert item.state in (ObjectState.TRACKING, ObjectState.LOST)


def test_boxes_and_mask_prompts_are_missing_or_not_per_object(segmenter):
    embedding = segmenter.encode(Frame(0, texture(160, 256)))
    prompts = pack(segmenter, embedding, prompts_on(160, 256)[:1])
    bare = segmenter.decode(embedding, replace(prompts, boxes=None, logits=None))
    np.testing.assert_allclose(segmenter.decode(embedding, prompts).logits, bare.logits, atol=1e-5)
