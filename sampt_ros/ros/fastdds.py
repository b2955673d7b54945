"""Configures Fast DDS, which carries image messages between processes."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

from sampt_ros.config.presets import presets_folder

_BEFORE_KILTED = ("humble", "iron", "jazzy")
_USER_SETTINGS = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_BUILTIN_TRANSPORTS")


def enlarge_shared_memory() -> None:
    """Give Fast DDS shared memory that holds whole images (config/fastdds.xml), unless the user has configured it.

    Call this before rclpy.init, in a process that publishes images. Without it best-effort subscribers lose most images
    above 512 kB. Other middleware is not affected.
    """
    profiles = presets_folder() / "fastdds.xml"
    if profiles.is_file() and not any(os.environ.get(name) for name in _USER_SETTINGS):
        name = "FASTRTPS_DEFAULT_PROFILES_FILE" if _is_fast_dds_2() else "FASTDDS_DEFAULT_PROFILES_FILE"
        os.environ[name] = str(profiles)


def middleware() -> str:
    """The name of the RMW implementation in use; raises ImportError, OSError or RuntimeError if it is broken."""
    return str(importlib.import_module("rclpy").get_rmw_implementation_identifier())


def _is_fast_dds_2() -> bool:
    """Whether this ROS has Fast DDS 2, as before Kilted; that version still uses its former name, Fast RTPS."""
    distribution = os.environ.get("ROS_DISTRO")
    if distribution:
        return distribution in _BEFORE_KILTED
    return any(Path(sys.prefix, "lib").glob("libfastrtps.so*"))  # ROS from wheels sets no ROS_DISTRO
