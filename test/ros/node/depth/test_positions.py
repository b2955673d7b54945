"""Positions, poses and clouds of a node with depth beside its images."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (rclpy)")
pytest.importorskip("sampt_ros.msg", reason="needs the built package, for sampt_ros.msg (make setup)")

import compressed_depth
from fakes import SIDE
from node_depth import DEPTH, FAR, NEAR, positions, records, scene, seen_at, send_compressed_depth, send_depth
from node_harness import CAMERA, FRAME_NS, HEIGHT, START_NS, WIDTH, Harness, wait_for


@pytest.mark.parametrize("kind", ["metres", "millimetres"])
@pytest.mark.parametrize("first", ["image", "depth"])
def test_points_poses_and_cloud_are_where_the_depth_says(sampt, kind, first):
    node = sampt.node
    depth = scene() if kind == "metres" else (1000 * scene()).astype(np.uint16)
    colour = np.full((HEIGHT, WIDTH, 3), (10, 200, 255), np.uint8)
    stamp = node.next_stamp()
    if first == "depth":
        send_depth(node, stamp, depth)
    node.send(colour, stamp=stamp)
    if first == "image":
        wait_for(lambda: stamp in node.masks, "the mask waits for its depth")
        send_depth(node, stamp, depth)
    found = positions(node, stamp)
    item = node.result(stamp).objects[1]
    np.testing.assert_allclose(found[0], seen_at(item.points[0].x, item.points[0].y, FAR), atol=1e-4)
    np.testing.assert_allclose(found[:, 2], FAR, atol=1e-4)

    wait_for(lambda: stamp in sampt.poses and stamp in sampt.clouds, "nothing in 3D")
    assert sampt.poses[stamp].header == sampt.clouds[stamp].header == node.masks[stamp].header
    (pose,) = sampt.poses[stamp].poses
    assert pose == item.pose
    x, y = item.box.x_offset + SIDE // 2, item.box.y_offset + SIDE // 2
    centre = [pose.position.x, pose.position.y, pose.position.z]
    np.testing.assert_allclose(centre, seen_at(x, y, FAR), atol=1e-4)

    cloud = records(sampt.clouds[stamp])
    assert cloud.dtype.names == ("x", "y", "z", "rgb", "object_id")
    assert len(cloud) == sampt.clouds[stamp].width == (SIDE - 4) ** 2  # without the border
    np.testing.assert_allclose(cloud["z"], FAR, atol=1e-4)
    np.testing.assert_allclose(np.median(cloud["x"]), centre[0], atol=1e-4)
    assert set(cloud["object_id"]) == {1}
    assert set(cloud["rgb"].view("<u4")) == {0x0AC8FF}


def test_every_object_has_its_own_pose_and_points(sampt):
    node = sampt.node
    node.start_object((44, 30))
    stamp = node.send()
    send_depth(node, stamp)
    wait_for(lambda: stamp in sampt.poses and stamp in sampt.clouds, "nothing in 3D")
    assert [pose.position.z for pose in sampt.poses[stamp].poses] == pytest.approx([FAR, NEAR], abs=1e-4)
    cloud = records(sampt.clouds[stamp])
    assert set(cloud["z"][cloud["object_id"] == 2]) == {np.float32(NEAR)}
    assert set(cloud["object_id"]) == {1, 2}
    np.testing.assert_allclose(positions(node, stamp, 2)[:, 2], NEAR, atol=1e-4)


def test_what_depth_does_not_show_is_nowhere(sampt):
    node = sampt.node
    stamp = node.send()
    depth = np.zeros((HEIGHT, WIDTH), np.uint16)
    depth[-1, -1] = 1000  # beside the objects
    send_depth(node, stamp, depth)
    wait_for(lambda: stamp in sampt.poses and stamp in sampt.clouds, "nothing in 3D")
    assert np.isnan(positions(node, stamp)).all()
    assert np.isnan(node.result(stamp).objects[1].pose.position.z)
    assert (list(sampt.poses[stamp].poses), sampt.clouds[stamp].width) == ([], 0)


def test_hidden_points_have_no_position(sampt):
    node = sampt.node
    node.tracker.blind = True
    stamp = node.send()
    send_depth(node, stamp)
    assert np.isnan(positions(node, stamp)).all()


def test_depth_within_the_slop_is_paired_and_beyond_it_not(sampt):
    node = sampt.node
    stamp = node.send()
    send_depth(node, stamp + 15_000_000)
    assert np.isfinite(positions(node, stamp)).all()
    stamp = node.send(stamp=stamp + 10 * FRAME_NS)
    send_depth(node, stamp + 25_000_000)
    assert np.isnan(positions(node, stamp)).all()
    assert stamp not in sampt.poses


def test_a_frame_waits_for_its_depth_but_not_for_ever_and_masks_never_do(sampt):
    node = sampt.node
    stamps = [node.send()]
    send_depth(node, stamps[0])
    node.result(stamps[0])
    wait_for(lambda: sampt.poses, "no pose")
    for _ in range(3):
        stamps.append(node.send())
        wait_for(lambda: stamps[-1] in node.masks, "the mask waits for depth")
    # the second one is published without depth: two newer ones wait
    assert np.isnan(positions(node, stamps[1])).all()
    assert stamps[2] not in node.points
    send_depth(node, stamps[3])
    # depth comes in order, so that the third one's will not come any more
    assert np.isnan(positions(node, stamps[2])).all()
    assert np.isfinite(positions(node, stamps[3])).all()
    assert sorted(sampt.poses) == [stamps[0], stamps[3]]


def is_worked_on(node: Harness, stamp: int, rejected: int) -> bool:
    """Whether a frame is tracked, or more than so many are rejected."""
    return stamp in node.masks or node.node.statistics["frames_rejected"] > rejected


def test_a_bag_that_loops_keeps_its_depth(sampt):
    node = sampt.node
    for begin in (START_NS + 5_000_000_000, START_NS + 1_000_000_000):
        for stamp in range(begin, begin + 7 * FRAME_NS, FRAME_NS):
            rejected = node.node.statistics["frames_rejected"]
            node.send(stamp=stamp)
            send_depth(node, stamp)
            wait_for(partial(is_worked_on, node, stamp, rejected), "nothing is done")
        node.result(stamp)
        node.start_object((20, 20))
    stamp = node.send(stamp=begin + 8 * FRAME_NS)
    send_depth(node, stamp)
    newest = max(node.result(stamp).objects)
    assert np.isfinite(positions(node, stamp, newest)).all()


@pytest.mark.parametrize(
    ("transport", "encode"),
    [
        ("compressedDepth", compressed_depth.png),
        ("compressedDepth", compressed_depth.rvl),
        ("compressed", compressed_depth.plain),
    ],
)
@pytest.mark.parametrize("kind", [np.float32, np.uint16])
def test_compressed_depth_is_read_where_asked_for(start_node, transport, encode, kind):
    node = start_node(depth_transport=transport)
    topic = f"{DEPTH}/{transport}"
    node.send_camera_info()
    node.start_object((20, 20))
    depth = scene() if kind is np.float32 else (1000 * scene()).astype(kind)
    send_compressed_depth(node, node.send(), encode(depth), topic)
    wait_for(lambda: "no depth" not in node.diagnostics()["message"], "depth is not heard")
    stamp = node.send()
    send_compressed_depth(node, stamp, encode(depth), topic)
    np.testing.assert_allclose(positions(node, stamp)[:, 2], FAR, atol=0.001)
    assert node.diagnostics()["level"] == "OK"


def test_a_click_that_something_nearer_hides_is_refused_with_the_reason(sampt):
    node = sampt.node
    stamp = node.send()
    send_depth(node, stamp)
    node.result(stamp)
    hidden, visible = seen_at(50, 20, FAR), seen_at(50, 20, NEAR)
    node.click_3d(tuple(hidden), CAMERA)
    reason = node.wait_for_count("queries_refused", 1)
    assert "2.00 m deep, and something 1.50 m deep hides it at pixel (50, 20)" in reason
    node.click_3d(tuple(visible), CAMERA, stamp=stamp)
    node.wait_for_count("queries_accepted", 2)
    # what has no depth any more is not known to be hidden
    assert node.set_parameter("history", 0.0).successful
    stamp = node.send()
    wait_for(lambda: stamp in node.masks, "no mask")
    node.click_3d(tuple(seen_at(50, 40, FAR)), CAMERA)
    node.wait_for_count("queries_accepted", 3)
