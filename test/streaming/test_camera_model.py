"""The camera model that a stream was told of last."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
from fakes import DriftingTracker, SquareSegmenter
from session_stream import CONFIG

from sampt_ros.config.node import NodeConfig
from sampt_ros.geometry.camera import Pinhole
from sampt_ros.streaming.stream import Stream
from sampt_ros.tracking.sam_pt import SamPt

OPTIONS = NodeConfig()


def stream_with_camera() -> tuple[Stream, list[bool]]:
    """A stream, and whether the images were rectified each time that it asked for the model."""
    asked: list[bool] = []

    def load(rectified: bool) -> Pinhole:
        asked.append(rectified)
        focal = 150.0 if rectified else 300.0
        return Pinhole(np.array([[focal, 0, 32], [0, focal, 24], [0, 0, 1]]), np.zeros(0), "plumb_bob", 64, 48)

    stream = Stream.of_recording(SamPt(CONFIG, SquareSegmenter(), DriftingTracker()), {}, OPTIONS)
    stream.camera(load)
    return stream, asked


def test_a_change_of_rectified_holds_without_another_camera_info():
    stream, asked = stream_with_camera()
    stream.options = replace(OPTIONS, rectified=True)
    assert asked == [False, True]
    assert stream.depth_queue.camera.K[0, 0] == 150


def test_other_options_leave_the_camera_alone():
    stream, asked = stream_with_camera()
    stream.options = replace(OPTIONS, history=0.5)
    assert asked == [False]
    assert stream.session.history == 0.5


def test_a_change_of_rectified_before_any_camera_info_waits_for_it():
    stream = Stream.of_recording(SamPt(CONFIG, SquareSegmenter(), DriftingTracker()), {}, OPTIONS)
    stream.options = replace(OPTIONS, rectified=True)
    assert stream.depth_queue.camera is None


def test_a_camera_info_that_comes_while_rectified_changes_is_used_as_the_images_now_are():
    stream, _ = stream_with_camera()
    converting, changed = threading.Event(), threading.Event()

    def load(rectified: bool) -> Pinhole:
        converting.set()
        changed.wait(0.2)  # meanwhile the option changes, in the other thread
        focal = 150.0 if rectified else 300.0
        return Pinhole(np.array([[focal, 0, 32], [0, focal, 24], [0, 0, 1]]), np.zeros(0), "plumb_bob", 64, 48)

    def change() -> None:
        converting.wait()
        stream.options = replace(OPTIONS, rectified=True)
        changed.set()

    worker = threading.Thread(target=change)
    worker.start()
    stream.camera(load)
    worker.join()
    assert stream.depth_queue.camera.K[0, 0] == 150
