"""The nano segmenter with the weights that are in the package."""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean

import cv2
import numpy as np
import pytest
from synthetic import disk, texture

pytest.importorskip("onnxruntime", reason="onnxruntime is missing, which the network runs on")
pytest.importorskip("safetensors", reason="safetensors is missing, which reads the weights")

from sampt_ros.config.presets import load_preset
from sampt_ros.config.segmenters import NanoConfig
from sampt_ros.data_types import Frame, LocalMask
from sampt_ros.evaluation.layouts.davis import davis_sequences
from sampt_ros.evaluation.layouts.sequences import Annotation
from sampt_ros.evaluation.metrics import region_similarity
from sampt_ros.evaluation.simulated_clicks import most_interior_point
from sampt_ros.evaluation.stills import StillsScore, evaluate_stills, stills_objects
from sampt_ros.evaluation.synthetic_scene import Scene
from sampt_ros.io.image_files import read_image
from sampt_ros.segmenters.base import Prompts, boxes_of
from sampt_ros.segmenters.nano.segmenter import Nano
from sampt_ros.tracking.sam_pt import SamPt

NO_POINTS = np.zeros((0, 2), np.float32)
SCENES = 8


@pytest.fixture(scope="module")
def nano() -> Nano:
    return Nano()


def scene(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An image (240, 320, 3) uint8 of two things of a kind on rough ground, and their masks: blobs with a pattern."""
    rng = np.random.default_rng(seed)
    image = np.clip(texture(240, 320, seed).astype(int) // 3 + rng.integers(40, 160, 3), 0, 255).astype(np.uint8)
    colour, pattern = rng.integers(0, 256, 3), texture(240, 320, seed + 100).astype(int) // 4 - 32
    masks = []
    for middle in ((90, 120), (230, 120)):
        angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        radii = 45 + 12 * np.sin(angles * rng.integers(2, 5) + rng.uniform(0, 6))
        outline = np.stack([np.cos(angles), np.sin(angles)], 1) * radii[:, None] + middle
        mask = cv2.fillPoly(np.zeros((240, 320), np.uint8), [np.rint(outline).astype(np.int32)], 1) > 0
        image[mask] = np.clip(colour + pattern, 0, 255)[mask]
        masks.append(mask)
    return cv2.GaussianBlur(image, (0, 0), 0.8), masks[0], masks[1]


def click(mask: np.ndarray) -> np.ndarray:
    return np.array([most_interior_point(mask)], np.float32)


# Quality


def test_a_click_finds_the_thing_on_scenes_made_here(nano):
    found = []
    for seed in range(SCENES):
        image, mask, _ = scene(seed)
        decoded = nano.decode(nano.encode(Frame(0, image)), Prompts.pack([click(mask)], [NO_POINTS]), ambiguous=True)
        found.append(region_similarity(mask, decoded.masks()[0]))
    assert fmean(found) > 0.85


FRAME = np.s_[5:115, 7:153]  # What the filling objects here cover of 120 x 160 pixels, as in the handed pictures.


def filling(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """An image (120, 160, 3) uint8 that one thing nearly fills, and its mask."""
    image, mask = texture(120, 160, seed) // 3 + 20, np.zeros((120, 160), bool)
    image[FRAME] = texture(110, 146, seed + 50) // 3 + np.array([150, 90, 40], np.uint8)
    mask[FRAME] = True
    return image, mask


PROMPTS = [{"points": [(80, 60)]}, {"box": (7, 5, 152, 114)}]


@pytest.mark.parametrize("prompts", PROMPTS)
def test_an_object_that_fills_the_picture_is_found(nano, prompts):
    found = []
    for seed in range(3):
        image, mask = filling(seed)
        sam_pt = SamPt(load_preset(), segmenter=nano)
        sam_pt.step(image)
        found.append(region_similarity(mask, sam_pt.add_object(**prompts).mask))
    assert min(found) > 0.8


@pytest.mark.parametrize("prompts", PROMPTS)
def test_a_handed_object_that_fills_the_picture_is_found_and_followed(nano, shared_folder, prompts):
    images = [read_image(path) for path in sorted((shared_folder / "cases/fills_the_picture/frames").glob("*.png"))]
    mask = np.zeros(images[0].shape[:2], bool)
    mask[FRAME] = True
    sam_pt = SamPt(load_preset(), segmenter=nano)
    sam_pt.step(images[0])
    found = [sam_pt.add_object(**prompts), *(sam_pt.step(image).objects[0] for image in images[1:])]
    assert min(region_similarity(mask, each.mask) for each in found) > 0.8


def test_an_object_of_5_pixels_radius_is_found_in_640_by_480(nano):
    found = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        image, (x, y) = texture(480, 640, seed) // 3 + 60, rng.integers(40, 440, 2)
        mask = disk((x, y), 5, 480, 640)
        image[mask] = rng.choice([0, 255], 3)
        sam_pt = SamPt(load_preset(), segmenter=nano)
        sam_pt.step(image)
        found.append(region_similarity(mask, sam_pt.add_object([(x, y)]).mask))
    assert min(found) > 0.7


def test_a_propagated_mask_that_is_off_is_put_right(nano):
    before, after = [], []
    for seed in range(SCENES):
        image, mask, _ = scene(seed)
        embedding = nano.encode(Frame(0, image))
        propagated = np.roll(mask, (6, -8), (0, 1))
        propagated &= ~disk((95, 150), 14, 240, 320)  # a part is lost
        prompts = replace(
            Prompts.pack([click(mask)], [NO_POINTS]),
            logits=nano.mask_prompt(embedding, [LocalMask.of(propagated)]),
        )
        before.append(region_similarity(mask, propagated))
        after.append(region_similarity(mask, nano.decode(embedding, prompts).masks()[0]))
    assert fmean(after) > 0.9
    assert fmean(after) > fmean(before) + 0.1


def test_a_click_on_what_is_missing_brings_it_back(nano):
    image, mask, _ = scene(3)
    half = mask.copy()
    half[:, 90:] = False
    sam_pt = SamPt(load_preset(), segmenter=nano)
    sam_pt.step(image)
    started = sam_pt.add_object(mask=half)
    corrected = sam_pt.add_points(started.id, [(115, 120)])
    assert region_similarity(mask, corrected.mask) > 0.85


@pytest.mark.parametrize("clicks", [1, 3])
def test_robot_pictures_are_as_good_as_the_model_card_says(nano, shared_folder, clicks):
    least = {1: 0.6, 3: 0.7}
    objects = [
        replace(item, pictures=item.pictures[:1], masks=item.masks[:1])
        for item in stills_objects(shared_folder / "data/robot_stills")
    ]
    sam_pt = SamPt(load_preset(), segmenter=nano)
    score = StillsScore.mean([evaluate_stills(sam_pt, item, clicks) for item in objects])
    assert score.iou[-1] > least[clicks]


def test_a_clicked_object_in_a_video_is_found(nano, shared_folder):
    found = []
    for sequence in davis_sequences(shared_folder / "data/davis", ["blackswan", "car-roundabout", "goat", "dog"]):
        (mask,) = Annotation.read(sequence.annotations[0]).masks.values()
        embedding = nano.encode(Frame(0, read_image(sequence.frames[0])))
        decoded = nano.decode(embedding, Prompts.pack([click(mask)], [NO_POINTS]), ambiguous=True)
        found.append(region_similarity(mask, decoded.masks()[0]))
    assert fmean(found) > 0.7


def test_its_score_tells_good_masks_from_bad(nano):
    true, predicted = [], []
    for seed in range(SCENES):
        image, mask, _ = scene(seed)
        embedding = nano.encode(Frame(0, image))
        for shift in (0, 40):  # a mask prompt on the thing, and one half beside it, with no point to say so
            propagated = LocalMask.of(np.roll(mask, shift, 1))
            prompts = replace(Prompts.pack([NO_POINTS], [NO_POINTS]), logits=nano.mask_prompt(embedding, [propagated]))
            decoded = nano.decode(embedding, prompts)
            true.append(region_similarity(mask, decoded.masks()[0]))
            predicted.append(float(decoded.scores()[0]))
    assert abs(fmean(true) - fmean(predicted)) < 0.25


# Memory


def test_it_remembers_the_first_frame_and_the_latest(nano):
    image, mask, _ = scene(0)
    memory = None
    for index in (0, 1, 5, 9, 10, 15, 20, 25, 30):
        memory = nano.remember(nano.encode(Frame(index, image)), LocalMask.of(mask), memory)
    assert memory.frames == (0, 20, 25, 30)  # no closer than five frames, four in all
    assert len(memory.memories) == 4


def test_a_corrected_frame_is_remembered_as_corrected(nano):
    image, mask, other = scene(0)
    embedding = nano.encode(Frame(0, image))
    first = nano.remember(embedding, LocalMask.of(mask), None)
    again = nano.remember(embedding, LocalMask.of(other), first)
    assert again.frames == (0,)
    assert not np.array_equal(again.memories[0].inside, first.memories[0].inside)


def test_a_mask_of_a_few_pixels_is_not_remembered(nano):
    assert nano.remember(nano.encode(Frame(0, scene(0)[0])), LocalMask.of(disk((50, 50), 1, 240, 320)), None) is None


def test_what_others_remember_changes_nothing(nano):
    image, mask, other = scene(1)
    embedding = nano.encode(Frame(0, image))
    prompts = replace(
        Prompts.pack([click(mask), click(other)], [NO_POINTS] * 2),
        logits=nano.mask_prompt(embedding, [LocalMask.of(mask), None]),
    )
    short = nano.remember(embedding, LocalMask.of(mask), None)
    long = nano.remember(
        nano.encode(Frame(9, image)), LocalMask.of(other), nano.remember(embedding, LocalMask.of(other), None)
    )
    for memories in ([short, None], [short, long]):
        together = nano.decode(embedding, replace(prompts, memories=memories))
        alone = Prompts(prompts.xy[:1], prompts.labels[:1], None, prompts.logits[:1], memories[:1])
        np.testing.assert_allclose(together.logits[:1], nano.decode(embedding, alone).logits, atol=1e-3)


def test_masks_are_where_the_logits_are_above_zero(nano):
    image, mask, other = scene(1)
    embedding = nano.encode(Frame(0, image))
    missing = LocalMask.empty(mask.shape)  # nothing is left of a propagated mask: no window, no mask
    prompts = replace(
        Prompts.pack([click(mask), click(other), click(mask)], [NO_POINTS] * 3),
        logits=nano.mask_prompt(embedding, [LocalMask.of(mask), None, missing]),
    )
    decoded = nano.decode(embedding, prompts)
    np.testing.assert_array_equal(decoded.masks(), decoded.logits > 0)
    np.testing.assert_array_equal([mask.whole() for mask, _ in decoded.local_results()], decoded.masks())
    np.testing.assert_array_equal(decoded.boxes(), boxes_of(decoded.masks()))
    assert decoded.masks().any(axis=(1, 2)).tolist() == [True, True, False]
    assert decoded.scores()[2] == 0
    swapped = decoded.updated([0, 2], nano.decode(embedding, replace(prompts, logits=None)))
    np.testing.assert_array_equal(swapped.logits[1], decoded.logits[1])
    assert swapped.masks()[2].any()


# Many objects


def followed(nano: Nano, embedding, masks: list[np.ndarray]) -> Prompts:
    """A point, the propagated mask, and the memory of every object."""
    memories = [nano.remember(embedding, LocalMask.of(mask), None) for mask in masks]
    prompts = Prompts.pack([click(mask) for mask in masks], [NO_POINTS] * len(masks), memories=memories)
    return replace(prompts, logits=nano.mask_prompt(embedding, [LocalMask.of(mask) for mask in masks]))


@pytest.mark.parametrize(("objects", "side"), [(2, 256), (3, 192), (5, 160), (8, 128), (20, 128)], ids=str)
def test_windows_are_smaller_where_there_are_many(nano, objects, side):
    disks = Scene((640, 480), objects)
    masks = disks.masks(0)
    prompts = followed(nano, nano.encode(Frame(0, disks.image(0))), masks)
    embedding = nano.encode(Frame(0, disks.image(0)))
    decoded = nano.decode(embedding, prompts)
    assert {window.size for window in embedding.features} == {side}
    assert min(map(region_similarity, masks, decoded.masks())) > 0.79


@pytest.mark.parametrize(("objects", "side"), [(1, 192), (3, 160), (8, 128)], ids=str)
def test_with_less_detail_windows_are_smaller_down_to_the_smallest(nano, objects, side):
    disks = Scene((640, 480), objects)
    masks = disks.masks(0)
    prompts = replace(followed(nano, nano.encode(Frame(0, disks.image(0))), masks), detail=0.6)
    embedding = nano.encode(Frame(0, disks.image(0)))
    decoded = nano.decode(embedding, prompts)
    assert {window.size for window in embedding.features} == {side}
    assert min(map(region_similarity, masks, decoded.masks())) > 0.85


def test_windows_stay_as_large_as_the_budget_allows():
    disks = Scene((640, 480), 6)
    nano = Nano(NanoConfig(window=192, budget=6 * 192**2))
    prompts = followed(nano, nano.encode(Frame(0, disks.image(0))), disks.masks(0))
    embedding = nano.encode(Frame(0, disks.image(0)))
    nano.decode(embedding, prompts)
    assert {window.size for window in embedding.features} == {192}


def remembered(nano, image, mask):
    """The prompts of an object of which a mask is remembered, and where that is the mask prompt."""
    embedding = nano.encode(Frame(0, image))
    memory = nano.remember(embedding, LocalMask.of(mask), None)
    prompts = Prompts.pack([click(mask)], [NO_POINTS], memories=[memory])
    return replace(prompts, logits=nano.mask_prompt(embedding, [LocalMask.of(mask)]))


def test_a_window_is_encoded_once(nano, monkeypatch):
    image, mask, _ = scene(0)
    prompts, embedding = remembered(nano, image, mask), nano.encode(Frame(1, image))
    encoded = []
    encode = nano._backend.encode
    monkeypatch.setattr(nano._backend, "encode", lambda windows: encoded.append(len(windows)) or encode(windows))
    nano.decode(embedding, prompts)
    nano.decode(embedding, prompts)
    assert encoded == [1]


def test_where_nothing_is_remembered_the_click_network_answers_and_nothing_else_is_encoded(nano, monkeypatch):
    image, mask, _ = scene(0)
    monkeypatch.setattr(nano._backend, "encode", None)  # a call would be an error
    decoded = nano.decode(nano.encode(Frame(0, image)), Prompts.pack([click(mask)], [NO_POINTS]))
    assert region_similarity(mask, decoded.masks()[0]) > 0.8


def test_objects_of_which_something_is_remembered_and_others_are_decoded_together():
    nano = Nano(NanoConfig(budget=3 * NanoConfig().window ** 2))  # Their windows are as large as that of one alone.
    image, mask, _ = scene(0)
    known, new = remembered(nano, image, mask), Prompts.pack([click(mask)], [NO_POINTS])
    (memory,), (prompt,) = known.memories, known.logits
    alone = [nano.decode(nano.encode(Frame(1, image)), each) for each in (new, known, new)]
    together = Prompts.pack([click(mask)] * 3, [NO_POINTS] * 3, memories=[None, memory, None])
    together = replace(together, logits=[None, prompt, None], wholes=[{0, 1, 2}] * 3)
    decoded = nano.decode(nano.encode(Frame(1, image)), together)
    for row, each in enumerate(alone):
        np.testing.assert_array_equal(decoded.masks()[row], each.masks()[0])
        assert decoded.scores()[row] == each.scores()[0]


# What is computed ahead


def test_windows_that_were_prepared_are_not_encoded_again_and_change_nothing(nano, monkeypatch):
    image, mask, _ = scene(0)
    prompts = remembered(nano, image, mask)
    expected = nano.decode(nano.encode(Frame(1, image)), prompts).logits
    prepared = nano.encode(Frame(1, image))
    nano.prepare(prepared, [LocalMask.of(mask)], objects=1, detail=1.0)
    monkeypatch.setattr(nano._backend, "encode", None)  # a call would be an error
    np.testing.assert_array_equal(nano.decode(prepared, prompts).logits, expected)
    assert len(prepared.features) == 1
    assert not prepared.prepared
