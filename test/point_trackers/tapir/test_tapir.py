"""TAPIR against reference numbers and the published implementation's rules for a stream of frames."""

from __future__ import annotations

import json

import numpy as np
import pytest
from synthetic import texture

from sampt_ros.config.core import SamPtConfig
from sampt_ros.config.point_trackers import TapirConfig
from sampt_ros.data_types import Frame
from sampt_ros.errors import CheckpointError
from sampt_ros.point_trackers import build_point_tracker

torch = pytest.importorskip("torch", reason="torch is missing", exc_type=ImportError)

from sampt_ros.point_trackers.tapir.network import Tapir  # noqa: E402
from sampt_ros.point_trackers.tapir.tracker import TapirTracker  # noqa: E402

XY = np.array([(20.0, 30.0), (33.5, 12.25), (50.0, 40.0)], np.float32)
IDS = np.arange(3)


@pytest.fixture(scope="module")
def published_size():
    """The network for images as large as the published weights are for."""
    from named_weights import tapir

    return tapir()


@pytest.fixture(scope="module")
def golden(shared_folder) -> dict[str, np.ndarray]:
    """A stream of the published implementation; weights made from names."""
    return dict(np.load(shared_folder / "golden/tapir_online.npz"))


def clip(count: int, height: int = 48, width: int = 64) -> list[Frame]:
    """Frames of which no two resemble each other."""
    return [Frame(seed, texture(height, width, seed)) for seed in range(count)]


def assert_same(found, expected, points=IDS, atol: float = 1e-4):
    """Two sets of tracks agree about some points, to a part of a pixel and of a probability."""
    rows, wanted = ([list(tracks.id).index(point) for point in points] for tracks in (found, expected))
    np.testing.assert_allclose(found.xy[rows], expected.xy[wanted], rtol=0, atol=atol)
    np.testing.assert_allclose(found.confidence[rows], expected.confidence[wanted], rtol=0, atol=1e-5)


# The network


def test_tensors_have_the_names_and_shapes_of_the_published_checkpoint(shared_folder):
    expected = json.loads((shared_folder / "golden/tapir_state_dict.json").read_text())
    with torch.device("meta"):
        assert {name: list(tensor.shape) for name, tensor in Tapir().state_dict().items()} == expected


@torch.inference_mode()
def test_a_stream_gives_the_reference_numbers(published_size, golden):
    xy, state = torch.from_numpy(golden["query_xy"].astype(np.float32)), published_size.fresh_state(6)
    for index, image in enumerate(golden["frames"]):
        maps = published_size.encode(torch.from_numpy(image))
        if index == 0:
            feature = published_size.feature(*maps[:2], xy)
            np.testing.assert_allclose(feature[:, 128:], golden["lowres_feature"][0], rtol=0, atol=1e-3)
        found, occlusion, distance, *state = published_size.follow(feature, *state, *maps)
        np.testing.assert_allclose(found, golden["tracks"][index], rtol=0, atol=0.01)
        np.testing.assert_allclose(occlusion, golden["occlusion_logits"][index], rtol=0, atol=1e-3)
        np.testing.assert_allclose(distance, golden["expected_distance_logits"][index], rtol=0, atol=1e-3)


# The tracker


def test_the_tracker_gives_the_reference_numbers(published_size, golden):
    # The reference counts pixels from the outer corner of the first one, this package from its centre.
    tracker, frames = TapirTracker(published_size, "cpu"), [Frame(i, image) for i, image in enumerate(golden["frames"])]
    tracks = tracker.add(np.arange(6), golden["query_xy"] - 0.5, frames[:4])
    np.testing.assert_allclose(tracks.xy, golden["tracks"][3] - 0.5, rtol=0, atol=0.01)
    logits = golden["occlusion_logits"][3], golden["expected_distance_logits"][3]
    confidence = np.prod([1 / (1 + np.exp(logit)) for logit in logits], axis=0)
    within = np.all((tracks.xy > -0.5) & (tracks.xy < 255.5), axis=1)
    np.testing.assert_allclose(tracks.confidence, confidence * within, rtol=0, atol=1e-3)
    np.testing.assert_array_equal(tracks.visible, (confidence > 0.5) & within)


def test_a_point_is_where_it_was_clicked_in_the_clicked_frame(tapir_network):
    tracks = TapirTracker(tapir_network, "cpu").add(IDS, XY, clip(1))
    np.testing.assert_array_equal(tracks.xy, XY)
    assert tracks.visible.all()


def test_adding_points_in_mid_stream_equals_tracking_them_alone(tapir_network):
    frames = clip(8)
    alone = TapirTracker(tapir_network, "cpu")
    alone.add(IDS[1:2], XY[1:2], frames[3:4])

    tracker = TapirTracker(tapir_network, "cpu")
    tracker.add(IDS[:1], XY[:1], frames[:1])
    for frame in frames[1:4]:
        tracker.update(frame)
    tracker.add(IDS[1:2], XY[1:2], frames[3:4])
    for frame in frames[4:]:
        assert_same(tracker.update(frame), alone.update(frame), IDS[1:2])


def test_dropping_points_changes_no_other(tapir_network):
    frames = clip(7)
    all_points, fewer = (TapirTracker(tapir_network, "cpu") for _ in range(2))
    for tracker in (all_points, fewer):
        tracker.add(IDS, XY, frames[:3])
    fewer.remove(IDS[:1])
    for frame in frames[3:]:
        tracks = fewer.update(frame)
        assert tracks.id.tolist() == [1, 2]
        assert_same(tracks, all_points.update(frame), IDS[1:])


def test_starting_on_an_older_frame_equals_having_been_there(tapir_network):
    frames = clip(9)
    there = TapirTracker(tapir_network, "cpu")
    there.add(IDS, XY, frames[:1])
    expected = [there.update(frame) for frame in frames[1:]]

    late = TapirTracker(tapir_network, "cpu")
    late.update(frames[6])  # The stream knows only this frame.
    for found, wanted in zip([late.add(IDS, XY, frames[:7]), *map(late.update, frames[7:])], expected[5:]):
        assert_same(found, wanted)


def test_the_past_counts(tapir_network):
    # Otherwise the tests above could not fail.
    frames = clip(5)
    short, long = (TapirTracker(tapir_network, "cpu") for _ in range(2))
    long.add(IDS, XY, frames[:1])
    short.add(IDS, XY, frames[:1])
    for frame in frames[1:4]:
        long.update(frame)
    assert np.abs(long.update(frames[4]).xy - short.update(frames[4]).xy).max() > 0.01


@pytest.mark.parametrize("size", [(37, 50), (300, 83), (1, 1)])
def test_any_size_of_image(tapir_network, size):
    height, width = size
    tracker = TapirTracker(tapir_network, "cpu")
    tracker.add(IDS[:1], np.array([(width / 2, height / 2)], np.float32), clip(1, *size))
    assert np.isfinite(tracker.update(clip(2, *size)[1]).xy).all()


def test_maps_and_memory_are_bounded(tapir_network):
    encoded = []
    tracker = TapirTracker(tapir_network, "cpu")
    tracker._encode = lambda image: encoded.append(1) or tapir_network.encode(image)
    frames = clip(11)
    tracker.add(IDS, XY, frames[:1])
    for frame in frames[1:]:
        tracker.update(frame)
    tracker.add(IDS + 10, XY, frames[-3:])  # These maps are still there.
    assert len(encoded) == 11
    assert len(tracker._maps) == 8
    assert tracker._points.hidden.shape == (6, 4, 12, 2, 2048)


# The checkpoint


def test_the_published_file_brings_its_weights(tmp_path, published_size):
    path = tmp_path / "tapir.pt"
    torch.save(published_size.state_dict(), path)
    config = SamPtConfig(point_tracker="tapir", tapir=TapirConfig(checkpoint=str(path)), device="cpu")
    loaded = build_point_tracker(config)._network.state_dict()
    assert all(torch.equal(tensor, loaded[name]) for name, tensor in published_size.state_dict().items())


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda weights: weights.pop("torch_pips_mixer.linear.bias"), "1 tensors missing.*torch_pips_mixer.linear"),
        (lambda weights: weights.update(extra=torch.zeros(1)), "1 unknown.*extra"),
        (
            lambda weights: weights.update({"torch_pips_mixer.linear.bias": torch.zeros(2)}),
            "1 tensors of another shape.*torch_pips_mixer.linear",
        ),
    ],
)
def test_weights_of_another_network_are_refused_by_name(tmp_path, published_size, change, complaint):
    path, weights = tmp_path / "tapir.pt", dict(published_size.state_dict())
    change(weights)
    torch.save(weights, path)
    with pytest.raises(CheckpointError, match=complaint):
        TapirTracker.from_checkpoint(TapirConfig(checkpoint=str(path)), "cpu")


def test_no_checkpoint_given():
    with pytest.raises(CheckpointError, match=r"tapir\.checkpoint: .*sampt models fetch tapir"):
        TapirTracker.from_checkpoint(TapirConfig(), "cpu")
