"""PIPS against reference numbers, and its stream against the network called on whole windows."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from synthetic import texture

from sampt_ros.config.core import SamPtConfig
from sampt_ros.config.point_trackers import PipsConfig
from sampt_ros.data_types import Frame, LocalMask
from sampt_ros.errors import CheckpointError
from sampt_ros.point_trackers import build_point_tracker

torch = pytest.importorskip("torch", reason="torch is missing", exc_type=ImportError)

from sampt_ros.point_trackers.pips.tracker import PipsTracker, restart  # noqa: E402


@pytest.fixture(scope="module")
def golden(shared_folder) -> dict[str, np.ndarray]:
    """One window of the published implementation; weights made from names."""
    return dict(np.load(shared_folder / "golden/pips_window.npz"))


def call(network, images, xy, **options) -> list[np.ndarray]:
    """The network called on a window of images: trajectory, visibility logits, feature."""
    with torch.inference_mode():
        found = network(torch.from_numpy(np.stack(images)), torch.from_numpy(np.asarray(xy, np.float32)), **options)
    return [tensor.numpy() for tensor in found]


def test_tensors_have_the_names_and_shapes_of_the_published_checkpoint(pips_network, shared_folder):
    expected = json.loads((shared_folder / "golden/pips_state_dict.json").read_text())
    assert {name: list(tensor.shape) for name, tensor in pips_network.state_dict().items()} == expected


def test_a_window_gives_the_reference_numbers(pips_network, golden):
    trajectory, logits, feature = call(pips_network, golden["frames"], golden["query_xy"])
    np.testing.assert_allclose(trajectory, golden["trajectory"], rtol=0, atol=0.01)
    np.testing.assert_allclose(logits, golden["visibility_logits"], rtol=0, atol=0.02)
    np.testing.assert_allclose(feature, golden["feature"], rtol=0, atol=1e-3)


# The stream


FEW = PipsConfig(iterations=2)  # enough where only equal numbers count
XY = np.array([(20.0, 30.0), (33.5, 12.25)], np.float32)


def clip(count: int, height: int = 48, width: int = 64) -> list[np.ndarray]:
    """Images of which no two resemble each other: the points are seen well in some and badly in others."""
    return [texture(height, width, seed) for seed in range(count)]


def stream(tracker: PipsTracker, images, xy=XY, late: int = 0):
    """The tracks on every image after the one that the points are queried in, image `late`."""
    frames = [Frame(index, image) for index, image in enumerate(images)]
    for frame in frames[: late + 1]:
        tracker.update(frame)
    started = tracker.add(np.arange(len(xy)), np.asarray(xy, np.float32), frames[late : late + 1])
    np.testing.assert_array_equal(started.xy, np.asarray(xy, np.float32))
    return [tracker.update(frame) for frame in frames[late + 1 :]]


def chained(network, images: list[np.ndarray], xy: np.ndarray) -> tuple[np.ndarray, float, list[int]]:
    """The chaining rule for one point of images[0], without a stream: where it is on the last image, how visible, and
    the images that windows began on."""
    starts, feature, xy = [0], None, xy[None]
    while True:
        window = images[starts[-1] : starts[-1] + 8]
        newest = len(window) - 1
        window = window + window[-1:] * (8 - len(window))
        trajectory, logits, sampled = call(network, window, xy, iterations=2, feature=feature)
        feature = torch.from_numpy(sampled)
        visibility = 1 / (1 + np.exp(-logits[:, 0]))
        if starts[-1] + newest == len(images) - 1:
            return trajectory[-1, newest, 0], visibility[newest], starts
        bar = 0.9
        while not (visibility[1:] > bar).any():
            bar -= 0.02
        begin = 7
        while visibility[begin] <= bar:
            begin -= 1
        xy = trajectory[-1, begin]
        starts.append(starts[-1] + begin)


def test_eight_frames_of_a_stream_are_the_window(pips_network, golden):
    images, xy = list(golden["frames"]), golden["query_xy"]
    tracks = stream(PipsTracker(pips_network, device="cpu"), images, xy)
    assert len(tracks) == 7
    np.testing.assert_allclose(tracks[-1].xy, golden["trajectory"][-1, 7], rtol=0, atol=0.01)
    visibility = 1 / (1 + np.exp(-golden["visibility_logits"][7]))
    np.testing.assert_allclose(tracks[-1].confidence, visibility, rtol=0, atol=0.005)
    np.testing.assert_array_equal(tracks[-1].visible, visibility > 0.5)


@pytest.mark.parametrize("newest", [1, 4])
def test_a_stream_shorter_than_the_window_repeats_its_newest_frame(pips_network, golden, newest):
    images, xy = list(golden["frames"][: newest + 1]), golden["query_xy"]
    found = stream(PipsTracker(pips_network, device="cpu"), images, xy)[-1].xy
    trajectory, _, _ = call(pips_network, images + images[-1:] * (7 - newest), xy)
    np.testing.assert_allclose(found, trajectory[-1, newest], rtol=0, atol=0.01)


def test_a_long_stream_equals_the_chaining_rule(pips_network):
    images = clip(24)
    tracks = stream(PipsTracker(pips_network, FEW, "cpu"), images)
    begun = set()
    for newest in range(1, 24):
        for point, xy in enumerate(XY):
            expected, visibility, starts = chained(pips_network, images[: newest + 1], xy)
            np.testing.assert_allclose(tracks[newest - 1].xy[point], expected, rtol=0, atol=0.01)
            np.testing.assert_allclose(tracks[newest - 1].confidence[point], visibility, rtol=0, atol=0.005)
            begun |= {(point, start) for start in starts}
    assert len(begun) > 2 * 3, "the clip should make every point begin several windows"


def test_points_brought_up_from_past_frames_equal_a_stream(pips_network):
    images = clip(20)
    frames = [Frame(index, image) for index, image in enumerate(images)]
    expected = stream(PipsTracker(pips_network, FEW, "cpu"), images)

    tracker = PipsTracker(pips_network, FEW, "cpu")
    tracker.update(frames[17])  # the frames before are no part of its stream
    caught_up = tracker.add(np.arange(2), XY, frames[:18])
    for found, wanted in zip([caught_up, *map(tracker.update, frames[18:])], expected[16:]):
        np.testing.assert_allclose(found.xy, wanted.xy, rtol=0, atol=0.01)


def test_points_started_on_different_frames_are_as_if_alone(pips_network):
    images = clip(14)
    frames = [Frame(index, image) for index, image in enumerate(images)]
    alone = {late: stream(PipsTracker(pips_network, FEW, "cpu"), images, late=late)[-1].xy for late in (0, 3, 9)}

    tracker = PipsTracker(pips_network, FEW, "cpu")
    for index, frame in enumerate(frames):
        tracks = tracker.update(frame)
        if index in alone:
            tracker.add(np.arange(2) + 10 * index, XY, [frame])
    assert tracks.id.tolist() == [0, 1, 30, 31, 90, 91]
    np.testing.assert_allclose(tracks.xy, np.concatenate(list(alone.values())), rtol=0, atol=0.01)


def test_each_frame_is_encoded_once_and_forgotten_after_its_last_window(pips_network, monkeypatch):
    encoded = []
    encode = pips_network.encode
    monkeypatch.setattr(pips_network, "encode", lambda images: encoded.append(len(images)) or encode(images))
    tracker = PipsTracker(pips_network, FEW, "cpu")
    stream(tracker, clip(20))
    assert encoded == [1] * 20
    assert len(tracker._maps._slots) == len(tracker._maps._frames) == 8


@pytest.mark.parametrize("size", [(37, 50), (45, 83), (33, 32), (8, 100), (1, 1)])
def test_any_size_of_image(pips_network, size):
    xy = np.array([(0, 0), (size[1] - 1, size[0] - 1)], np.float32)
    for tracks in stream(PipsTracker(pips_network, FEW, "cpu"), clip(4, *size), xy):
        assert np.isfinite(tracks.xy).all()
        assert np.isfinite(tracks.confidence).all()


def test_an_odd_size_keeps_the_coordinates(pips_network):
    # the right and lower edge is repeated up to the next whole pixel of the maps: so does this test, by hand
    images = clip(8, 45, 62)
    padded = [np.pad(image, ((0, 3), (0, 2), (0, 0)), mode="edge") for image in images]
    found, expected = (call(pips_network, window, XY, iterations=2)[0] for window in (images, padded))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-3)


def test_points_at_and_beyond_the_border(pips_network):
    xy = np.array([(-0.5, -0.5), (63.4, 47.4), (-300, 20), (1e5, 1e5)], np.float32)
    tracks = stream(PipsTracker(pips_network, FEW, "cpu"), clip(10), xy)[-1]
    assert np.isfinite(tracks.xy).all()
    assert not tracks.visible[2:].any()
    assert not tracks.confidence[2:].any()


@pytest.mark.parametrize(
    ("visibility", "expected"),
    [
        ([1, 1, 1, 1, 1, 1, 1, 1], 7),  # the last
        ([1, 0.95, 0.91, 0.1, 0.92, 0.2, 0.9, 0.3], 4),  # the last over 0.9, which 0.9 is not
        ([1, 0.1, 0.85, 0.1, 0.83, 0.1, 0.1, 0.1], 2),  # the bar is lowered to 0.84
        ([1, 0.1, 0.851, 0.1, 0.849, 0.1, 0.1, 0.1], 4),  # both are over 0.84
        ([1, 0, 0, 0, 0, 0, 0, 0], 7),  # never the first
    ],
)
def test_a_window_begins_where_the_point_was_last_well_visible(visibility, expected):
    assert restart(np.array(visibility, np.float32)[:, None]).tolist() == [expected]


# The checkpoint


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "pips_weights.pth"


def load(path: Path) -> PipsTracker:
    return build_point_tracker(SamPtConfig(point_tracker="pips", pips=PipsConfig(checkpoint=str(path)), device="cpu"))


def test_a_published_checkpoint_brings_its_weights(path, pips_network):
    torch.save({"model_state_dict": pips_network.state_dict(), "optimizer_state_dict": {"step": 3}}, path)
    images = clip(3)
    expected = stream(PipsTracker(pips_network, device="cpu"), images)[-1]
    np.testing.assert_array_equal(stream(load(path), images)[-1].xy, expected.xy)


def test_no_checkpoint_given():
    with pytest.raises(CheckpointError, match=r"pips\.checkpoint: expected the path of a pips checkpoint"):
        PipsTracker.from_checkpoint(PipsConfig(), "cpu")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda weights: weights.pop("norm.bias"), "1 tensors missing.*norm.bias"),
        (lambda weights: weights.update(extra=torch.zeros(1)), "0 tensors missing.*1 unknown.*extra"),
        (lambda weights: weights.update({"norm.bias": torch.zeros(2)}), "1 tensors of another shape.*norm.bias"),
    ],
)
def test_weights_of_another_network(path, pips_network, change, complaint):
    weights = dict(pips_network.state_dict())
    change(weights)
    torch.save({"model_state_dict": weights}, path)
    with pytest.raises(CheckpointError, match=complaint) as caught:
        load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ({"norm.bias": torch.zeros(128)}, "expected a dict with 'model_state_dict'"),
        ({"model_state_dict": [torch.zeros(3)]}, "expected a state dict of pips, got list"),
    ],
)
def test_a_file_of_another_form(path, content, complaint):
    torch.save(content, path)
    with pytest.raises(CheckpointError, match=complaint):
        load(path)


def test_a_truncated_file(path, pips_network):
    torch.save({"model_state_dict": pips_network.state_dict()}, path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="not a readable checkpoint"):
        load(path)


def test_a_mask_moves_as_the_points_in_it_from_the_frame_before(pips_network, monkeypatch):
    monkeypatch.setattr("sampt_ros.point_trackers.pips.tracker._VISIBLE", -1.0)
    tracker = PipsTracker(pips_network, FEW, "cpu")
    before, now, later = (Frame(index, image) for index, image in enumerate(clip(3)))
    tracker.update(before)
    tracker.add(np.arange(2), XY, [before])
    tracks = tracker.update(now)
    mask = np.zeros((48, 64), np.float32)
    mask[27:34, 16:25] = 1  # around the first point alone
    moved = tracker.propagate_mask(LocalMask.of(mask), before, now)
    y, x = np.nonzero(moved.whole() > 0.5)
    # With these weights a point may move anywhere, but not far enough to take the mask out of the image.
    assert [x.mean(), y.mean()] == pytest.approx(tracks.xy[0], abs=0.6)
    assert tracker.propagate_mask(LocalMask.of(np.zeros_like(mask)), before, now) is None  # no point in it
    assert tracker.propagate_mask(LocalMask.of(mask), now, later) is None  # a frame that it has not seen
