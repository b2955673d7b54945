"""Writes the files of `sampt track`."""

from __future__ import annotations

import csv
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from sampt_ros.data_types import FrameResult, Points
from sampt_ros.errors import SourceError
from sampt_ros.io.image_files import folder_for_frames, write_image
from sampt_ros.io.label_images import HIGHEST, VOID, write_labels
from sampt_ros.io.overlay import ContactSheet, draw
from sampt_ros.io.video_writer import VideoWriter, video_writer
from sampt_ros.io.writing import uninterrupted, writing, writing_to

_log = logging.getLogger(__name__)


class ResultFolder:
    """Writes every frame's result to a folder; the files are complete even if tracking stops early.

        with ResultFolder(folder, fps) as recorder:
            for image, result in track(...):
                recorder.add(image, result)

    labels/00000.png    object id per pixel: with a palette, or 16 bits where an id is over 254 (in 8 bits 255 is void)
    tracks.csv          frame, seconds (from the first one), object, point, x, y (pixels), label (1 on the object, 0
                        off it), visible, confidence
    objects.csv         frame, seconds, object, state, score, area, x, y, width, height (pixels)
    overlay.mp4         masks, points and scores drawn over the frames (see overlay.draw)
    contact_sheet.png   12 frames of the overlay

    Nothing is written before the first frame; then the files of an earlier run are replaced. Ctrl-C and SIGTERM wait
    while a frame is written, so that it is in all files, or in none.
    """

    # The files and folders above, all that a run replaces in its folder.
    WRITTEN = ("labels", "tracks.csv", "objects.csv", "overlay.mp4", "contact_sheet.png")
    # Headers of the tables.
    TRACKS = ("frame", "seconds", "object", "point", "x", "y", "label", "visible", "confidence")
    OBJECTS = ("frame", "seconds", "object", "state", "score", "area", "x", "y", "width", "height")

    def __init__(self, folder: Path, fps: float, seconds: Callable[[int], float] | None = None) -> None:
        """fps: of overlay.mp4; seconds: the time of a frame, given its number (default: number / fps)."""
        self.folder = folder
        self.frames = 0
        self.seconds = 0.0  # Time spent on tracking.
        self.masks: Counter[int] = Counter()  # Number of frames in which each object has a mask, by id.
        self._fps = fps
        self._seconds = seconds or (lambda number: number / fps)
        self._sheet = ContactSheet()
        self._tables: list[_Table] = []
        self._video: VideoWriter | None = None
        self._has_void_id = False

    def __enter__(self) -> ResultFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close()
        except SourceError as failure:
            if error is None or isinstance(error, SourceError):
                raise SourceError("; ".join(str(each) for each in (error, failure) if each)) from None
            _log.warning("%s", failure)

    @uninterrupted()
    def add(self, image: np.ndarray, result: FrameResult) -> None:
        """Write one frame; image: (H, W, 3) uint8 RGB. Raises SourceError where the folder cannot be written."""
        video = self._video or self._open(result.size)
        seconds = f"{self._seconds(result.index):.4f}"
        highest = max((obj.id for obj in result.objects), default=0)
        fits = highest < VOID  # As an id, 255 would be lost where the labels are read as masks.
        labels = result.labels.astype(np.uint8) if fits else result.labels
        write_labels(self.folder / f"labels/{result.index:05d}.png", labels)
        if highest == HIGHEST and not self._has_void_id:
            self._has_void_id = True
            _log.warning("object %d: in label images this number is read as void; choose a lower one", HIGHEST)
        for obj in result.objects:
            state = (obj.state.name, f"{obj.score:.4f}")
            self._tracks.add(_track_rows((result.index, seconds), obj.id, obj.points))
            self._objects.add([(result.index, seconds, obj.id, *state, obj.area, *obj.box)])
            self.masks[obj.id] += obj.area > 0
        for table in (self._tracks, self._objects):
            table.flush()  # So that the frames before are complete if there is no room for the next.
        drawn = draw(image, result)
        video.write(drawn)
        self._sheet.add(result.index, drawn)
        self.frames += 1
        self.seconds += sum(result.stages.values()) / 1000

    @uninterrupted()
    def close(self) -> None:
        """Complete the files, and write the contact sheet; raises SourceError for what could not be written."""
        steps = [table.close for table in self._tables]
        if self._video is not None:
            steps.append(self._video.close)
        if self.frames:
            steps.append(lambda: write_image(self.folder / "contact_sheet.png", self._sheet.image()))
        failures = []
        for step in steps:
            try:
                step()
            except SourceError as error:
                failures.append(str(error))
        if failures:
            raise SourceError("; ".join(failures))

    def _open(self, size: tuple[int, int]) -> VideoWriter:
        with writing_to(self.folder):
            (self.folder / "labels").mkdir(parents=True, exist_ok=True)
        # The video first: where none can be made, the files of an earlier run stay.
        video = video_writer(self.folder / "overlay.mp4", self._fps, size)
        try:
            with writing_to(self.folder):
                folder_for_frames(self.folder / "labels", ".png")
                self._tracks = self._table("tracks.csv", self.TRACKS)
                self._objects = self._table("objects.csv", self.OBJECTS)
        except SourceError:
            with suppress(SourceError):
                video.close()
            raise
        self._video = video
        return video

    def _table(self, name: str, header: Sequence[str]) -> _Table:
        table = _Table(self.folder / name, header)
        self._tables.append(table)
        return table


class _Table:
    """A CSV file that is written; raises SourceError, which names the file, where it cannot be."""

    def __init__(self, path: Path, header: Sequence[str]) -> None:
        self._path = path
        self._file = path.open("w", newline="")
        self._writer = csv.writer(self._file)
        self._writer.writerow(header)

    def add(self, rows: Iterable[Sequence[Any]]) -> None:
        with writing(self._path):
            self._writer.writerows(rows)

    def flush(self) -> None:
        with writing(self._path):
            self._file.flush()

    def close(self) -> None:
        with writing(self._path):
            self._file.close()


def _track_rows(when: tuple[int, str], object_id: int, points: Points) -> Iterator[tuple[Any, ...]]:
    for point, (x, y), label, visible, confidence in zip(
        points.id, points.xy, points.label, points.visible, points.confidence
    ):
        yield *when, object_id, point, f"{x:.2f}", f"{y:.2f}", label, int(visible), f"{confidence:.3f}"
