"""Looks ahead in a bag, to the stamp of the next image, which tells a long pause from a wrong stamp."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from sampt_ros.bags.storage import Entry

_MAX_WAITING_BYTES = 128 * 2**20  # read after an image, such as depth that goes on after the last one
_SECOND = 1_000_000_000


def with_outlook(messages: Iterable[Entry], topic: str) -> Iterator[tuple[Entry, int | None]]:
    """Each message, in the order given, and for an image on `topic` the stamp of the next one in nanoseconds.

    Its own stamp stands for that of the next one where there is none, or none that can be read.
    """
    waiting: list[Entry] = []  # an image, and what was recorded after it
    waiting_bytes = 0
    for entry in messages:
        is_image = entry[0] == topic
        if waiting and (is_image or waiting_bytes > _MAX_WAITING_BYTES):
            yield from _released(waiting, entry[2] if is_image else b"")
            waiting, waiting_bytes = [], 0
        if is_image or waiting:
            waiting.append(entry)
            waiting_bytes += len(entry[2])
        else:
            yield entry, None
    if waiting:
        yield from _released(waiting, b"")


def _released(waiting: list[Entry], following: bytes) -> Iterator[tuple[Entry, int | None]]:
    """What has waited, given the image that follows."""
    image, *others = waiting
    next_ns = _stamp_ns(following)
    yield image, _stamp_ns(image[2]) if next_ns is None else next_ns
    for entry in others:
        yield entry, None


def _stamp_ns(data: bytes) -> int | None:
    """Nanoseconds of the stamp that a serialized message with a header begins with; None if it is not a valid time."""
    if len(data) < 12:
        return None
    # The second byte tells the order of bytes; the message comes after the fourth.
    seconds, nanoseconds = struct.unpack_from("<iI" if data[1] & 1 else ">iI", data, 4)
    return seconds * _SECOND + nanoseconds if seconds >= 0 and nanoseconds < _SECOND else None
