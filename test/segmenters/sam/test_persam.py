"""PerSAM against the numbers of its published code, and on the relatives of SAM."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fakes import SquareSegmenter
from synthetic import disk, texture, two_disks

pytest.importorskip("torch", reason="torch is missing", exc_type=ImportError)

import torch

from sampt_ros.config.core import SamPtConfig
from sampt_ros.data_types import Frame
from sampt_ros.errors import ConfigError
from sampt_ros.segmenters import NO_ONE_SHOT, ONE_SHOTS, SEGMENTERS, build_one_shot
from sampt_ros.segmenters.base import Prompts
from sampt_ros.segmenters.sam.decoder import Guidance
from sampt_ros.segmenters.sam.persam import PerSam, location_prior

RELATIVES = ["sam", "sam_hq", "mobile_sam", "sam2", "edgetam"]


@pytest.fixture
def golden(shared_folder) -> dict[str, np.ndarray]:
    """What the published code makes of the small SAM, a picture and an image to search."""
    return dict(np.load(shared_folder / "golden/persam.npz"))


@pytest.fixture
def nowhere(golden) -> np.ndarray:
    """No pixel is excluded."""
    return np.zeros(golden["similarity"].shape, bool)


@pytest.fixture(params=RELATIVES)
def relative(request):
    return request.getfixturevalue(f"small_{request.param}")


def close(found, expected, tolerance: float = 2e-3) -> None:
    np.testing.assert_allclose(np.asarray(found), expected, rtol=0, atol=tolerance)


def test_a_picture_gives_the_published_target(small_sam, golden):
    persam, embedding = PerSam(small_sam), small_sam.encode(Frame(0, golden["reference"]))
    np.testing.assert_array_equal(persam.cells(embedding, golden["reference_mask"]), golden["cells"])
    close(persam.target(embedding, golden["reference_mask"]), golden["target_embedding"], 1e-3)


def test_the_location_prior_is_the_published_one(small_sam, golden, nowhere):
    embedding = small_sam.encode(Frame(1, golden["test"]))
    similarity = PerSam(small_sam).similarity(embedding, torch.from_numpy(golden["target_embedding"]))
    close(similarity, golden["similarity"], 1e-3)
    np.testing.assert_array_equal(location_prior(similarity.numpy(), nowhere), golden["points"])


def test_the_three_decodings_are_the_published_ones(small_sam, golden, nowhere, monkeypatch):
    passes, decode = [], small_sam.decode
    monkeypatch.setattr(small_sam, "decode", lambda *a, **b: passes.append((a, decode(*a, **b))) or passes[-1][1])
    persam = PerSam(small_sam)
    target = persam.target(small_sam.encode(Frame(0, golden["reference"])), golden["reference_mask"])
    found = persam.find(small_sam.encode(Frame(1, golden["test"])), target, nowhere)
    (_, first), (_, second), (last, third) = passes
    close(first.logits, golden["low_1"])
    close(first.iou, golden["iou_1"], 1e-3)
    for decoded, name, best in zip((second, third), "23", golden["best"]):
        close(decoded.logits[0], golden[f"low_{name}"][best])
        close(decoded.iou, [golden[f"iou_{name}"][best]], 1e-3)
    close(last[1].boxes[0], golden["box"], 0.5)
    np.testing.assert_array_equal(found.mask, third.full_logits()[0] > 0)
    assert found.score == third.iou.item()
    np.testing.assert_array_equal(found.xy, golden["points"][0])


def test_guidance_changes_the_mask_of_every_relative(relative):
    embedding = relative.encode(Frame(0, texture(120, 90)))
    features = relative.features(embedding)
    guidance = Guidance(torch.linspace(0, 1, features[0].numel()), features.mean((1, 2)))
    prompts = Prompts.pack([np.array([(45, 60)], np.float32)], [np.array([(5, 5)], np.float32)])
    plain, guided = relative.decode(embedding, prompts), relative.decode(embedding, prompts, guidance=guidance)
    assert np.isfinite(np.asarray(guided.logits)).all()
    for part in (replace(guidance, target=0 * guidance.target), replace(guidance, attention=0 * guidance.attention)):
        partly = relative.decode(embedding, prompts, guidance=part)
        for other in (plain, guided):
            assert np.abs(np.asarray(partly.logits - other.logits)).max() > 1e-3


@pytest.mark.parametrize(("height", "width"), [(160, 256), (121, 90)])
def test_every_relative_finds_a_place_and_a_mask_of_the_images_size(relative, height, width):
    persam, mask = PerSam(relative), disk((60, 60), 20, 160, 256)
    target = persam.target(relative.encode(Frame(0, texture(160, 256))), mask)
    found = persam.find(relative.encode(Frame(1, texture(height, width))), target, np.zeros((height, width), bool))
    assert (found.mask.shape, found.mask.dtype) == ((height, width), bool)
    assert np.isfinite(found.score)
    assert (found.xy >= 0).all()
    assert (found.xy < [width, height]).all()


def test_an_object_is_most_like_itself(relative):
    persam, (image, red, _) = PerSam(relative), two_disks(0)
    embedding = relative.encode(Frame(0, image))
    similarity = persam.similarity(embedding, persam.target(embedding, red)).numpy()
    assert similarity[red].mean() > similarity[~red].mean()
    assert similarity.max() <= 1 + 1e-5


def test_an_object_between_the_cells_is_known_by_the_cell_that_it_fills_most(small_sam):
    embedding = small_sam.encode(Frame(0, texture(160, 256)))
    tiny = np.zeros((160, 256), bool)
    tiny[34:36, 50:53] = True  # cells have 16 pixels a side, and are compared with the mask in their middle alone
    (cell,) = np.argwhere(PerSam(small_sam).cells(embedding, tiny).numpy())
    assert cell.tolist() == [2, 3]


def test_what_is_excluded_is_not_the_place():
    similarity = np.array([[0.1, 0.9, 0.5], [0.2, 0.3, 0.4]], np.float32)
    assert location_prior(similarity, similarity > 0.8).tolist() == [[2, 0], [0, 0]]
    assert location_prior(similarity, np.zeros((2, 3), bool)).tolist() == [[1, 0], [0, 0]]


def test_a_plain_image_is_no_trouble(small_sam):
    persam, plain = PerSam(small_sam), torch.ones(160, 256)
    embedding = small_sam.encode(Frame(0, np.zeros((160, 256, 3), np.uint8)))
    assert np.isfinite(persam.attention(embedding, plain).numpy()).all()


# By the parameter


def test_the_configuration_offers_every_method():
    choices = SamPtConfig.__dataclass_fields__["one_shot"].metadata["option"].choices
    assert set(choices) == {NO_ONE_SHOT, *ONE_SHOTS}


def test_the_parameter_builds_it_on_every_relative(relative):
    assert isinstance(build_one_shot(SamPtConfig(one_shot="persam"), relative), PerSam)
    assert build_one_shot(SamPtConfig(), relative) is None


def test_a_segmenter_unlike_sam_is_refused_with_those_that_are():
    with pytest.raises(ConfigError, match=r"persam expected a segmenter like SAM .*, got SquareSegmenter") as told:
        build_one_shot(SamPtConfig(one_shot="persam"), SquareSegmenter())
    assert str(told.value).partition("(")[2].partition(")")[0].split(", ") == RELATIVES
    assert set(RELATIVES) < SEGMENTERS.keys()
