"""Frames from a video file, an image folder or a camera, behind one interface."""

from __future__ import annotations

import logging
import re
from contextlib import suppress
from pathlib import Path

from sampt_ros.errors import SourceError
from sampt_ros.io.video.file_order import natural_key
from sampt_ros.io.video.frame_source import FALLBACK_FPS, FrameSource
from sampt_ros.io.video.image_folder import (
    FURTHER_SUFFIXES,
    IMAGE_SUFFIXES,
    ImageFolder,
    frame_files,
    image_files,
    is_pattern,
    matching_files,
)
from sampt_ros.io.video.image_stack import ImageStack, is_stack
from sampt_ros.io.video.opencv_sources import Camera, VideoFile, are_frames_written, grey_bits
from sampt_ros.io.video.pyav_file import HINT, PyavFile
from sampt_ros.io.video.video_contents import video_contents
from sampt_ros.weights import git_lfs

__all__ = [
    "BAG_SUFFIX",
    "FALLBACK_FPS",
    "FURTHER_SUFFIXES",
    "IMAGE_SUFFIXES",
    "FrameSource",
    "VideoFile",
    "frame_files",
    "image_files",
    "is_bag",
    "is_bag_name",
    "natural_key",
    "open_source",
]

_log = logging.getLogger(__name__)

BAG_SUFFIX = re.compile(r"\.(mcap|db3)(\.zstd?)?$", re.IGNORECASE)  # of a file of a ROS 2 bag
_BAG_METADATA = "metadata.yaml"


def open_source(source: str) -> FrameSource:
    """Open a source of frames: the path of a video file or an image folder, or a camera's number such as "0".

    A pattern of names selects some of the images in a folder: "frames/*-color.jpg", "frames/%05d.png". Raises
    SourceError if the source is missing, empty or unreadable.
    """
    path = Path(source)
    if is_bag(path):
        raise SourceError(f"expected a video file or an image folder; {source!r} is a ROS 2 bag: `sampt bag` reads it")
    if path.is_dir():
        return ImageFolder(path, frame_files(path), warn_of_several_kinds=True)
    if path.is_file():
        return _video_file(path)
    if re.fullmatch(r"\d{1,3}", source):
        return Camera(int(source))
    if is_pattern(path.name):
        return ImageFolder(path, matching_files(path))
    raise SourceError(
        f"expected a video file, an image folder, a pattern of image files or a camera's number; there is no {source!r}"
    )


def is_bag_name(name: str) -> bool:
    """Whether a file's name is that of a file of a ROS 2 bag."""
    return name.lower() == _BAG_METADATA or bool(BAG_SUFFIX.search(name))


def is_bag(path: Path) -> bool:
    """Whether a file, or a folder without frames, is a ROS 2 bag by its name, or by those of its files."""
    if not path.is_dir():
        return path.is_file() and is_bag_name(path.name)
    names = [file.name for file in path.iterdir()]
    # A preview beside messages is no frame; metadata.yaml alone may be anything's.
    frames = IMAGE_SUFFIXES if any(map(BAG_SUFFIX.search, names)) else IMAGE_SUFFIXES + FURTHER_SUFFIXES
    return any(map(is_bag_name, names)) and not any(name.lower().endswith(frames) for name in names)


def _video_file(path: Path) -> FrameSource:
    """A video read by OpenCV, or by PyAV if only PyAV can read it, or reads it better."""
    if path.stat().st_size == 0:
        raise SourceError(f"cannot read {path}: it is empty")
    if git_lfs.is_pointer_file(path):
        raise SourceError(f"cannot read {path}: {git_lfs.POINTER}")
    if is_stack(path):
        return ImageStack(path)
    contents = video_contents(path)
    if contents and len(contents.tracks) > 1:
        sizes = ", ".join(contents.tracks)
        _log.warning("%s holds %d tracks of pictures (%s): the first one is read", path, len(contents.tracks), sizes)
    if contents and (contents.is_interlaced or contents.changes_size):  # OpenCV does not convert or tell these.
        with suppress(SourceError):
            return PyavFile(path)
    video = _in_full_depth(_readable_video(path), path)
    if contents and (contents.length or len(contents.tracks) > 1):  # OpenCV takes the duration of the longest track.
        video.length = contents.length
    return video


def _readable_video(path: Path) -> FrameSource:
    """A video read by OpenCV, or by PyAV if OpenCV cannot read it, or if it may be that it does not."""
    video = are_written = None
    try:
        video = VideoFile(path)
        are_written = are_frames_written(path)
        if are_written:
            return video
        raise SourceError(f"cannot read {path}: OpenCV gives black frames or none of its own, as of interlaced video")
    except SourceError as error:
        try:
            return PyavFile(path)
        except ImportError:
            if video is not None and are_written is None:
                _log.warning("%s: OpenCV gives black frames, as of a dark scene or of interlaced video; %s", path, HINT)
                return video
            raise SourceError(f"{error}; {HINT}") from None
        except SourceError as other:
            raise SourceError(f"{error}; {other}") from None


def _in_full_depth(video: FrameSource, path: Path) -> FrameSource:
    """The same video, or if it is grey and OpenCV drops some of its bits, the one that PyAV reads."""
    if isinstance(video, VideoFile) and (bits := grey_bits(path)) > 8:
        try:
            return PyavFile(path)
        except (ImportError, SourceError):
            _log.warning("%s: of its %d bits of grey OpenCV reads the highest 8; %s", path, bits, HINT)
    return video
