"""The node answers while inference is slow, and skips frames and lowers its effort to keep up."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (rclpy)")
pytest.importorskip("sampt_ros.msg", reason="needs the built package, for sampt_ros.msg (make setup)")

from node_harness import START_NS, Harness, as_array, middle, near, wait_for
from std_srvs.srv import SetBool, Trigger


@contextmanager
def inference(sampt: Harness) -> Iterator[int]:
    """A frame whose inference lasts as long as the block; gives its stamp."""
    sampt.segmenter.gate.clear()
    sampt.segmenter.entered.clear()
    stamp = sampt.send()
    assert sampt.segmenter.entered.wait(20)
    try:
        yield stamp
    finally:
        sampt.segmenter.gate.set()


def test_reset_answers_during_inference_and_takes_effect_after_it(sampt):
    sampt.start_object((20, 20))
    with inference(sampt) as stamp:
        assert sampt.call(Trigger, "reset").success
        assert stamp not in sampt.masks
    assert list(sampt.result(stamp).objects) == [1]
    assert sampt.track().objects == {}
    # ids begin anew
    sampt.start_object((20, 20))
    assert list(sampt.track().objects) == [1]


def test_pause_answers_during_inference_and_takes_effect_after_it(sampt):
    sampt.start_object((20, 20))
    with inference(sampt) as stamp:
        waiting = sampt.send()
        sampt.wait_for_count("frames_received", 3)
        assert sampt.call(SetBool, "pause", SetBool.Request(data=True)).message == "paused"
    sampt.result(stamp)
    assert sampt.diagnostics()["message"] == "paused"
    sampt.send()
    sampt.wait_for_count("frames_received", 4)
    # clicks work, on the last tracked frame
    sampt.start_object((44, 30))
    assert sampt.call(SetBool, "pause", SetBool.Request(data=False)).message == "running"
    result = sampt.track()
    assert list(result.objects) == [1, 2]
    assert sorted(sampt.masks) == [START_NS, stamp, result.stamp]
    assert waiting not in sampt.masks


def test_parameters_answer_during_inference(sampt):
    sampt.start_object((20, 20))
    with inference(sampt):
        assert sampt.set_parameter("prompting.iou_threshold", 0.9).successful


def test_during_inference_the_newest_image_wins(sampt):
    sampt.start_object((20, 20))
    with inference(sampt) as stamp:
        for received in range(3, 10):
            newest = sampt.send()
            sampt.wait_for_count("frames_received", received)
    sampt.result(newest)
    assert sorted(sampt.masks) == [START_NS, stamp, newest]
    values = sampt.diagnostics()
    assert [values[f"frames_{what}"] for what in ("received", "tracked", "dropped")] == ["9", "3", "6"]


def test_a_query_may_name_an_image_that_was_skipped(sampt):
    sampt.start_object((20, 20))
    with inference(sampt):
        skipped = sampt.send()
        sampt.wait_for_count("frames_received", 3)
        newest = sampt.send()
        sampt.wait_for_count("frames_received", 4)
    sampt.result(newest)
    sampt.start_object((40, 30), stamp=skipped)
    # the tracker saw one frame since the click, and sees this one
    assert middle(sampt.track().labels == 2) == near(42, 30)


def test_a_camera_faster_than_the_node_is_never_queued(sampt):
    processing, period, frames = 0.04, 0.01, 120
    sampt.start_object((20, 20))
    sampt.segmenter.delay = processing
    sent: list[int] = []
    latency: dict[int, int] = {}  # in frames sent since, by stamp
    sampt.on_mask = lambda stamp: latency.setdefault(stamp, len(sent) - 1 - sent.index(stamp))
    begin = time.perf_counter()
    for index in range(frames):
        time.sleep(max(0.0, begin + index * period - time.perf_counter()))
        sent.append(sampt.next_stamp())
        sampt.send(stamp=sent[-1])
    sampt.segmenter.delay = 0.0
    sampt.result(sent[-1])
    values = sampt.diagnostics()
    received, tracked, dropped = (int(values[f"frames_{what}"]) for what in ("received", "tracked", "dropped"))
    assert dropped > frames / 4
    assert received == tracked + dropped
    # One processing time until the frame's turn comes, and one for itself, is 8 frames; a queue of 5 would make it 24.
    assert len(latency) == tracked - 1
    assert np.percentile(list(latency.values()), 90) <= 16


def play(sampt: Harness, frames: int, period: float) -> list[int]:
    """Send frames in the rhythm of a camera, in seconds; returns their stamps."""
    sent = []
    begin = time.perf_counter()
    for index in range(frames):
        time.sleep(max(0.0, begin + index * period - time.perf_counter()))
        sent.append(sampt.send())
    return sent


def test_where_frames_take_longer_than_the_period_the_effort_is_less_and_rises_again(sampt):
    period = 0.03
    sampt.tracker.drift = np.zeros(2, np.float32)  # so that the object stays in the image
    sampt.start_object((20, 20))
    assert sampt.diagnostics()["effort"] == "step 0 of 2: full effort"
    sampt.segmenter.delay = 2.5 * period  # the network takes it on each of its frames
    stamps = play(sampt, 120, period)
    values = sampt.diagnostics()
    assert values["effort"] == "step 2 of 2: the network on 1 of 2 frames"
    assert values["level"] == "OK" and "with the network on 1 of 2 frames" in values["message"]
    assert 0 < float(values["load (time for a frame / camera's period)"]) < 10
    sampt.result(stamps[-1])
    assert all(as_array(mask).any() for stamp, mask in sampt.masks.items() if stamp >= stamps[0])

    sampt.segmenter.delay = 0.0
    full = "step 0 of 2: full effort"
    wait_for(lambda: play(sampt, 40, period) and sampt.diagnostics()["effort"] == full, "the effort does not rise")
    assert sampt.diagnostics()["message"] == "tracking; objects: 1"


def test_with_load_shedding_switched_off_the_effort_is_always_full(start_node):
    sampt = start_node(shed_load=False).start()
    sampt.track()
    sampt.start_object((20, 20))
    sampt.segmenter.delay = 0.04
    play(sampt, 60, 0.01)
    assert sampt.diagnostics()["effort"] == "step 0 of 2: full effort"
