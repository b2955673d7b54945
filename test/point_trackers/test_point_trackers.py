"""What every point tracker must do: a new one is tested by its line in POINT_TRACKERS."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from synthetic import HEIGHT, WIDTH, moving_texture

from sampt_ros.config.core import SamPtConfig
from sampt_ros.data_types import Frame, LocalMask
from sampt_ros.errors import ConfigError
from sampt_ros.point_trackers import POINT_TRACKERS, build_point_tracker
from sampt_ros.point_trackers.base import PointTracker, Tracks, moved_by_points

IDS = np.array([5, 9, 2])
XY = np.array([(60.0, 50.0), (90.5, 70.25), (75.0, 40.0)], np.float32)
NONE = np.zeros(0, int), np.zeros((0, 2), np.float32)


@pytest.fixture(params=POINT_TRACKERS)
def tracker(request) -> PointTracker:
    if request.param in FROM_NAMES:
        return FROM_NAMES[request.param](request)
    return POINT_TRACKERS[request.param](SamPtConfig())


@pytest.fixture
def accurate_tracker(request, tracker) -> PointTracker:
    """A tracker that can be asked where points went."""
    name = request.node.callspec.params["tracker"]
    if name in FROM_NAMES:
        pytest.skip(f"the weights of {name} are made from names here: they keep every rule, but do not track")
    return tracker


def _pips(request) -> PointTracker:
    network = request.getfixturevalue("pips_network")
    from sampt_ros.config.point_trackers import PipsConfig
    from sampt_ros.point_trackers.pips.tracker import PipsTracker

    return PipsTracker(network, PipsConfig(iterations=2), "cpu")


def _raft(request) -> PointTracker:
    network = request.getfixturevalue("raft_network")
    from sampt_ros.config.point_trackers import RaftConfig
    from sampt_ros.point_trackers.raft import Raft

    return Raft(network, RaftConfig(iterations=2), "cpu")


def _tapir(request) -> PointTracker:
    network = request.getfixturevalue("tapir_network")
    from sampt_ros.point_trackers.tapir.tracker import TapirTracker

    return TapirTracker(network, "cpu")


def _matching(request) -> PointTracker:
    pytest.importorskip("transformers", reason="transformers is missing")
    import named_weights

    from sampt_ros.point_trackers.matching.tracker import MatchingTracker

    return MatchingTracker(getattr(named_weights, request.param)(), device="cpu")


def _cotracker(request) -> PointTracker:
    network = request.getfixturevalue("cotracker_network")
    from sampt_ros.config.point_trackers import CoTrackerConfig
    from sampt_ros.point_trackers.cotracker.tracker import CoTracker

    return CoTracker(network, CoTrackerConfig(iterations=1), "cpu")


FROM_NAMES = {  # trackers whose real weights are a download
    "pips": _pips,
    "raft": _raft,
    "tapir": _tapir,
    "superglue": _matching,
    "lightglue": _matching,
    "cotracker": _cotracker,
}


def run(tracker: PointTracker, frames: Sequence[Frame], ids: np.ndarray = IDS, xy: np.ndarray = XY) -> Tracks:
    """The points where they are on the last of `frames`, having started on the first."""
    tracker.update(frames[0])
    tracks = tracker.add(ids, xy, frames[:1])
    for frame in frames[1:]:
        tracks = tracker.update(frame)
    return tracks


def by_id(tracks: Tracks) -> dict[int, tuple[float, ...]]:
    """(x, y, visible) of each point."""
    return {point: (*xy, seen) for point, xy, seen in zip(tracks.id.tolist(), tracks.xy.tolist(), tracks.visible)}


@pytest.mark.parametrize(
    "step",
    [
        (0, 0),  # at rest
        (3, -2),  # whole pixels
        (1.3, 0.6),  # parts of pixels
        (-0.25, 0.75),
    ],
)
def test_points_follow_a_known_motion_to_half_a_pixel(accurate_tracker, step):
    tracks = run(accurate_tracker, moving_texture(4, step))
    assert tracks.visible.all()
    assert np.linalg.norm(tracks.xy - XY - 3 * np.array(step), axis=1).max() < 0.5


def test_points_that_leave_the_image_are_not_visible(accurate_tracker):
    frames = moving_texture(9, (-4, 0))
    # 32 pixels to the left: the first point leaves, the second stays
    tracks = run(accurate_tracker, frames, IDS[:2], np.array([(16, 60), (120, 60)], np.float32))
    assert dict(zip(tracks.id.tolist(), tracks.visible.tolist())) == {IDS[0]: False, IDS[1]: True}


def test_points_added_on_past_frames_catch_up(tracker):
    frames = moving_texture(6, (2, 1))
    expected = by_id(run(tracker, frames[:5]))
    expected_next = by_id(tracker.update(frames[5]))

    tracker.reset()
    for frame in frames[:5]:
        tracker.update(frame)
    caught_up = tracker.add(IDS, XY, frames[:5])
    assert by_id(caught_up).keys() == expected.keys()
    for found, wanted in ((by_id(caught_up), expected), (by_id(tracker.update(frames[5])), expected_next)):
        np.testing.assert_allclose([found[point] for point in IDS], [wanted[point] for point in IDS], atol=0.01)


def test_points_added_later_leave_the_others_alone(tracker):
    frames = moving_texture(5, (2, 1))
    alone = by_id(run(tracker, frames, IDS[:2], XY[:2]))

    tracker.reset()
    run(tracker, frames[:3], IDS[:2], XY[:2])
    tracker.add(IDS[2:], XY[2:], frames[:3])
    together = [tracker.update(frame) for frame in frames[3:]][-1]
    assert set(together.id.tolist()) == set(IDS.tolist())
    for point in IDS[:2]:
        np.testing.assert_allclose(by_id(together)[point], alone[point], atol=0.01)


def test_removed_points_are_gone_and_the_others_stay(tracker):
    frames = moving_texture(4, (2, 1))
    together = run(tracker, frames)

    tracker.reset()
    run(tracker, frames[:3])
    tracker.remove(np.array([9, 77]))  # 77 was never there
    tracks = tracker.update(frames[3])
    assert tracks.id.tolist() == [5, 2]
    np.testing.assert_allclose(tracks.xy, together.xy[[0, 2]], atol=0.01)


def test_reset_behaves_as_new(tracker):
    moving, resting = moving_texture(4, (2, 1)), moving_texture(4, (0, 0))
    first = run(tracker, moving)
    tracker.reset()
    run(tracker, resting)
    tracker.reset()
    assert len(tracker.update(moving[0])) == 0
    tracker.reset()
    again = run(tracker, moving)
    for name in ("id", "xy", "visible", "confidence"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))


def test_no_points_are_no_trouble(tracker):
    frames = moving_texture(3, (2, 1))
    assert len(tracker.update(frames[0])) == 0
    assert len(tracker.add(*NONE, frames[:1])) == 0
    assert tracker.update(frames[1]).xy.shape == (0, 2)
    run(tracker, frames)
    tracker.remove(IDS)
    assert len(tracker.update(frames[2])) == 0


def test_tracks_are_of_the_stated_types(tracker):
    tracks = run(tracker, moving_texture(3, (2, 1)))
    assert tracks.id.tolist() == IDS.tolist()
    assert [getattr(tracks, name).dtype for name in ("id", "xy", "visible", "confidence")] == [
        np.uint32,
        np.float32,
        bool,
        np.float32,
    ]
    assert (tracks.xy.shape, tracks.visible.shape, tracks.confidence.shape) == ((3, 2), (3,), (3,))
    assert (tracks.confidence >= 0).all()
    assert (tracks.confidence <= 1).all()


@pytest.mark.parametrize("count", [3, 30])
def test_a_mask_moves_as_most_points_do(count):
    mask = np.zeros((HEIGHT, WIDTH), np.float32)
    mask[40:80, 50:100] = 1
    start = np.random.default_rng(0).uniform((50, 40), (100, 80), (count, 2)).astype(np.float32)
    moved = start + np.array([4, -3], np.float32)
    moved[0] += 20  # One of them is on something else.
    np.testing.assert_allclose(moved_by_points(mask, start, moved), np.roll(mask, (-3, 4), (0, 1)), atol=0.01)


@pytest.mark.parametrize("among", [1, 8])
def test_a_propagated_mask_moves_with_the_image(accurate_tracker, among):
    if not accurate_tracker.carries_masks:
        pytest.skip("this tracker does not move masks")
    previous, current = moving_texture(2, (4, -3))
    mask = np.zeros((HEIGHT, WIDTH), np.float32)
    mask[40:80, 50:100] = 1
    run(accurate_tracker, [previous, current])
    propagated = accurate_tracker.propagate_mask(LocalMask.of(mask), previous, current, among)
    moved, expected = propagated.whole() > 0.5, np.roll(mask, (-3, 4), (0, 1)) > 0
    assert (moved & expected).sum() > 0.95 * (moved | expected).sum()


def test_a_propagated_mask_is_a_mask(tracker):
    previous, current = moving_texture(2, (4, -3))
    mask = np.zeros((HEIGHT, WIDTH), np.float32)
    mask[5:20, 50:100] = 1
    for given in (mask, np.zeros_like(mask)):
        propagated = tracker.propagate_mask(LocalMask.of(given), previous, current)
        if propagated is None:
            pytest.skip("this tracker knows no motion but that of its points")
        assert (propagated.image_size, propagated.values.dtype) == (mask.shape, np.float32)
        assert (propagated.values >= 0).all()
        assert (propagated.values <= 1).all()


def test_a_tracker_says_whether_it_moves_masks(tracker):
    assert tracker.carries_masks == (type(tracker).propagate_mask is not PointTracker.propagate_mask)


def test_the_configuration_offers_every_tracker():
    choices = SamPtConfig.__dataclass_fields__["point_tracker"].metadata["option"].choices
    assert set(choices) == set(POINT_TRACKERS)


def test_an_unknown_tracker_is_refused_with_the_choices(monkeypatch):
    monkeypatch.delitem(POINT_TRACKERS, "dis_flow")
    with pytest.raises(ConfigError, match=r"expected one of lucas_kanade.*'dis_flow'"):
        build_point_tracker(SamPtConfig(point_tracker="dis_flow"))
