"""What the node publishes, and how images reach it."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (rclpy)")
pytest.importorskip("sampt_ros.msg", reason="needs the built package, for sampt_ros.msg (make setup)")

from fakes import SIDE
from node_harness import CAMERA, FRAME_NS, HEIGHT, IMAGE, START_NS, WIDTH, middle, near, wait_for
from ros_helpers import BEST_EFFORT
from sampt_ros.msg import QueryPoint, TrackedObject
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from sampt_ros.messages import outputs
from sampt_ros.ros.conversions import time_from_ns
from sampt_ros.ros.video_publisher import compressed_image


def test_every_output_has_the_header_of_its_image(sampt):
    sampt.start_object((20, 20))
    stamps = [START_NS + FRAME_NS, START_NS + 2 * FRAME_NS + 1, 1_700_000_000_999_999_999]
    for stamp in stamps:
        sampt.track(stamp=stamp)
    for output in (sampt.masks, sampt.labels, sampt.points):
        assert sorted(output) == [START_NS, *stamps]
        assert {message.header.frame_id for message in output.values()} == {CAMERA}


def test_labels_have_ids_and_the_mask_is_their_union(sampt):
    sampt.start_object((16, 16))
    sampt.start_object((44, 30))
    result = sampt.track()
    assert (sampt.masks[result.stamp].encoding, sampt.labels[result.stamp].encoding) == ("mono8", "mono16")
    assert result.labels.shape == (HEIGHT, WIDTH)
    assert middle(result.labels == 1) == near(17, 16)
    assert middle(result.labels == 2) == near(45, 30)
    np.testing.assert_array_equal(result.mask, np.where(result.labels > 0, 255, 0))


def test_points_say_all_about_an_object(sampt):
    sampt.start_object((20, 20))
    result = sampt.track()
    (item,) = result.objects.values()
    assert (item.id, item.state, item.score, item.area) == (1, TrackedObject.TRACKING, 1.0, SIDE**2)
    y, x = np.nonzero(result.mask)
    assert (item.box.x_offset, item.box.y_offset, item.box.width, item.box.height) == (x.min(), y.min(), SIDE, SIDE)
    assert (item.points[0].x, item.points[0].y, item.points[0].label) == (21, 20, QueryPoint.POSITIVE)
    assert all(point.visible and point.confidence == 1 for point in item.points)


def test_the_overlay_is_computed_only_while_somebody_subscribes(sampt, monkeypatch):
    drawn, overlays = [], []
    monkeypatch.setattr(outputs, "draw", lambda image, result: drawn.append(result.index) or image)
    sampt.track()
    assert drawn == []
    subscription = sampt.listen(Image, "/sampt/overlay", overlays.append)
    stamp = sampt.track().stamp
    wait_for(lambda: overlays, "no overlay")
    assert (overlays[0].encoding, overlays[0].header) == ("rgb8", sampt.masks[stamp].header)
    sampt.stop_listening(subscription)
    sampt.track()
    assert len(drawn) == 1


def test_best_effort_subscribers_get_masks_too(sampt):
    masks = []
    sampt.listen(Image, "/sampt/mask", masks.append, BEST_EFFORT)
    sampt.track()
    wait_for(lambda: masks, "no mask")


def test_a_qos_override_holds_for_its_topic_only(start_node):
    override = "qos_overrides./sampt/mask.publisher.reliability:=best_effort"
    masks = []
    harness = start_node(args=["-p", override]).start()
    # a reliable subscriber gets nothing from a best-effort publisher
    assert harness.publisher("/sampt/mask").get_subscription_count() == 0
    assert harness.publisher("/sampt/labels").get_subscription_count() == 1
    harness.listen(Image, "/sampt/mask", masks.append, BEST_EFFORT)
    harness.send()
    wait_for(lambda: masks, "no mask")


def test_compressed_images(start_node):
    harness = start_node(image_transport="compressed").start()
    picture = np.full((HEIGHT, WIDTH, 3), (200, 30, 90), np.uint8)
    message = compressed_image(picture, Header(stamp=time_from_ns(START_NS), frame_id=CAMERA))
    harness.publish(f"{IMAGE}/compressed", message)
    harness.result(START_NS)
    harness.start_object((20, 20))
    assert np.abs(harness.segmenter.encoded[0].image.astype(int) - picture).max() < 8
    # data that do not decode are counted, and the next image is tracked
    message.data = message.data[:20]
    harness.publish(f"{IMAGE}/compressed", message)
    assert "expected JPEG or PNG" in harness.wait_for_count("frames_rejected", 1)
    again = compressed_image(picture, Header(stamp=time_from_ns(START_NS + FRAME_NS), frame_id=CAMERA))
    harness.publish(f"{IMAGE}/compressed", again)
    assert middle(harness.result(START_NS + FRAME_NS).mask) == near(21, 20)
