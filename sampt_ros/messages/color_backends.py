"""What converts images of rare encodings: ROS's cv_bridge, or rosbags-image. Looked for when first needed."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from sampt_ros.errors import FrameError

Backend = Callable[[Any], np.ndarray]


@cache
def color_backend() -> Backend:
    """What converts an unpadded image message to RGB: ROS's cv_bridge, else rosbags-image.

    Raises FrameError if there is neither.
    """
    for find in (cv_bridge_backend, rosbags_backend):
        backend = find()
        if backend is not None:
            return backend
    raise FrameError(
        "expected cv_bridge (apt install ros-$ROS_DISTRO-cv-bridge) or rosbags-image (pip install rosbags-image) "
        "for an encoding that OpenCV does not convert; got neither"
    )


def cv_bridge_backend() -> Backend | None:
    """ROS 2's cv_bridge, or None: not the package of that name on PyPI, which is ROS 1's and gets encodings wrong."""
    try:
        prefix = importlib.import_module("ament_index_python.packages").get_package_prefix("cv_bridge")
        module = importlib.import_module("cv_bridge")
        # Its compiled half, which fails to load beside a numpy that it was not built for.
        importlib.import_module("cv_bridge.boost.cv_bridge_boost")
    except (ImportError, LookupError, AttributeError, OSError, SystemError):
        return None
    if Path(prefix) not in Path(module.__file__ or "").parents:
        return None
    bridge = module.CvBridge()
    return lambda image: bridge.imgmsg_to_cv2(image, "rgb8")


def rosbags_backend() -> Backend | None:
    """rosbags-image, or None."""
    try:
        module = importlib.import_module("rosbags.image")
    except ImportError:
        return None
    return lambda image: module.image_to_cvimage(image, "rgb8")
