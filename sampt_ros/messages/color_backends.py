"""Backends that convert images of rare encodings; one is chosen when the first such image comes."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from sampt_ros.errors import FrameError

Backend = Callable[[Any], np.ndarray]


@cache
def color_backend() -> Backend:
    """A function that converts an unpadded image message to RGB, by the first of BACKENDS that is installed.

    Raises FrameError if there is none.
    """
    for find in BACKENDS:
        backend = find()
        if backend is not None:
            return backend
    raise FrameError(
        "expected cv_bridge (apt install ros-$ROS_DISTRO-cv-bridge) or rosbags-image (pip install rosbags-image) "
        "for an encoding that OpenCV does not convert; got neither"
    )


def rosbags_backend() -> Backend | None:
    """The backend of rosbags-image, or None if it is not installed."""
    try:
        module = importlib.import_module("rosbags.image")
    except ImportError:
        return None
    return lambda image: module.image_to_cvimage(image, "rgb8")


# In order of preference. In a node, ROS's cv_bridge is inserted first: see sampt_ros.ros.conversions.
BACKENDS: list[Callable[[], Backend | None]] = [rosbags_backend]
