"""Which frames wait for their depth, for how long, and what is said where none comes."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from sampt_ros.data_types import FrameResult
from sampt_ros.errors import ConfigError, FrameError, QueryError
from sampt_ros.geometry.camera import Pinhole
from sampt_ros.streaming.depth_stream import DepthStream
from sampt_ros.streaming.tracked_frame import Tracked

SIZE = (6, 8)
CAMERA = Pinhole(np.array([[10, 0, 3.5], [0, 10, 2.5], [0, 0, 1]]), np.zeros(0), "", 8, 6)
MS = 1_000_000


class SimpleFilter:
    """What message_filters calls so."""

    def __init__(self) -> None:
        self.calls: list = []

    def registerCallback(self, call, *values):  # noqa: N802
        self.calls.append((call, values))

    def signalMessage(self, *messages):  # noqa: N802
        for call, values in self.calls:
            call(*messages, *values)


class ApproximateTimeSynchronizer(SimpleFilter):
    """Pairs two inputs as message_filters does; slop in seconds, stamps in nanoseconds."""

    def __init__(self, inputs, queue_size, slop) -> None:
        super().__init__()
        self.size, self.slop = queue_size, slop * 1e9
        self.queues = [{}, {}]
        for row, made in enumerate(inputs):
            made.registerCallback(self.add, row)

    def add(self, message, row):
        queue, stamp = self.queues[row], message.header
        queue[stamp] = message
        while len(queue) > self.size:
            del queue[min(queue)]
        other = min(self.queues[1 - row], key=lambda at: abs(at - stamp), default=np.inf)
        if stamp in queue and abs(other - stamp) < self.slop:
            pair = {row: queue.pop(stamp), 1 - row: self.queues[1 - row].pop(other)}
            self.signalMessage(pair[0], pair[1])


@pytest.fixture
def stream(monkeypatch) -> DepthStream:
    """Started, with a camera; headers are stamps in nanoseconds. `out` has what it hands on: stamps, and whether with
    depth."""
    module = ModuleType("message_filters")
    module.SimpleFilter, module.ApproximateTimeSynchronizer = SimpleFilter, ApproximateTimeSynchronizer
    monkeypatch.setitem(sys.modules, "message_filters", module)
    out: list[tuple[int, bool]] = []
    made = DepthStream(
        lambda frame, found: out.append((frame.stamp_ns // MS, found is not None)),
        lambda: made.release(),
        lambda message: message.depth,
        lambda header: header,
    )
    made.out = out
    made.timeout = 1000.0
    made.see(CAMERA)
    made.start(0.02)
    return made


def track(stream: DepthStream, ms: int, depth_first: bool = False) -> None:
    """A frame is worked on; its depth comes before that, if at all."""
    if depth_first:
        hear(stream, ms)
    stream.expect(ms * MS)
    stream.add(Tracked(ms * MS, ms * MS, np.zeros((*SIZE, 3), np.uint8), FrameResult(0, SIZE)))


def hear(stream: DepthStream, ms: int, depth: np.ndarray | None = None) -> None:
    depth = np.full(SIZE, 1000, np.uint16) if depth is None else depth
    stream.hear(SimpleNamespace(header=ms * MS, depth=depth))


def test_a_frame_whose_depth_is_there_is_handed_on_at_once(stream):
    track(stream, 100, depth_first=True)
    assert stream.out == [(100, True)]


def test_before_the_first_depth_nothing_waits(stream):
    track(stream, 100)
    assert stream.out == [(100, False)]


def test_a_frame_waits_for_its_depth(stream):
    hear(stream, 67)
    track(stream, 100)
    assert stream.out == []
    hear(stream, 105)
    assert stream.out == [(100, True)]


def test_a_frame_whose_depth_will_not_come_any_more_goes_on_without(stream):
    hear(stream, 67)
    track(stream, 100)
    hear(stream, 133)  # later than the slop allows
    assert stream.out == [(100, False)]


def test_two_frames_wait_at_most_and_all_go_on_in_order(stream):
    hear(stream, 67)
    for ms in (100, 133, 167):
        track(stream, ms)
    assert stream.out == [(100, False)]
    hear(stream, 167)
    assert stream.out == [(100, False), (133, False), (167, True)]


def test_without_depth_for_a_while_nothing_waits(stream):
    hear(stream, 67)
    track(stream, 100)
    stream.timeout = 0.0
    stream.wake_if_waiting()
    track(stream, 133)
    assert stream.out == [(100, False), (133, False)]
    assert stream.trouble("/depth", "/info").startswith("no depth on /depth for 0.0 s")


def test_after_a_jump_back_in_time_frames_are_paired_again(stream):
    for ms in range(60_000, 60_400, 33):
        hear(stream, ms)
    track(stream, 60_396)
    for ms in (0, 33, 67):
        hear(stream, ms)
        track(stream, ms)
    assert stream.out[1:] == [(0, True), (33, True), (67, True)]


def test_a_stopped_stream_hands_everything_on_and_hears_nothing(stream):
    stream.stop()
    hear(stream, 100)
    track(stream, 100)
    assert stream.out == [(100, False)]
    assert (stream.trouble("/depth", "/info"), stream.summary()) == ("", {})


def test_counts_and_troubles_are_told(stream):
    assert stream.trouble("/depth", "/info") == "no depth on /depth yet: 2D only"
    track(stream, 100, depth_first=True)
    hear(stream, 133, np.zeros((2, 2), np.uint16))
    track(stream, 133)
    assert stream.trouble("/depth", "/info") == "expected depth of the image's size 8x6; got 2x2: 2D only"
    assert stream.summary() == {"frames with depth / without": "1 / 1"}
    track(stream, 167, depth_first=True)
    assert stream.trouble("/depth", "/info") == ""
    stream.camera = None
    assert stream.trouble("/depth", "/info") == "depth, but no CameraInfo on /info: 2D only"


def test_depth_that_fails_to_convert_is_left_out(stream, monkeypatch):
    def convert(message):
        raise FrameError("expected depth; got noise")

    monkeypatch.setattr(stream, "_convert", convert)
    track(stream, 100, depth_first=True)
    assert stream.out == [(100, False)]
    assert "got noise" in stream.trouble("/depth", "/info")


def test_a_camera_like_the_last_one_is_not_exchanged(stream):
    stream.see(Pinhole(CAMERA.K.copy(), np.zeros(0), "", 8, 6))
    assert stream.camera is CAMERA
    other = Pinhole(2 * CAMERA.K, np.zeros(0), "", 8, 6)
    stream.see(other)
    assert stream.camera is other


def test_a_click_is_checked_against_the_depth_of_its_image(stream):
    far = np.full(SIZE, 3000, np.uint16)
    hear(stream, 100, far)
    track(stream, 100)
    track(stream, 133, depth_first=True)
    behind = np.array([0, 0, 2.0])
    stream.require_in_sight(behind, (3, 2), 100 * MS, SIZE)
    stream.require_in_sight(behind, (3, 2), 132 * MS, SIZE)
    with pytest.raises(QueryError, match=r"something 1\.00 m deep"):
        stream.require_in_sight(behind, (3, 2), 133 * MS, SIZE)
    # nothing is known of an image before the first depth, or long after the last
    stream.require_in_sight(behind, (3, 2), 99 * MS, SIZE)
    stream.require_in_sight(behind, (3, 2), 1134 * MS, SIZE)


def test_depth_is_kept_as_long_as_images_are(stream):
    for ms in range(0, 3000, 100):
        track(stream, ms, depth_first=True)
    assert sorted(stream._paired) == [ms * MS for ms in range(1900, 3000, 100)]


def test_without_message_filters_one_line_says_so(stream, monkeypatch):
    monkeypatch.setitem(sys.modules, "message_filters", None)
    with pytest.raises(ConfigError, match="message_filters is not installed"):
        stream.start(0.02)
    track(stream, 100)
    assert stream.out == [(100, False)]
    assert stream.trouble("/depth", "/info").startswith("message_filters is not installed")
