"""What is found in the images of a bag, and the bag that is written of it."""

from __future__ import annotations

from dataclasses import replace

import bags
import numpy as np
import pytest
from bag_tracking import TWO, recorded, tracked
from bags import DELAY, PERIOD, START, STORAGES, images
from fakes import DriftingTracker, SquareSegmenter, blank
from streams import follow

from sampt_ros.bags import types as bag_types
from sampt_ros.bags.reader import BagReader
from sampt_ros.bags.recorder import BagRecorder
from sampt_ros.bags.topics import choose_inputs
from sampt_ros.bags.tracker import BagTracker
from sampt_ros.cli.options.prompts import parse_starts
from sampt_ros.config.core import SamPtConfig
from sampt_ros.errors import SourceError
from sampt_ros.messages.outputs import OUTPUTS
from sampt_ros.tracking.sam_pt import SamPt


@pytest.mark.parametrize("kind", [bags.image, bags.compressed])
@pytest.mark.parametrize("storage", STORAGES)
def test_every_image_has_its_messages_with_its_header_and_time(tmp_path, sam_pt, storage, kind):
    source = bags.write(tmp_path / "in", [kind(index, blank()) for index in range(4)], storage)
    written = recorded(source, tmp_path / "out", sam_pt, storage=storage, overlay=True)
    assert set(written) == {"/sampt/mask", "/sampt/labels", "/sampt/points", "/sampt/overlay"}
    for messages in written.values():
        assert [time for time, _ in messages] == [START + index * PERIOD + DELAY for index in range(4)]
        assert [message.header for _, message in messages] == [bags.header(index) for index in range(4)]
    encodings = [written[f"/sampt/{name}"][0][1].encoding for name in ("mask", "labels", "overlay")]
    assert encodings == ["mono8", "mono16", "rgb8"]
    assert bags.storage_file(tmp_path / "out").suffix == {"mcap": ".mcap", "sqlite3": ".db3"}[storage]


def test_objects_start_on_later_images_too(tmp_path, sam_pt, caplog):
    path = bags.write(tmp_path / "in", images(4))
    starts = parse_starts(["20,20"], [], []) | parse_starts(["40,30,1,2"], [], [], frame=2)
    starts |= parse_starts(["40,30,1,3"], [], [], frame=9)
    with BagReader(path) as bag:
        results = list(BagTracker(sam_pt, choose_inputs(bag.topics), starts).track(bag))
    assert [[item.id for item in frame.result.objects] for frame in results] == [[1], [1], [1, 2], [1, 2]]
    assert "object 3 is not started: expected it on image 9" in caplog.text


def test_the_masks_are_those_of_track(tmp_path, sam_pt):
    source = bags.write(tmp_path / "in", images(5))
    written = recorded(source, tmp_path / "out", sam_pt, TWO)
    sam_pt.reset()
    results = [result for _, result in follow(sam_pt, [blank()] * 5, parse_starts(TWO, [], []))]
    for name, arrays in (("mask", [r.mask for r in results]), ("labels", [r.labels for r in results])):
        np.testing.assert_array_equal([bags.pixels(message) for _, message in written[f"/sampt/{name}"]], arrays)
    last = written["/sampt/points"][-1][1].objects
    assert [item.id for item in last] == [1, 2]
    assert [item.area for item in last] == [item.area for item in results[-1].objects]
    assert [point.x for point in last[0].points] == results[-1].objects[0].points.xy[:, 0].tolist()


def test_a_written_bag_says_what_is_in_it(tmp_path, sam_pt):
    recorded(bags.write(tmp_path / "in", images(3)), tmp_path / "out", sam_pt)
    metadata = (tmp_path / "out/metadata.yaml").read_text()
    assert "message_count: 9" in metadata
    assert "reliability: 1" in metadata
    with BagReader(tmp_path / "out") as bag:
        assert [str(topic) for topic in bag.topics.values()] == [
            "/sampt/labels (sensor_msgs/msg/Image, 3 messages)",
            "/sampt/mask (sensor_msgs/msg/Image, 3 messages)",
            "/sampt/points (sampt_ros/msg/TrackedObjects, 3 messages)",
        ]


def test_a_bag_that_is_there_is_not_touched(tmp_path):
    with pytest.raises(SourceError, match="expected a bag that is not there yet"):
        BagRecorder(tmp_path, "mcap")


def test_a_bag_that_cannot_be_written_is_reported(tmp_path, sam_pt):
    (tmp_path / "file").write_text("")
    with pytest.raises(SourceError, match="cannot write"):
        recorded(bags.write(tmp_path / "in", images(1)), tmp_path / "file/out", sam_pt)


def test_the_bytes_are_those_of_the_nodes_messages(tmp_path, sam_pt):
    pytest.importorskip("rclpy", reason="needs ROS 2 (rclpy)")
    pytest.importorskip("sampt_ros.msg", reason="needs the built messages of sampt_ros")
    from rclpy.serialization import deserialize_message, serialize_message

    from sampt_ros.ros import conversions

    source = bags.write(tmp_path / "in", images(3))
    results, _ = tracked(source, sam_pt, TWO)
    recorded(source, tmp_path / "out", SamPt(SamPtConfig(), SquareSegmenter(), DriftingTracker()), TWO, overlay=True)
    with BagReader(tmp_path / "out") as bag:
        written = {(topic, time): data for topic, time, data in bag.messages(bag.topics)}
    assert len(written) == 4 * 3
    types = bag_types.types()
    for each in results:
        head = bytes(types.serialize_cdr(each.header, "std_msgs/msg/Header"))
        node_header = deserialize_message(head, conversions.Header)
        frame = replace(each, event=replace(each.event, header=node_header))
        for name in ("mask", "labels", "points", "overlay"):
            message = OUTPUTS[name].make(frame, conversions.message_classes())
            data = written[f"/sampt/{name}", each.event.recorded_ns]
            assert str(deserialize_message(data, type(message))) == str(message)  # as text, since no NaN is equal
            kind = OUTPUTS[name].type
            # Nobody says what is in the bytes between two fields, and rclpy leaves there what was in memory: through
            # rosbags and back they are 0.
            published = bytes(serialize_message(message))
            assert len(data) == len(published)
            assert data == bytes(types.serialize_cdr(types.deserialize_cdr(published, kind), kind))
