"""Objects that a one-shot method finds by a picture, and frames that a descriptor describes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from fakes import DriftingTracker, SquareSegmenter
from synthetic import two_disks

from sampt_ros.config.core import SamPtConfig
from sampt_ros.config.options import updated
from sampt_ros.config.presets import load_preset
from sampt_ros.data_types import ObjectState
from sampt_ros.descriptors.base import Descriptor
from sampt_ros.segmenters import ONE_SHOTS
from sampt_ros.segmenters.base import Finding, OneShot
from sampt_ros.segmenters.handcrafted_features import colors_and_gradients
from sampt_ros.tracking.sam_pt import SamPt

HERE, THERE = (72, 72), (232, 136)  # middles of places
RED, BLUE = (200, 30, 30), (40, 60, 190)


def image(*objects, color=RED, seed=0):
    """A noisy grey table (192, 320, 3) with a square of 32 pixels about each (x, y)."""
    picture = np.random.default_rng(seed).integers(90, 130, (192, 320, 1), np.uint8).repeat(3, 2)
    for x, y in objects:
        picture[y - 16 : y + 16, x - 16 : x + 16] = color
    return picture


def square(x, y):
    """(192, 320) bool: the pixels of such a square."""
    return (image((x, y), color=(255, 0, 0)) == (255, 0, 0)).all(2)


class ColorMatch(OneShot):
    """Knows the mean colour of an object, and finds the pixels around the one whose colour is nearest.

    excluded  what was excluded in each call
    score     of its masks
    """

    def __init__(self):
        self.excluded = []
        self.score = 1.0

    def target(self, embedding, mask):
        return embedding.image[mask].mean(0)

    def find(self, embedding, target, excluded):
        self.excluded.append(excluded)
        distance = np.linalg.norm(embedding.image - target, axis=2)
        y, x = np.unravel_index(np.where(excluded, np.inf, distance).argmin(), distance.shape)
        _, parts = cv2.connectedComponents((distance < distance[y, x] + 30).astype(np.uint8))
        return Finding(np.array([x, y]), parts == parts[y, x], self.score)


class Guidable(SquareSegmenter):
    guidable = True


@pytest.fixture
def method(monkeypatch):
    match = ColorMatch()
    monkeypatch.setitem(ONE_SHOTS, "persam", lambda segmenter: match)
    return match


@pytest.fixture
def tracker():
    return DriftingTracker((0, 0))


@pytest.fixture
def segmenter():
    return Guidable(side=33)


@pytest.fixture
def looking(tracker, segmenter, method):
    """A SamPt that looks for the square of a picture."""
    changes = {"segmenter": "nano", "points.negative": 0, "prompting.carry_mask": False, "one_shot": "persam"}
    sam_pt = SamPt(load_preset("default", changes), segmenter, tracker)
    sam_pt.add_reference(image(HERE), square(*HERE), object_id=7)
    return sam_pt


def states(sam_pt, *images):
    return [sam_pt.step(each).objects[0].state.name for each in images]


def test_an_object_known_from_a_picture_is_found_by_the_method(looking, segmenter):
    assert states(looking, image(seed=1), image(THERE, seed=1)) == ["LOST"] * 2
    result = looking.step(image(THERE, seed=1)).objects[0]
    assert (result.id, result.state) == (7, ObjectState.REACQUIRED)
    np.testing.assert_array_equal(result.mask, square(*THERE))
    assert segmenter.passes == []  # no click has been tried
    assert len(result.points) == 8


def test_what_it_finds_must_look_like_the_object(looking, method):
    assert states(looking, *[image(THERE, color=BLUE, seed=1)] * 4) == ["LOST"] * 4
    assert len(method.excluded) == 4


def test_a_mask_that_is_rated_low_is_refused(looking, method):
    method.score = 0.1
    assert states(looking, *[image(THERE, seed=1)] * 4) == ["LOST"] * 4


def test_a_place_that_was_not_it_is_left_out_for_a_while(looking, method):
    states(looking, *[image(THERE, color=BLUE, seed=1)] * 2)
    first, second = method.excluded
    assert not first.any()
    found = np.argwhere(second)
    assert len(found) <= (3 * 16) ** 2  # the cell and those around it
    assert len(found) > 16**2


def test_other_objects_are_left_out(looking, method):
    looking.step(image(HERE, THERE))
    looking.add_object(mask=square(*HERE))
    other = looking.step(image(HERE, THERE)).objects[1]
    assert other.mask[square(*HERE)].mean() > 0.8
    assert method.excluded[-1][other.mask].all()
    assert not method.excluded[-1][square(*THERE)].any()


def sought(looking, seen, occupied):
    """What the search for the object finds on a frame, and where the search after it does not look."""
    looking.step(seen)
    item, frame = looking._objects[7], looking._frames.newest
    result = looking._search.find(item, frame, occupied)
    return result, result.reacquisition.distractors


def test_a_mask_that_is_another_objects_is_not_it(looking):
    half = square(*THERE)
    half[:, : THERE[0]] = False
    assert sought(looking, image(THERE), half)[0].mask is not None
    half[:, THERE[0] - 4 :] = square(*THERE)[:, THERE[0] - 4 :]
    result, rejected = sought(looking, image(THERE), half)
    assert result.mask is None
    assert len(rejected) == 1


def test_where_everything_is_left_out_nothing_is_looked_for(looking, method):
    calls = len(method.excluded) + 1  # that of the step itself
    result, _ = sought(looking, image(THERE), np.ones((192, 320), bool))
    assert result.mask is None
    assert len(method.excluded) == calls


def test_once_seen_in_the_stream_it_is_found_by_what_was_learned_there(looking, method, tracker, segmenter):
    states(looking, *[image(THERE)] * 6)
    calls = len(method.excluded)
    tracker.blind = True
    assert states(looking, *[image(HERE)] * 3)[-1] == "REACQUIRED"
    assert len(method.excluded) == calls
    assert segmenter.passes


def test_without_a_method_a_click_finds_it(tracker, segmenter, method):
    sam_pt = SamPt(load_preset("default", {"points.negative": 0}), segmenter, tracker)
    sam_pt.add_reference(image(HERE), square(*HERE))
    assert states(sam_pt, *[image(THERE)] * 2) == ["LOST", "REACQUIRED"]
    assert method.excluded == []
    assert segmenter.passes


def test_a_corrected_or_removed_object_is_not_looked_for(looking, method):
    looking.step(image(THERE))
    looking.add_points(7, [THERE])
    calls = len(method.excluded)
    assert states(looking, image(THERE)) == ["TRACKING"]
    looking.remove_object(7)
    assert looking.step(image(THERE)).objects == ()
    assert len(method.excluded) == calls


def test_after_a_reset_the_picture_is_forgotten(looking, method):
    looking.step(image(seed=1))
    looking.reset()
    calls = len(method.excluded)
    assert looking.step(image(THERE)).objects == ()
    assert len(method.excluded) == calls


@pytest.mark.parametrize("name", ["sam", "sam_hq", "mobile_sam", "sam2", "edgetam"])
def test_the_stream_runs_with_persam_on_every_relative_of_sam(request, name):
    segmenter = request.getfixturevalue(f"small_{name}")
    config = updated(SamPtConfig(), {"one_shot": "persam", "prompting.iou_threshold": 0, "prompting.refinements": 1})
    sam_pt, (picture, red, _) = SamPt(config, segmenter), two_disks(0)
    sam_pt.add_reference(picture, red)
    for index in range(3):
        (item,) = sam_pt.step(two_disks(index)[0]).objects
    assert item.state in set(ObjectState)


# Descriptors


class Colors(Descriptor):
    """Describes frames as a segmenter without features of its own does; `described` are their numbers."""

    def __init__(self):
        self.described = []

    def describe(self, frame):
        self.described.append(frame.index)
        return colors_and_gradients(frame.image)


class Speechless(SquareSegmenter):
    def describe(self, frame, embedding):
        raise AssertionError("the descriptor is asked")


def described_stream(tracker, **changes):
    descriptor = Colors()
    config = load_preset("default", {"points.negative": 0, "prompting.carry_mask": False, **changes})
    return SamPt(config, Speechless(side=33), tracker, descriptor=descriptor), descriptor


def test_lost_objects_are_known_by_the_descriptor(tracker):
    sam_pt, descriptor = described_stream(tracker)
    sam_pt.step(image(HERE))
    sam_pt.add_object([HERE])
    states(sam_pt, *[image(HERE)] * 6)
    tracker.blind = True
    assert states(sam_pt, image(), image(THERE), image(THERE))[-1] == "REACQUIRED"
    assert sorted(set(descriptor.described)) == sorted(descriptor.described)  # each frame once


def test_pictures_are_known_by_the_descriptor(tracker):
    sam_pt, descriptor = described_stream(tracker)
    sam_pt.add_reference(image(HERE), square(*HERE))
    assert len(descriptor.described) == 1
    assert states(sam_pt, *[image(THERE)] * 2) == ["LOST", "REACQUIRED"]


def test_what_the_descriptor_says_may_be_learned_beside_the_next_frames(tracker):
    def seen(concurrent):
        sam_pt, descriptor = described_stream(tracker)
        descriptor.concurrent = concurrent
        sam_pt.step(image(HERE))
        sam_pt.add_object([HERE])
        found = states(sam_pt, *[image(HERE, seed=index) for index in range(20)])
        return found, len(descriptor.described), sam_pt._objects[1].reacquisition.appearance

    alone, beside = seen(concurrent=False), seen(concurrent=True)
    assert alone[0] == beside[0] == ["TRACKING"] * 20
    assert len(beside[2].exemplars) > 1
    assert [each.index for each in beside[2].exemplars][:2] == [each.index for each in alone[2].exemplars][:2]
