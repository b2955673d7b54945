"""SuperGlue and LightGlue as trackers against the models of transformers on pairs of frames."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from synthetic import moving_texture, texture

pytest.importorskip("torch", reason="torch is missing", exc_type=ImportError)

import torch
from safetensors.torch import save_file

from sampt_ros.config.core import SamPtConfig
from sampt_ros.config.options import updated
from sampt_ros.data_types import Frame
from sampt_ros.errors import CheckpointError
from sampt_ros.point_trackers import build_point_tracker
from sampt_ros.point_trackers.matching.matcher import TESTED, Matcher
from sampt_ros.point_trackers.matching.tracker import MatchingTracker

NAMES = ["superglue", "lightglue"]


@pytest.fixture(params=NAMES)
def network(request):
    """Makes the small network of a name."""
    pytest.importorskip("transformers", reason="transformers is missing")
    import named_weights

    return getattr(named_weights, request.param)


def gray(frame: Frame) -> torch.Tensor:
    return torch.from_numpy(frame.gray).float() / 255


@torch.inference_mode()
def test_keypoints_detected_once_an_image_match_as_those_of_transformers(network):
    # Over 12 frames, as its own model matches each with the first.
    frames, published, matcher = moving_texture(12, (2, 1)), network(), Matcher(network())
    first, matched = matcher.detect(gray(frames[0])), 0
    for frame in frames[1:]:
        second = matcher.detect(gray(frame))
        found, scores = matcher.match(first, second, frame.size)
        pair = torch.stack([gray(frames[0]), gray(frame)])[None, :, None].repeat(1, 1, 3, 1, 1)
        expected = published(pair)
        np.testing.assert_array_equal(found, expected.matches[0, 0, : len(first)])
        np.testing.assert_allclose(scores, expected.matching_scores[0, 0, : len(first)], atol=1e-4)
        matched += int((found >= 0).sum())
    assert matched > 20, "such weights should find some matches, or this test says nothing"


@torch.inference_mode()
def test_a_queried_point_that_is_matched_is_where_its_match_is(network):
    frames = moving_texture(2, (3, 2))
    matcher = Matcher(network())
    reference, current = matcher.detect(gray(frames[0])), matcher.detect(gray(frames[1]))
    index, scores = (tensor.numpy() for tensor in matcher.match(reference, current, frames[1].size))
    xy = reference.xy.numpy() + np.float32((0.25, -0.5))  # beside a keypoint, which stands for the point

    tracker = MatchingTracker(network(), device="cpu")
    tracker.add(np.arange(len(xy)), xy, frames[:1])
    tracks = tracker.update(frames[1])
    np.testing.assert_array_equal(tracks.visible, index >= 0)
    assert 0 < tracks.visible.sum() < len(xy)
    moved = current.xy.numpy()[index[index >= 0]] + np.float32((0.25, -0.5))
    np.testing.assert_allclose(tracks.xy[index >= 0], moved, atol=1e-3)
    np.testing.assert_allclose(tracks.xy[index < 0], xy[index < 0], atol=1e-5)  # where it was
    np.testing.assert_allclose(tracks.confidence, scores.clip(0, 1) * (index >= 0), atol=1e-5)


@torch.inference_mode()
def test_a_queried_point_far_from_all_keypoints_becomes_one(network):
    (frame,) = moving_texture(1, (0, 0))
    matcher = Matcher(network())
    found = matcher.detect(gray(frame))
    y, x = np.mgrid[8:112:4, 8:152:4]
    places = torch.from_numpy(np.stack([x.ravel(), y.ravel()], 1).astype(np.float32))
    free = places[torch.cdist(places, found.xy).amin(1) > 8][:2]
    reference, rows = matcher.reference(gray(frame), torch.cat([free[:1], found.xy[5:6] + 1, free[1:]]))
    assert rows.tolist() == [len(found), 5, len(found) + 1]
    torch.testing.assert_close(reference.xy[[len(found), len(found) + 1]], free)
    assert len(reference.descriptors) == len(reference.scores) == len(found) + 2


def test_a_picture_without_keypoints_has_no_visible_points(network):
    plain = [Frame(index, np.full((64, 80, 3), 90, np.uint8)) for index in range(2)]
    tracker = MatchingTracker(network(), device="cpu")
    tracker._matcher._keypoints._extract_keypoints = lambda scores: (torch.zeros(0, 2), torch.zeros(0))
    tracker.add(np.arange(2), np.array([(20, 20), (50, 40)], np.float32), plain[:1])
    assert tracker.update(plain[1]).visible.tolist() == [False, False]


def test_a_large_image_is_scaled_down_and_places_are_in_its_own_pixels(network):
    frame = Frame(0, texture(720, 1280))
    tracker = MatchingTracker(network(), device="cpu")
    assert tracker._size(frame) == (360, 640)
    assert tracker._size(Frame(0, texture(30, 50))) == (32, 48)
    xy = np.array([(0, 0), (1279, 719)], np.float32)
    tracker.add(np.arange(2), xy, [frame])
    group = tracker._groups[0]
    np.testing.assert_allclose(group.reference.xy[group.keypoints] + group.offset, [(-0.25, -0.25), (639.25, 359.25)])


def test_what_is_kept_is_one_reference_for_each_addition(network):
    frames = moving_texture(4, (1, 0))
    tracker = MatchingTracker(network(), device="cpu")
    for index, frame in enumerate(frames):
        tracker.update(frame)
        tracker.add(np.array([2 * index, 2 * index + 1]), np.array([(50, 50), (60, 60)], np.float32), [frame])
    assert len(tracker._groups) == 4
    tracker.remove(np.array([0, 1, 2]))
    assert [group.tracks.id.tolist() for group in tracker._groups] == [[3], [4, 5], [6, 7]]


@pytest.mark.parametrize("name", NAMES)
def test_a_published_file_brings_its_weights_and_another_is_refused_by_name(name, tmp_path, monkeypatch, network):
    module = "sampt_ros.point_trackers.matching.tracker"
    monkeypatch.setattr(f"{module}.{name}", lambda keypoints: network())
    path, weights = tmp_path / "weights.safetensors", network().state_dict()
    save_file({tensor: values.clone() for tensor, values in weights.items()}, path)
    config = updated(SamPtConfig(), {"point_tracker": name, "device": "cpu", f"{name}.checkpoint": str(path)})
    loaded = build_point_tracker(config)._matcher._network.state_dict()
    assert all(torch.equal(values, weights[tensor]) for tensor, values in loaded.items())

    missing = next(tensor for tensor in weights if "keypoint_detector" in tensor)
    save_file({tensor: values.clone() for tensor, values in weights.items() if tensor != missing}, path)
    with pytest.raises(CheckpointError, match=f"1 tensors missing.*{missing}"):
        build_point_tracker(config)


@pytest.mark.parametrize("name", NAMES)
def test_without_transformers_the_error_says_what_to_install(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(CheckpointError, match=rf"tracker {name} needs .*pip install 'sampt_ros\[{name}\]'"):
        build_point_tracker(updated(SamPtConfig(), {"point_tracker": name}))


def test_a_library_whose_parts_moved_is_told_readably():
    with pytest.raises(CheckpointError, match=f"as in transformers {TESTED}, got Linear"):
        Matcher(torch.nn.Linear(1, 1))
