"""Cut-outs from collections of pictures: training/nano/pictures/cutouts.py."""

from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np


def huge_png(path):
    """A PNG file that says it is larger than this package lets OpenCV read."""

    def chunk(name, content):
        body = name + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 6, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b""))


def test_a_picture_that_opencv_refuses_is_left_out(tmp_path):
    from training.nano.pictures.cutouts import make_cutouts
    from training.nano.pictures.sources import used_for

    ball = np.zeros((120, 120, 4), np.uint8)
    cv2.circle(ball, (60, 60), 50, (30, 90, 200, 255), -1)
    for source in used_for("cutouts"):
        folder = tmp_path / "downloads" / source.name / "usr/share/pictures"
        folder.mkdir(parents=True)
        huge_png(folder / "huge.png")
        cv2.imwrite(str(folder / "ball.png"), ball)
    make_cutouts(tmp_path)
    assert [path.name.split("-")[1] for path in sorted(tmp_path.glob("cutouts/*/*.png"))] == ["ball", "ball"]
