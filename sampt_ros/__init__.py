"""SAM-PT as a real-time ROS 2 stream: points in, masks out.

    from sampt_ros import SamPt

    sam_pt = SamPt()
    sam_pt.step(image)                                 # (H, W, 3) uint8 RGB
    cup = sam_pt.add_object(points=[(320, 240)])       # pixels (x, y) on that image
    result = sam_pt.step(next_image)                   # result.labels == cup.id, result.mask, result.objects

Each name is imported when it is first used, so that a program which needs only the messages in `sampt_ros.msg` does not
wait for OpenCV or torch.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING

# A damaged image may claim any size, and OpenCV takes seconds and gigabytes before it finds that out. It reads this
# limit when it is first imported.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(2**27))

if TYPE_CHECKING:
    from sampt_ros.config.core import SamPtConfig
    from sampt_ros.config.presets import load_preset, preset_names
    from sampt_ros.data_types import NEGATIVE, POSITIVE, FrameResult, LocalMask, ObjectResult, ObjectState, Points
    from sampt_ros.errors import (
        CheckpointError,
        ConfigError,
        FrameError,
        OutOfMemoryError,
        ProjectionError,
        QueryError,
        SamPtError,
        ServerError,
        SourceError,
        StampError,
        UnknownObjectError,
    )
    from sampt_ros.io.video import FrameSource, open_source
    from sampt_ros.point_trackers import POINT_TRACKERS
    from sampt_ros.point_trackers.base import PointTracker
    from sampt_ros.segmenters import SEGMENTERS
    from sampt_ros.segmenters.base import Segmenter
    from sampt_ros.tracking.sam_pt import SamPt

__all__ = [
    "NEGATIVE",
    "POINT_TRACKERS",
    "POSITIVE",
    "SEGMENTERS",
    "CheckpointError",
    "ConfigError",
    "FrameError",
    "FrameResult",
    "FrameSource",
    "LocalMask",
    "ObjectResult",
    "ObjectState",
    "OutOfMemoryError",
    "PointTracker",
    "Points",
    "ProjectionError",
    "QueryError",
    "SamPt",
    "SamPtConfig",
    "SamPtError",
    "Segmenter",
    "ServerError",
    "SourceError",
    "StampError",
    "UnknownObjectError",
    "load_preset",
    "open_source",
    "preset_names",
]

# Where each public name is defined: the imports above, which only type checkers and editors read.
_NAMES = {
    "sampt_ros.config.core": ["SamPtConfig"],
    "sampt_ros.config.presets": ["load_preset", "preset_names"],
    "sampt_ros.data_types": [
        "NEGATIVE",
        "POSITIVE",
        "FrameResult",
        "LocalMask",
        "ObjectResult",
        "ObjectState",
        "Points",
    ],
    "sampt_ros.errors": [
        "CheckpointError",
        "ConfigError",
        "FrameError",
        "OutOfMemoryError",
        "ProjectionError",
        "QueryError",
        "SamPtError",
        "ServerError",
        "SourceError",
        "StampError",
        "UnknownObjectError",
    ],
    "sampt_ros.io.video": ["FrameSource", "open_source"],
    "sampt_ros.point_trackers": ["POINT_TRACKERS"],
    "sampt_ros.point_trackers.base": ["PointTracker"],
    "sampt_ros.segmenters": ["SEGMENTERS"],
    "sampt_ros.segmenters.base": ["Segmenter"],
    "sampt_ros.tracking.sam_pt": ["SamPt"],
}
_MODULES = {name: module for module, names in _NAMES.items() for name in names}

if not TYPE_CHECKING:  # type checkers would take any name for a public one

    def __getattr__(name: str) -> object:
        """Import a public name at its first use (PEP 562)."""
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(_MODULES[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
