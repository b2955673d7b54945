"""What converts images of rare encodings: looked for when the first such image comes."""

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
    """What converts an unpadded image message to RGB: the first of BACKENDS that is installed.

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
    """rosbags-image, or None."""
    try:
        module = importlib.import_module("rosbags.image")
    except ImportError:
        return None
    return lambda image: module.image_to_cvimage(image, "rgb8")


# In the order of preference. In a node ROS's own cv_bridge comes before them: see sampt_ros.ros.conversions.
BACKENDS: list[Callable[[], Backend | None]] = [rosbags_backend]
