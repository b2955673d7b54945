"""Videos for tests that OpenCV does not write, and how to keep it from reading any."""

from __future__ import annotations

import sys
from fractions import Fraction

import numpy as np

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


def broadcast(path, images, interlaced=False):
    """A transport stream of MPEG-2 with these images, 25 a second, by PyAV; such files can be joined by their bytes."""
    av = sys.modules["av"]
    options = {"flags": "+ildct+ilme", "top": "1"} if interlaced else {}
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg2video", rate=25, options=options)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt, stream.gop_size = "yuv420p", 6
        _add(file, stream, images, rate=25)
    return path


def _add(file, stream, images, rate):
    """Write these images, so many a second, to a stream of a file, and end the stream."""
    for number, image in enumerate(images):
        frame = sys.modules["av"].VideoFrame.from_ndarray(image, format="rgb24")
        frame.pts, frame.time_base = number, Fraction(1, rate)
        file.mux(stream.encode(frame))
    file.mux(stream.encode())


def with_tracks(path, *tracks, cover=False):
    """A video of tracks of these images each, 10 a second, by PyAV; cover: the last one is a cover picture."""
    av = sys.modules["av"]
    with av.open(str(path), "w") as file:
        streams = [file.add_stream("mjpeg" if cover and track is tracks[-1] else "mpeg4", rate=10) for track in tracks]
        for stream, images in zip(streams, tracks):
            stream.height, stream.width = images[0].shape[:2]
            stream.pix_fmt = "yuvj420p" if stream.codec_context.name == "mjpeg" else "yuv420p"
        if cover:
            streams[-1].disposition = av.stream.Disposition.attached_pic
        for stream, images in zip(streams, tracks):
            _add(file, stream, images, rate=10)
    return path


def with_sound(path, images):
    """A video of these images, 10 a second, with silence, by PyAV."""
    av = sys.modules["av"]
    with av.open(str(path), "w") as file:
        stream, sound = (
            file.add_stream("flv" if path.suffix == ".flv" else "mpeg4", rate=10),
            file.add_stream("aac", rate=48000),
        )
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for number, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            file.mux(stream.encode(frame))
            silence = av.AudioFrame.from_ndarray(np.zeros((2, 4800), np.float32), format="fltp", layout="stereo")
            silence.sample_rate, silence.pts, silence.time_base = 48000, 4800 * number, Fraction(1, 48000)
            file.mux(sound.encode(silence))
        for each in (stream, sound):
            file.mux(each.encode())
    return path
