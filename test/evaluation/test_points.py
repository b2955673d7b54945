from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from fakes import SIDE, DriftingTracker, blank
from recordings import pose, wall
from synthetic import moving_texture

from sampt_ros.config.core import SamPtConfig
from sampt_ros.errors import SourceError
from sampt_ros.evaluation.points import JointScore, evaluate_joints, evaluate_static_points, joint_sequences
from sampt_ros.evaluation.scores import Table
from sampt_ros.io.image_files import write_image
from sampt_ros.io.label_images import write_labels
from sampt_ros.point_trackers import build_point_tracker

FRAMES = 7


def entry(frames, *joints, visible=None):
    """Joints that move one pixel a frame to the right from (x, y) on frame 0, visible everywhere or as said."""
    xy = [[(x + frame, y) for x, y in joints] for frame in frames]
    return {"frames": frames, "xy": xy, "visible": visible or [[True] * len(joints)] * len(frames)}


def davis_folder(folder, **tracks):
    """Sequences in the DAVIS layout with a mask of SIDE x SIDE pixels, and their point_tracks.json."""
    mask = np.zeros((48, 64), np.uint8)
    mask[:SIDE, :SIDE] = 255
    for name in tracks:
        for index in range(FRAMES):
            write_image(folder / f"JPEGImages/480p/{name}/{index:05d}.jpg", blank())
            path = folder / f"Annotations/480p/{name}/{index:05d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_labels(path, mask)
    (folder / "point_tracks.json").write_text(json.dumps(tracks))
    return folder


def joint_score(folder, tracker=None, **tracks):
    (joints,) = joint_sequences(davis_folder(folder, **tracks))
    return evaluate_joints(tracker or DriftingTracker(), joints)


def test_a_perfect_tracker_has_no_error_at_joints(tmp_path):
    score = joint_score(tmp_path, dog=entry([0, 2, 5], (10, 10), (20, 30)))
    assert score == JointScore(4, 0, {0.1: 1, 0.2: 1}, 1)


def test_errors_are_shares_of_the_objects_size(tmp_path):
    # half a pixel a frame too low: 1 pixel after 2 frames, 2 after 4, and the object is 9 x 9
    score = joint_score(tmp_path, DriftingTracker((1, 0.5)), dog=entry([0, 2, 4], (10, 10)))
    assert score.error == pytest.approx(1.5 / SIDE)
    assert score.within == {0.1: 0, 0.2: 0.5}
    assert Table([score]).row(score).split() == ["2", "0.167", "0.000", "0.500", "1.000"]


def test_every_joint_starts_where_it_is_first_visible(tmp_path):
    # the second joint's earlier marks are anywhere, which only matters if it starts there
    marks = entry([1, 3, 5], (10, 10), (20, 30), visible=[[True, False], [True, True], [True, True]])
    marks["xy"][0][1] = (None, None)
    score = joint_score(tmp_path, dog=marks)
    assert (score.points, score.error) == (3, 0)


def test_marks_that_are_not_visible_do_not_count(tmp_path):
    marks = entry([0, 2, 4], (10, 10), visible=[[True], [False], [True]])
    marks["xy"][1][0] = (60, 40)
    score = joint_score(tmp_path, dog=marks)
    assert (score.points, score.error) == (1, 0)


def test_points_that_the_tracker_believes_invisible_count(tmp_path):
    tracker = DriftingTracker((1, 1))
    tracker.blind = True
    score = joint_score(tmp_path, tracker, dog=entry([0, 3], (10, 10)))
    assert (score.points, score.visible) == (1, 0)
    assert score.error == pytest.approx(3 / SIDE)


def test_a_tracker_is_used_for_sequence_after_sequence(tmp_path):
    davis_folder(tmp_path, cow=entry([0, 2], (10, 10)), dog=entry([3, 4], (20, 10), (30, 10)))
    tracker = DriftingTracker()
    scores = [evaluate_joints(tracker, joints) for joints in joint_sequences(tmp_path)]
    assert [(score.points, score.error) for score in scores] == [(1, 0), (2, 0)]
    assert tracker.ids == [0, 1]


def test_the_mean_counts_sequences_alike():
    mean = JointScore.mean([JointScore(9, 0.1, {0.1: 0.5, 0.2: 1}, 1), JointScore(1, 0.3, {0.1: 0, 0.2: 0.5}, 0.5)])
    assert mean.points == 10
    assert (mean.error, *mean.within.values(), mean.visible) == pytest.approx((0.2, 0.25, 0.75, 0.75))


def test_sequences_with_joints_are_chosen_by_name(tmp_path):
    davis_folder(tmp_path, cow=entry([0, 2], (10, 10)), dog=entry([0, 2], (10, 10)))
    write_image(tmp_path / "JPEGImages/480p/no_joints/00000.jpg", blank())
    assert [joints.sequence.name for joints in joint_sequences(tmp_path)] == ["cow", "dog"]
    assert [joints.sequence.name for joints in joint_sequences(tmp_path, ["dog"])] == ["dog"]
    with pytest.raises(SourceError, match="unknown sequences no_joints; expected some of cow, dog"):
        joint_sequences(tmp_path, ["no_joints"])


@pytest.mark.parametrize(
    "marks",
    [
        # no entry, one without xy, ragged lists, words
        [],
        {"frames": [0], "visible": [[True]]},
        {"frames": [0, 2], "xy": [[(1, 1)], [(1, 1), (2, 2)]], "visible": [[True], [True, True]]},
        {"frames": ["first"], "xy": [[(1, 1)]], "visible": [[True]]},
        # as many places as marks, but not as frames; no pairs
        {"frames": [0, 2, 4], "xy": [[(1, 1)], [(1, 1)]], "visible": [[True], [True]]},
        {"frames": [0, 2], "xy": [[(1, 1, 1)], [(1, 1, 1)]], "visible": [[True], [True]]},
        # frames that are not there or do not rise
        entry([], (1, 1)),
        entry([0, FRAMES], (1, 1)),
        entry([-1, 2], (1, 1)),
        entry([2, 2], (1, 1)),
        # a place that is none
        {"frames": [0, 2], "xy": [[(1, 1)], [(None, 1)]], "visible": [[True], [True]]},
    ],
)
def test_joints_that_cannot_be_right_are_refused(tmp_path, marks):
    with pytest.raises(SourceError, match="expected of 'dog' frames"):
        joint_sequences(davis_folder(tmp_path, dog=marks))


@pytest.mark.parametrize(("text", "complaint"), [("{", "expected JSON"), ("[]", "an entry per sequence")])
def test_a_file_that_is_no_table_of_joints_is_refused(tmp_path, text, complaint):
    (davis_folder(tmp_path, dog=entry([0, 2], (1, 1))) / "point_tracks.json").write_text(text)
    with pytest.raises(SourceError, match=complaint):
        joint_sequences(tmp_path)


def test_folders_in_another_layout_are_refused(tmp_path):
    with pytest.raises(
        SourceError, match=r"point_tracks\.json beside JPEGImages/480p .* or camera-intrinsics\.txt and"
    ):
        joint_sequences(tmp_path)
    (tmp_path / "point_tracks.json").write_text('{"dog": {}}')
    with pytest.raises(SourceError, match="expected JPEGImages/480p"):
        joint_sequences(tmp_path)


def test_nothing_to_compare_is_said(tmp_path):
    with pytest.raises(SourceError, match="of 'dog' a joint visible in two frames"):
        joint_score(tmp_path, dog=entry([0, 2], (1, 1), visible=[[True], [False]]))


def test_an_object_without_a_mask_is_refused(tmp_path):
    (joints,) = joint_sequences(davis_folder(tmp_path, dog=entry([0, 2], (1, 1))))
    write_labels(tmp_path / "Annotations/480p/dog/00002.png", np.zeros((48, 64), np.uint8))
    with pytest.raises(SourceError, match=r"an object in .*00002\.png; the mask is empty"):
        evaluate_joints(DriftingTracker(), joints)


def static_scores(views, tracker=None):
    return evaluate_static_points(tracker or DriftingTracker(), views)


def test_a_perfect_tracker_has_no_error_at_static_points():
    after_8, after_16 = static_scores([wall(index) for index in range(25)])
    assert (after_8.frames, after_16.frames) == (8, 16)
    for score in (after_8, after_16):
        assert score.error == pytest.approx(0, abs=1e-4)
        assert score.moved == pytest.approx(score.frames)
        assert score.visible == 1
    # of 20 x 15 points 3 columns leave the image in 8 frames, 5 in 16; they start 3 and 2 times in time
    assert after_8.points == 3 * 15 * 17
    assert after_16.points == 2 * 15 * 15


def test_errors_at_static_points_are_pixels():
    after_8, after_16 = static_scores([wall(index) for index in range(17)], DriftingTracker((1, 0.5)))
    assert (after_8.error, after_16.error) == pytest.approx((4, 8))
    assert Table([after_8]).row(after_8).split() == ["8", str(after_8.points), "8.00", "4.00", "1.000"]


def test_static_points_that_the_tracker_believes_invisible_count():
    views, tracker = [wall(index) for index in range(17)], DriftingTracker()
    every = static_scores(views)
    tracker.blind = True
    assert [(score.points, score.visible) for score in static_scores(views, tracker)] == [
        (score.points, 0) for score in every
    ]


def test_occluded_points_are_left_out():
    views = [wall(index) for index in range(17)]
    views[8].depth[:24] = 1  # something passes; what starts on it is gone 8 frames later
    after_8, after_16 = static_scores(views)
    whole_8, whole_16 = static_scores([wall(index) for index in range(17)])
    assert after_8.points < 0.6 * whole_8.points
    assert after_16.points == whole_16.points  # it passed
    assert after_8.error == pytest.approx(0, abs=1e-4)


def test_frames_without_a_pose_are_passed_over():
    views = [wall(index) for index in range(25)]
    whole = static_scores(views)
    views[8] = replace(views[8], pose=np.full((4, 4), np.nan))
    for score, before, starts in zip(static_scores(views), whole, ((1, 3), (1, 2))):
        assert score.error == pytest.approx(0, abs=1e-4)
        assert score.points * starts[1] == before.points * starts[0]


def test_points_are_removed_when_they_are_done():
    tracker = DriftingTracker()
    static_scores((wall(index) for index in range(41)), tracker)
    assert len(tracker.ids) == 2 * 20 * 15  # those from frames 32 and 40


def test_too_short_a_recording_is_refused():
    with pytest.raises(SourceError, match="seen 16 frames later too"):
        static_scores([wall(index) for index in range(16)])


@pytest.mark.parametrize("name", ["lucas_kanade", "dis_flow"])
def test_the_trackers_follow_a_known_motion(name):
    frames = moving_texture(17, (1, 0))
    camera = replace(wall(0).camera, width=160, height=120)
    views = [
        replace(wall(0), image=frame.image, depth=np.full(frame.size, 2, np.float32), pose=pose(index), camera=camera)
        for index, frame in enumerate(frames)
    ]
    for score in static_scores(views, build_point_tracker(SamPtConfig(point_tracker=name))):
        assert score.error < 0.1 * score.moved
        assert score.visible > 0.95


def test_real_joints_are_read(shared_folder):
    joints = joint_sequences(shared_folder / "data/davis")
    assert [item.sequence.name for item in joints] == ["cows", "dog"]
    assert [item.xy.shape for item in joints] == [(21, 19, 2), (12, 20, 2)]
