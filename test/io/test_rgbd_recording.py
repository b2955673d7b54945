from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from fakes import blank
from recordings import CAMERA, WALL, wall, write_depth, write_recording

from sampt_ros.errors import SourceError
from sampt_ros.io.image_files import write_image
from sampt_ros.io.rgbd_recording import Recording, is_rgbd_folder

SOME = np.array([(10, 10), (40, 30)])


def test_what_a_view_sees_is_where_it_was():
    view = wall(0)
    view.pose[:3, :3] = cv2.Rodrigues(np.array([0.1, -0.2, 0.3]))[0]
    view.pose[:3, 3] = (1, 2, 3)
    xy, seen = view.project(view.world(SOME))
    assert xy == pytest.approx(SOME)
    assert seen.all()
    centre = view.world(np.array([(32, 24)]))  # on the optical axis
    assert centre == pytest.approx(view.pose[None, :3, 3] + WALL * view.pose[None, :3, 2])


def test_points_of_the_wall_move_as_the_camera_does():
    xy, seen = wall(8).project(wall(0).world(SOME))
    assert xy == pytest.approx(SOME + np.array([8, 0]))
    assert seen.all()


@pytest.mark.parametrize(
    ("depth", "seen"),
    [
        # the noise of a camera, nearer and farther
        (WALL - 0.03, True),
        (WALL + 0.03, True),
        # something in front; a hole in the wall; nothing known
        (1.0, False),
        (3.0, False),
        (0.0, False),
    ],
)
def test_a_point_is_occluded_where_the_depth_is_not_its_own(depth, seen):
    view = wall(8)
    view.depth[10, 18] = depth  # where the first point is by then
    assert view.project(wall(0).world(SOME))[1].tolist() == [seen, True]


def test_points_out_of_view_or_behind_the_camera_are_not_seen():
    world = wall(0).world(SOME)
    assert wall(30).project(world)[1].tolist() == [True, False]
    behind = wall(0)
    behind.pose[2, 3] = 3
    assert behind.project(world)[1].tolist() == [False, False]


@pytest.mark.parametrize("near", [(10, 10), (12, 12)], ids=["there", "two pixels away"])
@pytest.mark.parametrize("depth", [0.0, 1.0], ids=["unknown", "of another surface"])
def test_the_place_of_points_without_or_at_a_step_of_depth_is_unknown(near, depth):
    view = wall(0)
    view.depth[near[::-1]] = depth
    assert np.isfinite(view.world(SOME)).all(axis=1).tolist() == [False, True]


def test_without_a_pose_nothing_is_known_or_seen():
    lost = replace(wall(0), pose=np.full((4, 4), np.nan))
    assert np.isnan(lost.world(SOME)).all()
    assert not lost.project(wall(0).world(SOME))[1].any()


def test_folders_are_told_apart(tmp_path):
    assert not is_rgbd_folder(tmp_path / "nowhere")
    assert not is_rgbd_folder(tmp_path)
    assert is_rgbd_folder(write_recording(tmp_path, 1))


def test_a_recording_is_read_in_order(tmp_path):
    recording = Recording(write_recording(tmp_path, 12))
    assert len(recording) == 12
    for _ in range(2):
        for index, view in enumerate(recording):
            assert np.array_equal(view.depth, wall(index).depth)
            assert np.array_equal(view.pose, wall(index).pose)
            assert view.image.shape == (48, 64, 3)
            assert np.array_equal(view.camera.K, CAMERA.K)


def test_a_depth_or_pose_may_be_unknown(tmp_path):
    write_recording(tmp_path, 1)
    write_depth(tmp_path / "frame-000000.depth.png", np.array([[0, 65535, 1500, 2000]] * 48, np.uint16).repeat(16, 1))
    np.savetxt(tmp_path / "frame-000000.pose.txt", np.full((4, 4), -np.inf))
    (view,) = Recording(tmp_path)
    assert np.unique(view.depth).tolist() == [0, 1.5, 2]
    assert np.isnan(view.pose).all()


@pytest.mark.parametrize(
    ("lost", "complaint"),
    [
        ("camera-intrinsics.txt", r"camera-intrinsics\.txt: .*expected camera-intrinsics\.txt and frame-NNNNNN"),
        ("frame-000001.depth.png", r"a depth and a pose for every frame; there is no .*000001\.depth\.png"),
        ("frame-000000.pose.txt", r"a depth and a pose for every frame; there is no .*000000\.pose\.txt"),
        ("frame-00000?.color.jpg", "expected camera-intrinsics.txt and frame-NNNNNN.* got no frame"),
    ],
)
def test_a_folder_without_all_files_is_refused(tmp_path, lost, complaint):
    for path in write_recording(tmp_path, 2).glob(lost):
        path.unlink()
    with pytest.raises(SourceError, match=complaint):
        Recording(tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("camera-intrinsics.txt", "50 0 32\n0 50 24", "3 rows of 3 numbers"),
        ("camera-intrinsics.txt", "0 0 32\n0 0 24\n0 0 1", "focal lengths above 0"),
        ("frame-000001.pose.txt", "not a pose", "4 rows of 4 numbers"),
        ("frame-000001.pose.txt", "1 0 0 0\n0 1 0\n0 0 1 0\n0 0 0 1", "4 rows of 4 numbers"),
        ("frame-000001.pose.txt", "2 0 0 0\n0 2 0 0\n0 0 2 0\n0 0 0 1", "a rotation and a translation"),
        ("frame-000001.depth.png", "not an image", "not an image file"),
        ("frame-000001.color.jpg", "not an image", "not an image file"),
    ],
)
def test_files_that_cannot_be_used_are_refused(tmp_path, name, text, complaint):
    (write_recording(tmp_path, 2) / name).write_text(text)
    with pytest.raises(SourceError, match=complaint):
        list(Recording(tmp_path))


def test_depth_of_8_bits_or_of_another_size_is_refused(tmp_path):
    depth = write_recording(tmp_path, 2) / "frame-000001.depth.png"
    write_depth(depth, np.full((48, 64), 200, np.uint8))
    with pytest.raises(SourceError, match="16 bits per pixel"):
        list(Recording(tmp_path))
    write_depth(depth, np.full((24, 32), 2000, np.uint16))
    with pytest.raises(SourceError, match=r"one size \(48, 64\); got \(48, 64\) and \(24, 32\) in .*frame-000001"):
        list(Recording(tmp_path))


def test_colour_of_another_size_is_refused(tmp_path):
    write_image(write_recording(tmp_path, 2) / "frame-000001.color.jpg", blank(24, 32))
    with pytest.raises(SourceError, match=r"one size \(48, 64\); got \(24, 32\)"):
        list(Recording(tmp_path))


def test_a_real_recording_is_read(shared_folder):
    recording = Recording(shared_folder / "data/rgbd")
    assert len(recording) == 120
    view = next(iter(recording))
    assert 1 < np.median(view.depth) < 3
