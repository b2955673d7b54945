"""Images of two cameras on one topic, told by their frame_ids."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from fakes import DriftingTracker, SquareSegmenter, blank

from sampt_ros.config.core import SamPtConfig
from sampt_ros.streaming.continuity import FrameIds
from sampt_ros.streaming.stream import Stream
from sampt_ros.streaming.tracked_frame import ImageEvent
from sampt_ros.tracking.sam_pt import SamPt


def warnings(frame_ids) -> list[str]:
    seen = FrameIds()
    return [warning for frame_id in frame_ids if (warning := seen.check(frame_id))]


@pytest.mark.parametrize(
    "frame_ids",
    [
        ["left"] * 5,
        [*["left"] * 5, *["right"] * 5],  # a camera that was started again under another name
        [*["left"] * 5, *["right"] * 200, *["left"] * 5],  # and once more
        ["", *["left"] * 5],
    ],
)
def test_a_frame_id_that_changes_for_good_is_no_warning(frame_ids):
    assert warnings(frame_ids) == []


@pytest.mark.parametrize(
    ("frame_ids", "named"),
    [
        (["left", "right", "left"], "'left' and 'right'"),
        (["right", "left", "right"], "'left' and 'right'"),  # in one order, so that it is logged once
        ([*["left"] * 60, "right", *["left"] * 5], "'left' and 'right'"),  # the other camera is slow
        (["a", "b", "c", "a"], "'a' and 'c'"),  # of three, the two that follow one another
        (["left", "", "left"], "'' and 'left'"),
    ],
)
def test_frame_ids_in_turns_are_told_by_name(frame_ids, named):
    (warning,) = warnings(frame_ids)
    assert warning.endswith(f"expected one camera on a topic, which a node tracks in; got {named}")


def test_two_cameras_on_one_topic_are_logged_once_and_tracked(caplog):
    stream = Stream.of_recording(SamPt(SamPtConfig(), SquareSegmenter(), DriftingTracker()), {})
    frames = [
        stream.image(ImageEvent(10**8 * (1 + number), SimpleNamespace(frame_id=name), blank))
        for number, name in enumerate(["left", "right"] * 4)
    ]
    assert all(frame is not None and not frame.failed for frame in frames)
    assert caplog.text.count("changes back and forth") == 1
