"""CoTracker without delay against its package's own online predictor."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from synthetic import moving_texture, texture

pytest.importorskip("torch", reason="torch is missing", exc_type=ImportError)

import torch

from sampt_ros.config.core import SamPtConfig
from sampt_ros.config.point_trackers import CoTrackerConfig
from sampt_ros.data_types import Frame
from sampt_ros.errors import CheckpointError
from sampt_ros.point_trackers import build_point_tracker
from sampt_ros.point_trackers.cotracker.tracker import CoTracker, cotracker

XY = np.array([(60.0, 50.0), (90.5, 70.25), (75.0, 40.0)], np.float32)
IDS = np.arange(3)


@torch.inference_mode()
def published(network, frames: list[Frame]) -> tuple[np.ndarray, np.ndarray]:
    """Tracks (T, N, 2) and visible (T, N) of the package's predictor after all of its windows of 16 frames."""
    from cotracker.predictor import CoTrackerOnlinePredictor

    predictor = SimpleNamespace(model=network, interp_shape=network.model_resolution, v2=False)
    video = torch.from_numpy(np.stack([frame.image for frame in frames])).permute(0, 3, 1, 2)[None].float()
    queries = torch.from_numpy(np.concatenate([np.zeros((3, 1), np.float32), XY], 1))[None]
    call = CoTrackerOnlinePredictor.forward
    call(predictor, video[:, :16], is_first_step=True, queries=queries)
    for start in range(0, len(frames) - 15, 8):
        tracks, visible = call(predictor, video[:, start : start + 16])
    return tracks[0].numpy(), visible[0].numpy()


def test_full_windows_equal_the_packages_own_predictor(cotracker_network):
    frames = moving_texture(24, (1, 0.5))
    for full in (16, 24):
        found = CoTracker(cotracker_network, device="cpu").add(IDS, XY, frames[:full])
        tracks, visible = published(cotracker_network, frames[:full])
        np.testing.assert_allclose(found.xy, tracks[-1], atol=1e-3)
        np.testing.assert_array_equal(found.visible, visible[-1])
    assert np.abs(found.xy - XY).max() > 0.05, "the points should move, or this test says nothing"


def test_points_brought_up_from_past_frames_equal_a_stream(cotracker_network):
    frames = moving_texture(20, (1, 0))
    there, late = (CoTracker(cotracker_network, CoTrackerConfig(iterations=1), "cpu") for _ in range(2))
    there.add(IDS, XY, frames[:1])
    expected = [there.update(frame) for frame in frames[1:]]
    np.testing.assert_allclose(late.add(IDS, XY, frames[:19]).xy, expected[17].xy, atol=1e-3)
    np.testing.assert_allclose(late.update(frames[19]).xy, expected[18].xy, atol=1e-3)


def test_what_is_kept_is_bounded(cotracker_network):
    tracker = CoTracker(cotracker_network, CoTrackerConfig(iterations=1), "cpu")
    frames = [Frame(index, texture(48, 64, index)) for index in range(26)]
    tracker.add(IDS, XY / 2, frames[:1])
    lengths = []
    for frame in frames[1:]:
        tracker.update(frame)
        lengths.append(len(tracker._groups[0].window))
    assert max(lengths) == 15
    assert len(tracker._recent) == 16


def test_a_checkpoint_brings_its_weights(cotracker_network, tmp_path):
    path = tmp_path / "cotracker.pth"
    torch.save(cotracker_network.state_dict(), path)
    config = SamPtConfig(point_tracker="cotracker", cotracker=CoTrackerConfig(checkpoint=str(path)), device="cpu")
    loaded = build_point_tracker(config)._network.state_dict()
    assert all(torch.equal(values, loaded[name]) for name, values in cotracker_network.state_dict().items())


def test_without_the_package_the_error_says_what_to_install_and_for_what_use(monkeypatch):
    monkeypatch.setitem(sys.modules, "cotracker", None)
    monkeypatch.setitem(sys.modules, "cotracker.models.core.cotracker.cotracker3_online", None)
    with pytest.raises(CheckpointError, match=r"needs the package cotracker \(pip install git\+.*non-commercial"):
        cotracker()
