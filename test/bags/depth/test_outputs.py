"""What is written of an image with depth."""

from __future__ import annotations

from dataclasses import replace

import bags
import numpy as np
import pytest
from bags import images
from depth_bags import CAMERA, HEIGHT, INFO, WIDTH, tracked, wall
from fakes import blank

from sampt_ros.bags import types as bag_types
from sampt_ros.bags.reader import BagReader
from sampt_ros.bags.recorder import BagRecorder
from sampt_ros.geometry.surfaces import cloud, in_metres, object_surfaces
from sampt_ros.messages.outputs import OUTPUTS


def test_positions_poses_and_cloud_are_those_that_the_depth_shows(tmp_path, sam_pt):
    plane = wall(2)
    plane[:, 40:] = 1.5
    sent = [INFO, *images(1), bags.depth(0, plane), bags.image(1, blank())]
    results, _ = tracked(bags.write(tmp_path / "in", sent), sam_pt, points=("20,20", "50,20,1,2"))
    with BagRecorder(tmp_path / "out", "mcap", depth=True) as recorder:
        for each in results:
            recorder.add(each)
    assert (recorder.frames, recorder.with_depth) == (2, 1)
    written = bags.read(tmp_path / "out")
    assert {name: len(messages) for name, messages in written.items()} == {
        **{f"/sampt/{name}": 2 for name in ("mask", "labels", "points")},
        **{f"/sampt/{name}": 1 for name in ("object_poses", "cloud")},
    }
    found = object_surfaces(results[0].result, in_metres(plane, (HEIGHT, WIDTH)), CAMERA)
    first, second = (message.objects for _, message in written["/sampt/points"])
    for item in first:
        positions = [(point.position.x, point.position.y, point.position.z) for point in item.points]
        np.testing.assert_allclose(positions, found[item.id].points, atol=1e-6)
    assert np.isnan(second[0].points[0].position.x)
    poses = written["/sampt/object_poses"][0][1]
    assert poses.header == bags.header(0)
    centres = [(pose.position.x, pose.position.y, pose.position.z) for pose in poses.poses]
    np.testing.assert_allclose(centres, [found[1].centre, found[2].centre])
    points = written["/sampt/cloud"][0][1]
    assert [field.name for field in points.fields] == ["x", "y", "z", "rgb", "object_id"]
    assert points.data.tobytes() == cloud(results[0].result, found, results[0].image).tobytes()


def test_the_bytes_are_those_of_the_nodes_messages(tmp_path, sam_pt):
    pytest.importorskip("rclpy", reason="needs ROS 2 (rclpy)")
    pytest.importorskip("sampt_ros.msg", reason="needs the built messages of sampt_ros")
    from rclpy.serialization import deserialize_message, serialize_message

    from sampt_ros.ros import conversions

    sent = [INFO, *images(1), bags.depth(0, wall(2))]
    (each,), _ = tracked(bags.write(tmp_path / "in", sent), sam_pt)
    with BagRecorder(tmp_path / "out", "mcap", depth=True) as recorder:
        recorder.add(each)
    with BagReader(tmp_path / "out") as bag:
        written = {topic: data for topic, _, data in bag.messages(bag.topics)}
    types = bag_types.types()
    header = deserialize_message(bytes(types.serialize_cdr(each.header, "std_msgs/msg/Header")), conversions.Header)
    frame = replace(each, event=replace(each.event, header=header))
    for name in ("points", "object_poses", "cloud"):
        topic, kind = f"/sampt/{name}", OUTPUTS[name].type
        message = OUTPUTS[name].make(frame, conversions.message_classes())
        assert str(deserialize_message(written[topic], type(message))) == str(message)
        # through rosbags and back: what is in the bytes between two fields is nobody's business
        assert written[topic] == bytes(
            types.serialize_cdr(types.deserialize_cdr(serialize_message(message), kind), kind)
        )
