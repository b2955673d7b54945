"""What a video file holds besides frames of one kind, found by PyAV from its header and a few of its frames."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sampt_ros.io.video.frame_source import FALLBACK_FPS

_PLACES = 8  # So many places of a file are looked at, at equal distances.
_MAX_READ = 1 << 22  # So many bytes are read there; in files without an index, seeking reads all that is between.
_MAX_PACKETS = 300  # After so many at one place, no frame is expected there any more.
_MAX_FPS = 1000
_BY_BYTES = {"h264", "hevc", "m4v", "mpeg", "mpegts", "mpegvideo"}  # Formats whose times may begin anew within a file.
_ATTACHED = 1024  # FFmpeg's mark of a cover picture.
_DURATION = re.compile(r"(\d+):(\d+):(\d+(?:\.\d*)?)")  # As Matroska gives the end of each track.


@dataclass(frozen=True)
class VideoContents:
    """What is to know of a video file before it is read.

    tracks         the size of each track of pictures, such as "640x480"; the first track is read
    length         number of frames that the header claims for that track; None if it does not say
    is_interlaced  whether some frames consist of two fields, as far as seen in a few places, or at the beginning
    changes_size   whether the frames are of several sizes, as far as seen there
    """

    tracks: tuple[str, ...]
    length: int | None
    is_interlaced: bool
    changes_size: bool


def video_contents(path: Path) -> VideoContents | None:
    """What a video file holds; None without PyAV, or if that cannot read the file."""
    try:
        import av
    except ImportError:
        return None
    try:
        with _File(path) as file, av.open(file) as container:
            tracks = picture_tracks(container)
            if not tracks:
                return None
            file.left = _MAX_READ
            seen = list(_some_frames(av, container, tracks[0], path.stat().st_size))
            return VideoContents(
                tracks=tuple(f"{track.width}x{track.height}" for track in tracks),
                length=claimed_frames(container, tracks[0]),
                is_interlaced=any(frame.interlaced_frame for frame in seen),
                changes_size=len({(frame.width, frame.height) for frame in seen}) > 1,
            )
    except (av.FFmpegError, OSError, ValueError):
        return None


def picture_tracks(container: Any) -> list[Any]:
    """The tracks of pictures of a file open in PyAV; a cover picture is none, unless there is nothing else."""
    tracks = list(container.streams.video)
    return [track for track in tracks if not _is_attached(track)] or tracks


def frame_rate(track: Any) -> float:
    """Frames per second of a track, or the usual rate if its header gives none, or a time base in place of one."""
    rates = (getattr(track, name, None) for name in ("average_rate", "guessed_rate", "base_rate"))
    return next((float(rate) for rate in rates if rate and rate <= _MAX_FPS), FALLBACK_FPS)


def claimed_frames(container: Any, track: Any) -> int | None:
    """How many frames the header claims for a track, counted or by its duration; None if it does not say.

    A file's duration is that of its longest track, so it tells nothing of one track of pictures among several.
    """
    if track.frames:
        return int(track.frames)
    seconds = 0.0
    if track.duration is not None and track.time_base is not None:
        seconds = float(track.duration * track.time_base)
    elif found := _DURATION.match(track.metadata.get("DURATION", "")):
        end = (int(found[1]) * 60 + int(found[2])) * 60 + float(found[3])
        seconds = max(end - float((track.start_time or 0) * track.time_base), 0.0)
    elif len(picture_tracks(container)) == 1:
        seconds = (container.duration or 0) / 1e6  # microseconds
    return round(seconds * frame_rate(track)) or None


class _File:
    """A file that PyAV reads by its methods, and that ends for it where it has read `left` bytes, unless that is None.

    name  its name, by which PyAV takes the format of some files
    """

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self.left: int | None = None
        self._file = path.open("rb")

    def read(self, size: int) -> bytes:
        content = self._file.read(size if self.left is None else min(size, self.left))
        if self.left is not None:
            self.left -= len(content)
        return content

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def __enter__(self) -> _File:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()


def _is_attached(track: Any) -> bool:
    disposition = getattr(track, "disposition", 0)  # Old versions of PyAV lack it.
    return bool(int(getattr(disposition, "value", disposition)) & _ATTACHED)


def _some_frames(av: Any, container: Any, track: Any, size: int) -> Iterator[Any]:
    """The first frame that can be decoded at each of a few places of a file of `size` bytes."""
    by_bytes = container.format.name in _BY_BYTES
    start, duration = container.start_time or 0, container.duration or 0
    for place in range(_PLACES):
        if place:
            try:
                if by_bytes:
                    container.seek(place * size // _PLACES, unsupported_byte_offset=True)
                else:
                    container.seek(start + place * duration // _PLACES)
            except (av.FFmpegError, OSError):
                return  # The file cannot be read but from its start.
        if (frame := _next_frame(av, container, track)) is not None:
            yield frame


def _next_frame(av: Any, container: Any, track: Any) -> Any:
    """The next frame that can be decoded, or None."""
    try:
        for number, packet in enumerate(container.demux(track)):
            try:
                if frames := packet.decode():
                    return frames[0]
            except av.FFmpegError:
                pass  # It is told when the file is read.
            if number == _MAX_PACKETS:
                return None
    except av.FFmpegError:
        pass
    return None
