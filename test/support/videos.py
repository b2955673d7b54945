"""Videos for tests that OpenCV does not write, and how to keep it from reading any."""

from __future__ import annotations

import sys
from fractions import Fraction

from sampt_ros.io.video import opencv_sources


def unreadable(monkeypatch):
    """Let OpenCV read no frame, as of a codec that it lacks."""
    monkeypatch.setattr(opencv_sources.VideoFile, "_readable", lambda *arguments: iter(()))


def encoded(path, images, times=None, codec="mpeg4", pixels="yuv420p", rgb="rgb24"):
    """A video of these images, taken at these times in seconds, by PyAV."""
    av = sys.modules["av"]
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=10)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt, stream.time_base = pixels, Fraction(1, 1000)
        for number, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format=rgb)
            frame.pts, frame.time_base = round(1000 * (times[number] if times else number / 10)), Fraction(1, 1000)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path
