"""What is sent to browsers."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from sampt_ros.config.web import WebConfig
from sampt_ros.data_types import FrameResult, LocalMask, ObjectResult, ObjectState, Points
from sampt_ros.errors import QueryError
from sampt_ros.streaming.live.view import View
from sampt_ros.web.packets import joined, outlines, packet, split


def item(mask: np.ndarray, state: ObjectState = ObjectState.TRACKING, points: Points | None = None) -> ObjectResult:
    return ObjectResult(3, state, 0.875, LocalMask.of(mask), points or Points.none())


def test_header_and_content_come_back():
    assert split(joined({"a": [1, "ü"]}, b"\x00rest")) == ({"a": [1, "ü"]}, b"\x00rest")


@pytest.mark.parametrize("message", [b"", b"abc", b"\x05\0\0\0[]", b"\x02\0\0\0[]", b"\x01\0\0\0{"])
def test_other_bytes_are_refused(message):
    with pytest.raises(QueryError, match="expected"):
        split(message)


def test_a_long_header_is_refused_before_it_is_read():
    message = joined({"a": "b" * 100}, b"rest")
    assert split(message, 200)[1] == b"rest"
    with pytest.raises(QueryError, match="expected a header of at most 100 bytes; got 108"):
        split(message, 100)


def test_the_picture_is_the_image():
    image = np.zeros((40, 60, 3), np.uint8)
    image[..., 0] = 200  # red
    header, jpeg = split(packet(7, View(5, image, FrameResult(0, (40, 60))), WebConfig()))
    shown = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert header == {"number": 7, "stamp": "5", "width": 60, "height": 40, "objects": []}
    assert shown.shape == (40, 60, 3) and np.abs(shown[..., 2].astype(int) - 200).max() < 5


def test_an_object_is_sent_with_what_depth_shows_of_it():
    mask = np.zeros((40, 60), bool)
    mask[10:20, 30:40] = True
    points = Points.start(np.array([1, 2]), np.array([(31.26, 12), (5, 6)]), np.array([1, 0]))
    result = FrameResult(0, (40, 60), (item(mask, points=points),))
    view = View(5, np.zeros((40, 60, 3), np.uint8), result, {3: np.array([0.1, -0.2, 1.5])})
    (sent,) = split(packet(1, view, WebConfig()))[0]["objects"]
    assert sent["id"] == 3 and sent["state"] == "TRACKING" and sent["score"] == 0.875
    assert sent["area"] == 100 and sent["box"] == [30, 10, 10, 10]
    assert np.round(sent["points"], 1).tolist() == [[31.3, 12, 1, 1], [5, 6, 0, 1]]
    assert sent["position"] == [0.1, -0.2, 1.5]
    assert sent["color"][0] == "#" and len(sent["color"]) == 7


def test_a_position_that_is_not_known_is_none():
    result = FrameResult(0, (4, 6), (item(np.zeros((4, 6), bool), ObjectState.LOST),))
    view = View(5, np.zeros((4, 6, 3), np.uint8), result, {3: np.full(3, np.nan)})
    (sent,) = split(packet(1, view, WebConfig()))[0]["objects"]
    assert sent["position"] is None and sent["outlines"] == []


def test_outlines_give_the_mask_back_with_its_hole_and_both_parts():
    mask = np.zeros((60, 80), bool)
    mask[10:40, 10:40] = True
    mask[20:30, 20:30] = False
    mask[50:55, 60:75] = True
    drawn = np.zeros(mask.shape, np.uint8)
    lines = [np.array(line, np.int32).reshape(-1, 2) for line in outlines(item(mask), 0.5)]
    assert len(lines) == 3
    cv2.fillPoly(drawn, lines, 1)  # what an odd number of lines goes around
    different = (drawn.astype(bool) != mask).sum()
    assert different <= 4 * 12  # the hole's border, which both sides share
