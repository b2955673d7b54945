"""Streams for tests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from sampt_ros.data_types import FrameResult
from sampt_ros.streaming.offline.video_tracker import track
from sampt_ros.streaming.requests import ObjectStart
from sampt_ros.streaming.stream import Stream
from sampt_ros.tracking.sam_pt import SamPt


class ListLog:
    """Keeps what is told, by how it is told."""

    def __init__(self) -> None:
        self.told: dict[str, list[str]] = {name: [] for name in ("debug", "info", "warning", "error", "repeated")}

    def debug(self, message: str) -> None:
        self.told["debug"].append(message)

    def info(self, message: str) -> None:
        self.told["info"].append(message)

    def warning(self, message: str) -> None:
        self.told["warning"].append(message)

    def error(self, message: str) -> None:
        self.told["error"].append(message)

    def repeated(self, message: str) -> None:
        self.told["repeated"].append(message)


def follow(
    sam_pt: SamPt, images: Iterable[np.ndarray], starts: Mapping[int, ObjectStart]
) -> Iterator[tuple[np.ndarray, FrameResult]]:
    """Every image and its result, as `sampt track` makes them."""
    return track(Stream.of_recording(sam_pt, starts), enumerate(images))
