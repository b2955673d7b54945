"""What every segmenter must do: a new one is tested by its line in SEGMENTERS."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from synthetic import disk, texture

from sampt_ros.config.core import SamPtConfig
from sampt_ros.data_types import Frame, LocalMask
from sampt_ros.errors import ConfigError
from sampt_ros.evaluation.metrics import region_similarity
from sampt_ros.segmenters import SEGMENTERS, build_segmenter
from sampt_ros.segmenters.base import PADDING, Decoded, MaskDecoded, Prompts, Segmenter
from sampt_ros.segmenters.grabcut.segmenter import GrabCut
from sampt_ros.segmenters.nano.segmenter import Nano
from sampt_ros.tracking.reacquisition.appearance import AppearanceModel, MaskedCells

HEIGHT, WIDTH = 160, 256  # what the small SAM takes without rescaling
RED, BLUE = disk((80, 80), 30, HEIGHT, WIDTH), disk((180, 70), 24, HEIGHT, WIDTH)
NO_POINTS = np.zeros((0, 2), np.float32)
ON_RED = np.array([(80, 80), (70, 75), (88, 90)], np.float32)
ON_BLUE = np.array([(180, 70)], np.float32)


def scene(red: np.ndarray = RED, blue: np.ndarray = BLUE) -> Frame:
    """A red and a blue disk on grey, with a little texture."""
    image = 100 + texture(*red.shape) // 8
    image[red] += np.array([100, 0, 0], np.uint8)
    image[blue] += np.array([0, 0, 100], np.uint8)
    return Frame(0, image)


# segmenters whose real weights are a download, and fixtures with weights made from names
FROM_NAMES = {
    "sam": "small_sam",
    "sam_hq": "small_sam_hq",
    "mobile_sam": "small_mobile_sam",
    "sam2": "small_sam2",
    "edgetam": "small_edgetam",
    "seggpt": "small_seggpt",
}


@pytest.fixture(params=SEGMENTERS)
def segmenter(request) -> Segmenter:
    if request.param in FROM_NAMES:
        return request.getfixturevalue(FROM_NAMES[request.param])
    return SEGMENTERS[request.param](SamPtConfig())


@pytest.fixture
def embedding(segmenter):
    return segmenter.encode(scene())


def test_a_whole_frame_is_described_by_unit_vectors(segmenter):
    frame = scene()
    feature_map = segmenter.describe(frame, segmenter.encode(frame))
    height, width, _ = feature_map.shape
    assert feature_map.dtype == np.float32
    assert width / height == pytest.approx(WIDTH / HEIGHT, rel=0.1)
    assert np.linalg.norm(feature_map, axis=2) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("name", sorted(SEGMENTERS.keys() - FROM_NAMES.keys()))
def test_an_object_is_found_again_by_how_frames_are_described(name):
    segmenter = SEGMENTERS[name](SamPtConfig())
    now, later = scene(), scene(red=disk((200, 110), 30, HEIGHT, WIDTH), blue=disk((60, 60), 24, HEIGHT, WIDTH))
    cells = MaskedCells.of(segmenter.describe(now, segmenter.encode(now)), LocalMask.of(RED))
    appearance = AppearanceModel(capacity=2).learned(0, cells)
    response = appearance.response(segmenter.describe(later, segmenter.encode(later)))
    y, x = np.unravel_index(response.argmax(), response.shape)
    at = (np.array([x, y]) + 0.5) * [WIDTH, HEIGHT] / response.shape[::-1]
    assert np.linalg.norm(at - (200, 110)) < 30


def both(segmenter: Segmenter, embedding) -> Prompts:
    """The red disk with points and a mask prompt, the blue one with fewer points, a negative one and a box."""
    missing = (np.nan,) * 4
    return Prompts.pack(
        [ON_RED, ON_BLUE],
        [NO_POINTS, ON_RED[:1]],
        np.array([missing, (156, 46, 204, 94)], np.float32),
        segmenter.mask_prompt(embedding, [LocalMask.of(RED), None]),
    )


def only(row: int, prompts: Prompts) -> Prompts:
    """The prompts of one object, without padding."""
    real = prompts.labels[row] != PADDING
    one = np.s_[row : row + 1]
    return Prompts(prompts.xy[one, real], prompts.labels[one, real], prompts.boxes[one], prompts.logits[one])


def assert_same(found: Decoded, expected: Decoded, rows: slice = np.s_[:]) -> None:
    """Those in these rows are what is expected."""
    np.testing.assert_allclose(np.asarray(found.logits)[rows], np.asarray(expected.logits), atol=1e-4)
    np.testing.assert_allclose(found.scores()[rows], expected.scores(), atol=1e-4)


def of_masks(segmenter: Segmenter, embedding, masks: list[np.ndarray]) -> Decoded:
    """The segmenter's own arrays for given masks (H, W)."""
    prompts = Prompts.pack([ON_RED] * len(masks), [NO_POINTS] * len(masks))
    logits = segmenter.mask_prompt(embedding, [LocalMask.of(mask) for mask in masks])
    decoded = segmenter.decode(embedding, prompts)
    if isinstance(logits, list):  # not logits yet
        logits = np.stack([mask.astype(np.float32) - 0.5 for mask in masks])
    if isinstance(logits, np.ndarray):  # at the image's resolution, whatever masks were decoded from
        return MaskDecoded(logits, decoded.scores())
    return replace(decoded, logits=logits)


def test_a_batch_gives_each_object_what_it_gets_alone(segmenter, embedding):
    prompts = both(segmenter, embedding)
    together = segmenter.decode(embedding, prompts)
    for row in range(2):
        alone = segmenter.decode(embedding, only(row, prompts))
        assert_same(together, alone, rows=np.s_[row : row + 1])


def test_objects_on_the_same_thing_get_what_each_gets_alone(segmenter, embedding):
    masks = segmenter.mask_prompt(embedding, [LocalMask.of(RED)] * 2)
    one = segmenter.mask_prompt(embedding, [LocalMask.of(RED)])
    together = Prompts.pack([ON_RED] * 2, [NO_POINTS] * 2, None, masks, wholes=[[1], [0]])
    alone = segmenter.decode(embedding, Prompts.pack([ON_RED], [NO_POINTS], None, one))
    both_found = segmenter.decode(embedding, together)
    for row in range(2):
        assert_same(both_found, alone, rows=np.s_[row : row + 1])


def test_a_whole_gets_what_it_gets_alone_beside_its_part_which_stays_a_part(segmenter, embedding):
    left = RED.copy()
    left[:, 80:] = False
    masks = segmenter.mask_prompt(embedding, [LocalMask.of(each) for each in (RED, left)])
    points = [ON_RED, ON_RED[1:2]]
    together = segmenter.decode(embedding, Prompts.pack(points, [NO_POINTS] * 2, None, masks, wholes=[[], [0]]))
    alone = segmenter.decode(embedding, Prompts.pack(points[:1], [NO_POINTS], None, masks[:1]))
    assert_same(together, alone, rows=np.s_[:1])
    if isinstance(segmenter, (Nano, GrabCut)):  # The others' masks depend on the points alone, or are random here.
        assert np.count_nonzero(together.masks()[1] & RED) < 0.7 * np.count_nonzero(RED)
        assert region_similarity(left, together.masks()[1]) > 0.6


def test_padding_changes_nothing(segmenter, embedding):
    prompts = Prompts.pack([ON_RED], [ON_BLUE])
    xy = np.concatenate([prompts.xy, np.full((1, 3, 2), 33, np.float32)], axis=1)
    labels = np.concatenate([prompts.labels, np.full((1, 3), PADDING, np.int8)], axis=1)
    assert_same(segmenter.decode(embedding, Prompts(xy, labels)), segmenter.decode(embedding, prompts))


def test_the_same_prompts_give_the_same_masks(segmenter, embedding):
    prompts = both(segmenter, embedding)
    first, second = (segmenter.decode(embedding, prompts) for _ in range(2))
    np.testing.assert_array_equal(np.asarray(first.logits), np.asarray(second.logits))


def test_missing_boxes_and_masks_are_as_none_at_all(segmenter, embedding):
    points = Prompts.pack([ON_RED], [ON_BLUE])
    missing = replace(
        points, boxes=np.full((1, 4), np.nan, np.float32), logits=segmenter.mask_prompt(embedding, [None])
    )
    assert_same(segmenter.decode(embedding, missing), segmenter.decode(embedding, points))


@pytest.mark.parametrize("ambiguous", [False, True])
@pytest.mark.parametrize(
    ("positive", "negative", "box"),
    [
        (ON_RED[:1], NO_POINTS, None),  # a click
        (NO_POINTS, NO_POINTS, (50, 50, 110, 110)),  # a box alone
        (NO_POINTS, ON_BLUE, (50, 50, 110, 110)),  # a box, and a point off it
        (np.array([(0, 0), (255, 159)], np.float32), NO_POINTS, None),  # the outermost pixels
        (np.array([(-0.5, -0.5), (255.4, 159.4)], np.float32), NO_POINTS, None),  # the outermost places
        (ON_RED, NO_POINTS, (-0.5, -0.5, 256, 160)),  # the largest box
    ],
)
def test_every_kind_of_query_gives_a_mask_of_the_images_size(segmenter, embedding, positive, negative, box, ambiguous):
    boxes = None if box is None else np.array([box], np.float32)
    decoded = segmenter.decode(embedding, Prompts.pack([positive], [negative], boxes), ambiguous)
    masks, scores = decoded.masks(), decoded.scores()
    assert (masks.shape, masks.dtype) == ((1, HEIGHT, WIDTH), bool)
    assert (scores.shape, scores.dtype) == ((1,), np.float32)
    assert np.isfinite(scores).all()


@pytest.mark.parametrize(("height", "width"), [(120, 160), (161, 121), (97, 301), (33, 35), (480, 640)])
def test_masks_have_the_frames_size(segmenter, height, width):
    center, radius = (width // 2, height // 2), min(height, width) // 4
    mask = disk(center, radius, height, width)
    embedding = segmenter.encode(scene(mask, np.zeros_like(mask)))
    prompts = Prompts.pack([np.array([center], np.float32)], [np.array([(1, 1)], np.float32)])
    assert segmenter.decode(embedding, prompts).masks().shape == (1, height, width)

    # a mask prompt, read as a mask, is where it was
    read = of_masks(segmenter, embedding, [mask])
    coarse = max(1, max(height, width) / 64)  # image pixels in a pixel of the coarsest mask prompt
    box = [center[0] - radius, center[1] - radius, center[0] + radius, center[1] + radius]
    assert region_similarity(mask, read.masks()[0]) > 0.9
    np.testing.assert_allclose(np.asarray(read.boxes())[0], box, atol=coarse)


def test_with_less_detail_an_object_with_a_mask_prompt_is_found_all_the_same(segmenter, embedding):
    if not segmenter.adapts_detail:
        pytest.skip("this segmenter looks at all of a frame")
    red = segmenter.mask_prompt(embedding, [LocalMask.of(RED)])
    prompts = replace(Prompts.pack([ON_RED], [NO_POINTS]), logits=red, detail=0.5)
    assert region_similarity(RED, segmenter.decode(embedding, prompts).masks()[0]) > 0.9


def test_mask_prompts_are_missing_where_none_is_given(segmenter, embedding):
    prompts = segmenter.mask_prompt(embedding, [None, LocalMask.of(RED), None])
    if isinstance(prompts, list):
        assert [prompt is None for prompt in prompts] == [True, False, True]
        return
    prompts = np.asarray(prompts)
    assert np.isnan(prompts).all(axis=(1, 2)).tolist() == [True, False, True]
    assert np.isfinite(prompts[1]).all()


def test_a_decoded_mask_can_be_given_back(segmenter, embedding):
    prompts = Prompts.pack([ON_RED, ON_BLUE], [ON_BLUE, ON_RED[:2]])
    first = segmenter.decode(embedding, prompts)
    second = segmenter.decode(embedding, replace(prompts, boxes=first.boxes(), logits=first.logits))
    assert second.masks().shape == (2, HEIGHT, WIDTH)


def test_empty_masks_have_no_box(segmenter, embedding):
    boxes = np.asarray(of_masks(segmenter, embedding, [np.zeros_like(RED), RED]).boxes())
    assert np.isnan(boxes).tolist() == [[True] * 4, [False] * 4]


def test_updated_replaces_some_objects_in_a_copy(segmenter, embedding):
    nothing = np.zeros_like(RED)
    old = of_masks(segmenter, embedding, [nothing, RED, nothing])
    new = replace(of_masks(segmenter, embedding, [RED, BLUE]), iou=old.iou[:2] + 1)
    updated = old.updated([2, 0], new)
    assert [mask.any() for mask in old.masks()] == [False, True, False]
    for found, expected in zip(updated.masks(), [new.masks()[1], old.masks()[1], new.masks()[0]]):
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(updated.scores(), old.scores() + np.array([1, 0, 1]), atol=1e-6)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", ["read-only", "reversed"])
def test_an_image_may_be_a_view(segmenter, kind):
    # as it comes from a message's bytes, or by image[..., ::-1] from OpenCV's BGR
    image = scene().image
    view = image[..., ::-1].copy()[..., ::-1] if kind == "reversed" else image.view()
    view.flags.writeable = kind != "read-only"
    prompts = Prompts.pack([ON_RED], [ON_BLUE])
    expected = segmenter.decode(segmenter.encode(Frame(0, image)), prompts)
    assert_same(segmenter.decode(segmenter.encode(Frame(0, view)), prompts), expected)


def test_the_configuration_offers_every_segmenter():
    choices = SamPtConfig.__dataclass_fields__["segmenter"].metadata["option"].choices
    assert set(choices) == set(SEGMENTERS)


def test_an_unknown_segmenter_is_refused_with_the_choices(monkeypatch):
    monkeypatch.delitem(SEGMENTERS, "grabcut")
    with pytest.raises(ConfigError, match=r"expected one of sam.*'grabcut'"):
        build_segmenter(SamPtConfig(segmenter="grabcut"))
