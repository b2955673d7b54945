"""What the nano segmenter's training draws its samples from: training/nano."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from synthetic import disk, texture

torch = pytest.importorskip("torch", reason="torch is missing, which trains the network")
ROOT = Path(__file__).resolve().parents[2]
if not (ROOT / "training/nano").is_dir():
    pytest.skip("the training is not part of an installed package", allow_module_level=True)

SIZE = 96


@pytest.fixture(autouse=True)
def checkout(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)


@pytest.fixture
def composer():
    from training.nano.composing import Composer

    cutouts = []
    for seed in range(3):
        alpha = 255 * disk((40, 30), 28, 60, 80).astype(np.uint8)
        cutouts.append(np.dstack([texture(60, 80, seed), alpha]))
    return Composer([cutouts], [texture(400, 500, 7), texture(300, 700, 8)])


def test_composed_shots_are_labelled_where_they_differ_from_the_background(composer):
    shot = composer(np.random.default_rng(2))
    assert len(shot.images) == len(shot.labels) == 3
    for image, labels in zip(shot.images, shot.labels):
        assert (image.shape, image.dtype) == ((360, 480, 3), np.uint8)
        assert (labels.shape, labels.dtype) == ((360, 480), np.uint8)
    assert any(labels.any() for labels in shot.labels)


def test_samples_are_what_they_say(composer):
    from training.nano.samples import MEMORIES, make_sample

    rng = np.random.default_rng(0)
    samples = [make_sample(composer(rng), rng, SIZE, 0.5) for _ in range(30)]
    made = [sample for sample in samples if sample is not None]
    assert len(made) > 20
    assert {sample.clicked for sample in made} == {True, False}
    for sample in made:
        assert (sample.window.shape, sample.window.dtype) == ((SIZE, SIZE, 3), np.uint8)
        assert sample.prompts.shape == (6, SIZE // 4, SIZE // 4)
        assert np.abs(sample.prompts).max() < 1.001
        assert sample.truth.shape == sample.known.shape == (SIZE // 2, SIZE // 2)
        assert -0.001 < sample.truth.min() <= sample.truth.max() < 1.001
        assert sample.remembered_masks.shape == (MEMORIES, SIZE, SIZE)
        assert all(mask.any() for mask in sample.remembered_masks[: sample.memories])
        assert not sample.remembered_masks[sample.memories :].any()
        assert not (sample.clicked and sample.memories)


def test_the_same_seed_draws_the_same_sample(composer):
    from training.nano.samples import make_sample

    def draw():
        rng = np.random.default_rng(5)
        return make_sample(composer(rng), rng, SIZE, 0.5)

    for one, other in zip(draw(), draw()):
        np.testing.assert_array_equal(one, other)


def test_an_object_without_a_label_in_an_incomplete_shot_is_not_called_absent():
    from training.nano.samples import make_sample
    from training.nano.shot import Shot

    there, gone = disk((80, 60), 30).astype(np.uint8), np.zeros((120, 160), np.uint8)
    shot = Shot([texture()] * 2, [there, gone], complete=False)
    samples = [make_sample(shot, np.random.default_rng(seed), SIZE, 0) for seed in range(20)]
    assert all(sample is None or sample.truth.any() for sample in samples)


@pytest.mark.parametrize("seed", range(5))
def test_damaged_masks_stay_near_the_mask(seed):
    from training.nano.damage import damaged, lightly_damaged

    mask = disk((80, 60), 30)
    rng = np.random.default_rng(seed)
    carried = damaged(mask, np.zeros_like(mask), rng)
    assert (carried.shape, carried.dtype) == (mask.shape, np.float32)
    assert (carried[mask] > 0.5).mean() > 0.2
    light = lightly_damaged(mask, rng) > 0.5
    assert np.count_nonzero(light & mask) > 0.8 * np.count_nonzero(light | mask)


def test_the_next_click_is_in_the_middle_of_the_largest_error():
    from training.nano.train import corrected

    truth = np.zeros((1, 48, 48), np.float32)
    truth[0, 8:40, 8:40] = 1
    found = truth.copy()
    found[0, 8:40, 24:40] = 0  # half of it is missed
    found[0, 2:5, 2:5] = 1
    prompts = torch.zeros(1, 6, 24, 24)
    better = corrected(prompts, torch.from_numpy(20 * found - 10), torch.from_numpy(truth), torch.ones(1, 48, 48))
    y, x = np.unravel_index(int(better[0, 0].argmax()), (24, 24))
    assert 13 <= x <= 18
    assert 6 <= y <= 17
    assert not better[0, 1].any()
    assert not prompts.any()


def test_teacher_masks_are_followed_from_frame_to_frame(tmp_path):
    pytest.importorskip("onnxruntime", reason="onnxruntime is missing, which runs the teacher")
    from training.nano.teacher import _linked

    picture = cv2.cvtColor(texture(), cv2.COLOR_RGB2GRAY)
    labels = np.where(disk((60, 60), 20), 7, 0).astype(np.uint8)
    parts = [disk((63, 61), 20), disk((130, 30), 12)]
    moved = np.roll(picture, (1, 3), (0, 1))
    assert _linked(parts, moved, (picture, labels), 7) == [7, 8]


def test_exported_graphs_compute_what_those_in_the_package_do(tmp_path):
    for module in ("onnx", "onnxruntime", "onnxscript"):
        pytest.importorskip(module, reason=f"{module} is missing")
    from onnxruntime import InferenceSession

    from sampt_ros.segmenters.nano.onnx_backend import OnnxBackend
    from sampt_ros.segmenters.nano.weights import WEIGHTS
    from training.nano.graphs import export_graphs

    weights = Path(shutil.copy(WEIGHTS, tmp_path))
    (graph,) = export_graphs(weights, ["memorize"])
    shipped = OnnxBackend.from_checkpoint()
    rng = np.random.default_rng(0)
    features = shipped.encode(rng.integers(0, 256, (1, SIZE, SIZE, 3), dtype=np.uint8))
    mask = rng.random((SIZE, SIZE), dtype=np.float32)
    session = InferenceSession(graph, providers=["CPUExecutionProvider"])
    found = session.run(None, {"features16": features.maps[3], "masks": mask[None, None]})
    memory = shipped.memorize(features, mask)
    for ours, theirs in zip(found, (memory.keys, memory.values, memory.inside)):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
