"""How image messages travel between processes."""

from __future__ import annotations

import importlib
import os

from sampt_ros.config.presets import presets_folder

_BEFORE_KILTED = ("humble", "iron", "jazzy")
_USERS_CHOICES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_BUILTIN_TRANSPORTS")


def enlarge_shared_memory() -> None:
    """Give Fast DDS shared memory that holds whole images (config/fastdds.xml), unless the user has set it up.

    To be called before rclpy.init, in a process that publishes images. Without it best-effort subscribers lose most
    images above 512 kB. Other middleware takes no notice.
    """
    profiles = presets_folder() / "fastdds.xml"
    if profiles.is_file() and not any(os.environ.get(name) for name in _USERS_CHOICES):
        library = "FASTRTPS" if os.environ.get("ROS_DISTRO") in _BEFORE_KILTED else "FASTDDS"
        os.environ[f"{library}_DEFAULT_PROFILES_FILE"] = str(profiles)


def middleware() -> str:
    """The name of the RMW implementation in use; raises ImportError, OSError or RuntimeError if it is broken."""
    return str(importlib.import_module("rclpy").get_rmw_implementation_identifier())
