"""What the nano segmenter's training draws from, and how it goes: training/nano."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
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
def stills(tmp_path):
    """Two photographs with an ellipse each, as stills.json describes them."""
    from training.nano.pictures.stills import read_stills

    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    outline = np.stack([150 + 55 * np.cos(angles), 110 + 40 * np.sin(angles)], 1)
    entries = []
    for number in range(2):
        picture = texture(240, 320, number)
        cv2.fillPoly(picture, [outline.astype(np.int32)], (200, 60, 40 + 100 * number))
        cv2.imwrite(str(tmp_path / f"{number}.jpg"), picture)
        objects = [{"polygons": [outline.ravel().tolist()]}]
        entries.append(
            {"file": f"{number}.jpg", "source": "ours", "licence": "CC0", "all_objects_labelled": True}
            | {"objects": objects}
        )
    (tmp_path / "stills.json").write_text(json.dumps(entries))
    return read_stills(tmp_path)


@pytest.fixture
def animate(stills):
    from training.nano.animation.animate import Animator
    from training.nano.animation.stage import Props

    return Animator(stills, Props(stills, []))


def scene(count=5, complete=True):
    """A red disk that moves to the right over a texture."""
    from training.nano.sequence import Sequence

    sequence = Sequence([], [], complete)
    for frame in range(count):
        mask = disk((50 + 6 * frame, 60), 24)
        image = texture().copy()
        image[mask] = (220, 40, 40)
        sequence.images.append(image)
        sequence.labels.append(mask.astype(np.uint8))
    return sequence


def test_outlines_become_labels_and_small_objects_are_left_out(stills):
    tiny = (np.array([[5, 5], [9, 5], [9, 9]], np.float32),)
    still = replace(stills[0], outlines=(tiny, *stills[0].outlines))
    labels = still.labels(240, 320)
    assert set(np.unique(labels)) == {0, 1}
    assert labels[110, 150] == 1
    assert labels[6, 7] == 0


def test_a_polygon_needs_three_points(tmp_path):
    from training.nano.pictures.stills import read_stills

    entry = {"file": "a.jpg", "source": "ours", "licence": "CC0", "all_objects_labelled": True}
    (tmp_path / "stills.json").write_text(json.dumps([entry | {"objects": [{"polygons": [[1, 2, 3, 4]]}]}]))
    with pytest.raises(ValueError, match="3 points"):
        read_stills(tmp_path)


def test_animated_masks_lie_on_what_they_name(stills):
    from training.nano.animation.animate import Animator
    from training.nano.animation.stage import Props

    # A flat red object before flat grey: wherever it has moved and bent to, the label must be where the red is.
    animate = Animator(stills, Props(stills, []))
    flat = np.full((240, 320, 3), 90, np.uint8)
    flat[stills[0].labels(240, 320) > 0] = (220, 30, 30)
    plain = [replace(still, path=still.path.with_suffix(".png")) for still in stills]
    for still in plain:
        cv2.imwrite(str(still.path), cv2.cvtColor(flat, cv2.COLOR_RGB2BGR))
    animate = Animator(plain, Props(plain, []))
    agreements = []
    for seed in range(12):
        sequence = animate(np.random.default_rng(seed))
        for image, labels in zip(sequence.images, sequence.labels):
            # Blur and light change the colour, and posts of grey may cover it: compare where it is surely red.
            red = image[..., 0].astype(int) - image[..., 1] > 60
            if red.sum() > 300:
                agreements.append((labels[red] > 0).mean())
    assert len(agreements) > 30
    assert np.median(agreements) > 0.95


def test_equal_seeds_animate_equally(animate):
    one, other = (animate(np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(one.images, other.images)
    np.testing.assert_array_equal(one.labels, other.labels)
    assert one.twins == other.twins


def test_a_sequence_comes_back_from_its_file(tmp_path):
    from training.nano.sequence import read_sequence, write_sequence

    sequence = scene()._replace(complete=False, twins=((1, 4),))
    write_sequence(tmp_path / "a.npz", sequence)
    whole, some = read_sequence(tmp_path / "a.npz"), read_sequence(tmp_path / "a.npz", [3, 1])
    np.testing.assert_array_equal(whole.labels, sequence.labels)
    np.testing.assert_array_equal(some.labels, [sequence.labels[3], sequence.labels[1]])
    assert np.abs(np.array(whole.images, int) - sequence.images).mean() < 12  # JPEG
    assert (whole.complete, whole.twins) == (False, ((1, 4),))


def test_something_leaves_the_view_and_mostly_comes_back():
    from training.nano.animation.motion import Span, object_motion

    view, centre = np.array([400, 300]), np.array([100.0, 150.0])
    left = returned = 0
    for seed in range(20):
        motion = object_motion(np.random.default_rng(seed), Span(48, 0.2), 60, centre, view, "leaves")
        places = centre + motion.shift
        outside = ((places < -20) | (places > view + 20)).any(1)
        left += outside.any()
        returned += outside.any() and not outside[-1]
    assert left >= 15
    assert returned >= 5


@pytest.mark.parametrize("seed", range(8))
def test_clicks_lie_on_the_object(seed):
    from training.nano.learning.prompts import click_on

    mask = disk((80, 60), 30) | disk((130, 60), 8)
    x, y = click_on(mask, np.random.default_rng(seed)).astype(int)
    assert mask[y, x]


def follow(sequence, seed, logits_of, guided=0.0, size=SIZE, score=0.9, **habits):
    """The looks of a follower whose network answers with `logits_of(look)`."""
    from training.nano.learning.follower import Follower
    from training.nano.learning.habits import Habits

    follower = Follower(sequence, (1,), np.random.default_rng(seed), Habits(**habits), guided)
    looks = []
    while not follower.done:
        look = follower.look(size)
        looks.append(look)
        follower.take(logits_of(look), score, torch.zeros(112, size // 16, size // 16))
    return looks, follower


def right(look):
    return 20 * look.truth - 10


@pytest.mark.parametrize("seed", range(6))
def test_looks_are_what_they_say(seed):
    looks, follower = follow(scene(), seed, right)
    assert len(looks) >= 5 or looks[0].prompts[2].any()  # A part in a box is looked at once.
    for look in looks:
        assert (look.window.shape, look.window.dtype) == ((SIZE, SIZE, 3), np.uint8)
        assert look.prompts.shape == (6, SIZE // 4, SIZE // 4)
        assert np.abs(look.prompts).max() < 1.001
        assert look.truth.shape == look.known.shape == (SIZE // 2, SIZE // 2)
        assert -0.001 < look.truth.min() <= look.truth.max() < 1.001
        assert look.prompts[:5].any()
    assert not any(look.first for look in looks[1:])
    assert follower.recalled
    assert len(follower.recalled) <= 4


def test_a_network_that_is_right_is_shown_the_object_again_and_again():
    looks, _ = follow(scene(), 1, right)
    assert np.mean([look.truth.max() > 0.5 for look in looks]) > 0.7


def test_a_network_that_finds_nothing_keeps_what_was_carried():
    _, follower = follow(scene(), 2, lambda look: np.full((SIZE // 2, SIZE // 2), -9, np.float32))
    assert follower.done
    assert len(follower.recalled) <= 1


def half(look):
    """Finds no more than the left half of the window."""
    logits = right(look)
    logits[:, logits.shape[1] // 2 :] = -10
    return logits


@pytest.mark.parametrize("seed", range(6))
def test_a_mask_at_a_click_that_is_wrong_is_corrected_by_more_clicks(seed):
    looks, _ = follow(scene(1), seed, half, starts=(1.0, 0.0, 0.0), corrected=1.0)
    assert [look.first for look in looks] == [True] + [False] * (len(looks) - 1)
    assert 3 <= len(looks) <= 6
    assert any(look.prompts[4].all() for look in looks[1:])  # There is a mask to correct.
    clicked = [look.prompts[:2].sum() / look.prompts[:2].max() for look in looks]
    assert max(clicked[1:]) > clicked[0]


def test_a_mask_that_is_right_is_not_corrected():
    for seed in range(4):
        looks, _ = follow(scene(), seed, right, size=192, starts=(1.0, 0.0, 0.0), corrected=1.0, sought=0.0)
        assert len(looks) == 5 + 1


def test_clicks_that_correct_a_later_mask_recall_nothing():
    from training.nano.learning.follower import Follower
    from training.nano.learning.habits import Habits

    habits = Habits(starts=(0.0, 0.0, 1.0), later=1.0, sought=0.0, accident=0.0, rescued=0.0)
    follower = Follower(scene(), (1,), np.random.default_rng(0), habits, 0.0)
    recalled = []
    while not follower.done:
        look = follower.look(SIZE)
        recalled.append(len(follower.recalled))
        follower.take(half(look), 0.9, torch.zeros(112, SIZE // 16, SIZE // 16))
    # Each frame's first look, and four with more clicks.
    assert recalled[:12] == [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 2, 0]


@pytest.mark.parametrize("count", [1, 2, 3, 20])
def test_a_sequence_of_any_length_shows_some_of_its_frames(count):
    from training.nano.learning.follower import drawn_frames

    for seed in range(50):
        drawn = drawn_frames(count, np.random.default_rng(seed))
        assert drawn
        assert set(drawn) <= set(range(count))


def test_an_object_without_a_label_in_an_incomplete_sequence_ends_it():
    sequence = scene(complete=False)
    for labels in sequence.labels[2:]:
        labels[:] = 0
    for seed in range(6):
        looks, _ = follow(sequence, seed, right)
        assert all(look.truth.any() or look.beyond for look in looks if not look.prompts[0].any())
        assert len(looks) <= 4


def test_accidents_put_the_mask_elsewhere():
    from training.nano.learning.damage import misplaced

    mask, other = disk((60, 60), 20), disk((120, 60), 20)
    overlaps = []
    for seed in range(20):
        moved = misplaced(mask, other, np.random.default_rng(seed)) > 0.5
        overlaps.append(np.count_nonzero(moved & mask) / np.count_nonzero(mask))
    assert np.mean(overlaps) < 0.5
    assert min(overlaps) == 0


@pytest.mark.parametrize("seed", range(5))
def test_damaged_masks_stay_near_the_mask(seed):
    from training.nano.learning.damage import damaged, lightly_damaged

    mask = disk((80, 60), 30)
    rng = np.random.default_rng(seed)
    carried = damaged(mask, np.zeros_like(mask), rng)
    assert (carried.shape, carried.dtype) == (mask.shape, np.float32)
    assert (carried[mask] > 0.5).mean() > 0.2
    light = lightly_damaged(mask, rng) > 0.5
    assert np.count_nonzero(light & mask) > 0.8 * np.count_nonzero(light | mask)


def test_what_a_window_does_not_show_lowers_the_iou():
    from training.nano.learning.losses import losses

    truth = torch.zeros(2, 8, 8)
    truth[:, 2:6, 2:6] = 1
    beyond = torch.tensor([0.0, 16.0])
    iou = losses(20 * truth - 10, torch.zeros(2), truth, torch.ones(2, 8, 8), beyond)[2]
    assert iou.tolist() == [1.0, 0.5]


def test_the_next_click_is_in_the_middle_of_the_largest_error():
    from training.nano.learning.losses import corrected

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


def test_training_that_was_stopped_ends_as_one_that_was_not(tmp_path, monkeypatch):
    from training.nano.learning import training
    from training.nano.learning.library import Library
    from training.nano.sequence import write_sequence

    # ImageNet's weights have to be fetched; random ones do here.
    monkeypatch.setattr(training, "load_encoder", lambda encoder, path: None)
    for number in range(2):
        write_sequence(tmp_path / f"sequences/animated/{number}.npz", scene())
    library = Library(tmp_path / "sequences")
    recipe = training.Recipe(steps=2, batch=2, sizes=((SIZE, 1.0),), round=1)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for work in (whole, killed):
        work.mkdir()
    uninterrupted = training.Training(whole, recipe, torch.device("cpu"))
    uninterrupted.run(library, 2)
    first, rounds = training.Training(killed, recipe, torch.device("cpu")), iter([1])
    one_round = first._round
    monkeypatch.setattr(first, "_round", lambda *args: one_round(*args) if next(rounds) else {})
    with pytest.raises(StopIteration):
        first.run(library, 2)
    resumed = training.Training(killed, recipe, torch.device("cpu"))
    assert resumed.step == 1
    resumed.run(library, 2)
    assert resumed.step == uninterrupted.step == 2
    for key, value in uninterrupted.average.items():
        torch.testing.assert_close(resumed.average[key], value)
    with pytest.raises(ValueError, match="another recipe"):
        training.Training(whole, replace(recipe, seed=1), torch.device("cpu"))


@pytest.mark.parametrize(("kind", "expected"), [("leaves", True), ("moves", False), ("scene", True)])
def test_validation_takes_objects_that_do_what_the_kind_says(kind, expected):
    from training.nano.validation import is_suitable

    sequence = scene(48)
    for frame, labels in enumerate(sequence.labels):
        labels[:] = 0 if 14 <= frame < 24 else disk((60, 60), 24)
    assert is_suitable(sequence, 1, kind) == expected


def test_a_scanned_object_has_a_place_in_its_texture_for_every_corner(tmp_path):
    from training.nano.scenes.scanned import Scans
    from training.nano.sequence import is_held_out

    name = next(f"thing{number}" for number in range(9) if not is_held_out(f"thing{number}"))
    vertices = np.array([[0, 0, 1], [2, 0, 1], [0, 2, 1], [2, 2, 3]], np.float32)
    # The second face meets the first at an edge, where the texture has a seam: its corners lie elsewhere in it.
    texcoords = np.array([[0, 0], [1, 0], [0, 1], [0.5, 0.5], [1, 1], [0, 0.25]], np.float16)
    faces, texture_faces = np.array([[0, 1, 2], [1, 3, 2]]), np.array([[0, 1, 2], [3, 4, 5]])
    np.savez(
        tmp_path / f"{name}.npz", vertices=vertices, texcoords=texcoords, faces=faces, face_texcoords=texture_faces
    )
    cv2.imwrite(str(tmp_path / f"{name}.jpg"), texture(64, 64))
    ((mesh, paint),) = Scans(tmp_path).draw(np.random.default_rng(0))
    assert len(mesh.vertices) == 6
    for face, corners in zip(texture_faces, mesh.faces):
        np.testing.assert_allclose(mesh.uv[corners], texcoords[face] * [1, -1] + [0, 1], atol=1e-3)
    assert mesh.vertices[:, 2].min() == 0
    np.testing.assert_allclose(mesh.vertices[:, :2].min(0), -mesh.vertices[:, :2].max(0))
    assert paint.texture.shape == (64, 64, 3)


def test_only_a_tenth_is_held_out_and_always_the_same():
    from training.nano.sequence import is_held_out

    names = [f"{number:012d}" for number in range(2000)]
    held_out = [name for name in names if is_held_out(name)]
    assert 140 < len(held_out) < 270
    assert held_out == [name for name in names if is_held_out(name)]


def test_teacher_masks_are_followed_from_frame_to_frame():
    pytest.importorskip("onnxruntime", reason="onnxruntime is missing, which runs the teacher")
    from training.nano.pictures.teacher import _linked

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


def test_a_block_in_8_bits_computes_nearly_the_same_and_passes_gradients_on():
    from sampt_ros.segmenters.nano.network import NanoNetwork
    from training.nano.learning.quantized import quantized_block

    torch.manual_seed(0)
    encoder = NanoNetwork().encoder
    x = torch.rand(2, 40, 8, 8)
    for rounded, exact in zip(encoder.deep(x, quantized_block), encoder.deep(x)):
        assert 0 < (rounded - exact).norm() < 0.05 * exact.norm()
        rounded.sum().backward(retain_graph=True)
    assert all(weight.grad is not None for weight in encoder.blocks[14].parameters())
    assert all(weight.grad is None for weight in encoder.blocks[4].parameters())


def test_graphs_in_8_bits_have_rounded_weights_from_stride_8_on_and_in_the_decoders_blocks(tmp_path):
    for module in ("onnx", "onnxruntime", "onnxscript"):
        pytest.importorskip(module, reason=f"{module} is missing")
    import onnx

    from sampt_ros.segmenters.nano.network import DEEP
    from sampt_ros.segmenters.nano.weights import WEIGHTS
    from training.nano.quantized_graphs import export_quantized_graphs

    weights = Path(shutil.copy(WEIGHTS, tmp_path))
    for name in ("encode.onnx", "decode.onnx"):
        shutil.copy(WEIGHTS.with_name(name), tmp_path)
    looks, _ = follow(scene(), 1, right)
    encoder, decoder = (
        {
            re.sub(r".*(encoder|decoder)\.|\.weight.*", "", tensor.name)
            for tensor in onnx.load(path).graph.initializer
            if tensor.data_type == onnx.TensorProto.INT8 and len(tensor.dims) == 4
        }
        for path in export_quantized_graphs(weights, looks[:2])
    )
    assert {int(name.split(".")[1]) for name in encoder} == set(range(DEEP, 15))
    fused = {"fuse32.blocks.0", "fuse16.blocks.0", "fuse16.blocks.1", "fuse8.blocks.0", "fuse4.blocks.0"}
    assert decoder == {f"prompt{stride}.0" for stride in (8, 16, 32)} | {f"{b}.{i}" for b in fused for i in (0, 2)}
