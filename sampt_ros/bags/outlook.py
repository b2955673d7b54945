"""Looks ahead in a bag, to the stamps of its images: of the next ones, and of the one that a query names."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import count

from sampt_ros.bags.storage import Entry

_IMAGES = 4  # Images that are looked ahead to; more with wrong stamps in a row count as a change of the stream.
_MAX_WAITING_BYTES = 128 * 2**20  # of images, and of what was recorded between them
_SECOND = 1_000_000_000
_MARGIN_NS = 60 * _SECOND  # No image has a stamp that is later than the bag's end by more.


def with_outlook(messages: Iterable[Entry], topic: str) -> Iterator[tuple[Entry, tuple[int, ...]]]:
    """Each message, in the order given, and for an image on `topic` the stamps of up to four next ones in nanoseconds.

    There are fewer at the end, where a stamp cannot be read, or where much was recorded meanwhile.
    """
    waiting: deque[Entry] = deque()
    stamps: deque[int | None] = deque()  # of the images that wait
    waiting_bytes = 0

    def released() -> tuple[Entry, tuple[int, ...]]:
        entry = waiting.popleft()
        if entry[0] != topic:
            return entry, ()
        stamps.popleft()
        return entry, tuple(stamp for stamp in stamps if stamp is not None)

    for entry in messages:
        waiting.append(entry)
        waiting_bytes += len(entry[2])
        if entry[0] == topic:
            stamps.append(_stamp_ns(entry[2]))
        while waiting and (waiting[0][0] != topic or len(stamps) > _IMAGES or waiting_bytes > _MAX_WAITING_BYTES):
            waiting_bytes -= len(waiting[0][2])
            yield released()
    while waiting:
        yield released()


class ImageStamps:
    """The stamps of all images of a bag, which are read as far as they are asked for."""

    def __init__(self, images: Iterable[Entry], last_ns: int | None = None) -> None:
        """images: the messages of the images, in the order in which they are tracked.

        last_ns: the latest recording time of the bag (ns), if known
        """
        self._unread = iter(images)
        self._last_ns = last_ns
        self._stamps: list[int | None] = []
        self._ahead_ns = 0  # by which the stamps that were read are later than their images' recording at most

    def named_by(self, stamp_ns: int, newest: int) -> int | None:
        """The number of the image that a query's stamp names, if images up to number `newest` (-1: none) have come.

        That is a later image of exactly this stamp; or else `newest`, if none comes or the next one is newer than the
        stamp; or else None. A few images with wrong stamps in a row are passed over. Of a stamp that is later than the
        end of the bag by more than 1 min, as its camera's clock tells it, not all images are read to say so.
        """
        following: int | None = None  # stamp of the next image
        newer = 0
        for number in count(newest + 1):
            while number >= len(self._stamps) and (entry := next(self._unread, None)) is not None:
                self._stamps.append(_stamp_ns(entry[2]))
                self._ahead_ns = max(self._ahead_ns, (self._stamps[-1] or 0) - entry[1])
            if number >= len(self._stamps) or newer > _IMAGES:
                break
            stamp = self._stamps[number]
            if stamp == stamp_ns:
                return number
            if stamp is not None:
                following = stamp if following is None else following
                newer = newer + 1 if stamp > stamp_ns else 0
                if self._last_ns is not None and stamp_ns > self._last_ns + self._ahead_ns + _MARGIN_NS:
                    break
        return newest if following is None or following > stamp_ns else None


def _stamp_ns(data: bytes) -> int | None:
    """Nanoseconds of the stamp that a serialized message with a header begins with; None if it is not a valid time."""
    if len(data) < 12:
        return None
    # The second byte tells the order of bytes; the message comes after the fourth.
    seconds, nanoseconds = struct.unpack_from("<iI" if data[1] & 1 else ">iI", data, 4)
    return seconds * _SECOND + nanoseconds if seconds >= 0 and nanoseconds < _SECOND else None
