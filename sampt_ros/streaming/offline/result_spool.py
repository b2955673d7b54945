"""Stores results of frames on disk until they are needed."""

from __future__ import annotations

import pickle
import tempfile
import zlib
from pathlib import Path

from sampt_ros.data_types import FrameResult
from sampt_ros.io.writing import writing_to

_FASTEST = 1  # Level of compression, with which masks already shrink to about a hundredth.


class ResultSpool:
    """Stores results in a temporary file, so that memory does not grow with the length of a video."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        self._extents: dict[int, tuple[int, int]] = {}  # (offset, length) of each frame's result in the file.

    def put(self, result: FrameResult) -> None:
        """Store a frame's result; raises SourceError if it cannot be written."""
        data = zlib.compress(pickle.dumps(result), _FASTEST)
        with writing_to(Path(tempfile.gettempdir())):
            self._extents[result.index] = self._file.seek(0, 2), len(data)
            self._file.write(data)

    def get(self, index: int) -> FrameResult | None:
        """The result of frame `index`, or None if none was stored."""
        if index not in self._extents:
            return None
        offset, length = self._extents[index]
        self._file.seek(offset)
        result: FrameResult = pickle.loads(zlib.decompress(self._file.read(length)))
        return result

    def close(self) -> None:
        """Delete the file."""
        self._file.close()
