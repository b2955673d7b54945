"""The message in which a viewer's query goes to the node."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (rclpy)")
pytest.importorskip("sampt_ros.msg", reason="needs the built package, for sampt_ros.msg (make setup)")
pytest.importorskip("aiohttp", reason="aiohttp is missing: pip install aiohttp")

from node_harness import CAMERA
from std_msgs.msg import Header

from sampt_ros.errors import QueryError, StampError
from sampt_ros.ros.conversions import request_from_message
from sampt_ros.ros.viewing.node import query_message
from sampt_ros.streaming.requests import Action, Request


def test_a_stamp_that_no_message_can_hold_is_refused():
    with pytest.raises(StampError, match="expected a stamp of less than 2147483648 seconds; got 9999999999"):
        query_message(Request(box=(1, 2, 3, 4), stamp_ns=9999999999999999999), Header())


@pytest.mark.parametrize("box", [(-50.0, -50.0, -40.0, -40.0), (-9.0, 5.0, 0.2, 30.0), (10.2, 10.2, 10.4, 30.0)])
def test_a_box_that_no_message_can_hold_is_refused_as_it_was_drawn(box):
    with pytest.raises(QueryError, match="two pixels or more wide and high") as refused:
        query_message(Request(box=box), Header())
    assert str(list(box)) in str(refused.value)


def test_a_query_comes_back_from_its_message():
    asked = Request(
        Action.REPLACE,
        4,
        np.array([(1.5, 2), (3, 4.25)], np.float32),
        np.array([1, 0], np.uint8),
        box=(10.4, 20.6, 30.0, 40.0),
        stamp_ns=1_700_000_000_123_456_789,
    )
    message = query_message(asked, Header(frame_id=CAMERA))
    heard = request_from_message(message)
    assert (heard.action, heard.object_id, heard.stamp_ns) == (asked.action, 4, asked.stamp_ns)
    assert np.array_equal(heard.points, asked.points) and np.array_equal(heard.labels, asked.labels)
    assert heard.box == (10, 21, 30, 40)  # whole pixels
    assert heard.mask is None and message.header.frame_id == CAMERA
    with pytest.raises(QueryError, match="expected points or a box; got a seed mask"):
        query_message(Request(mask=np.ones((2, 2), bool)), Header())
