from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np
import pytest

from sampt_ros.errors import SourceError
from sampt_ros.io.label_images import object_color, read_labels, write_labels

LABELS = np.array([[0, 1, 2], [3, 0, 255]])


def palette_png(labels, depth):
    """A palette PNG as other programs write it, with `depth` bits per pixel."""
    bits = ["".join(f"{label:0{depth}b}" for label in row) for row in labels]
    rows = [bytes(int(row[i : i + 8].ljust(8, "0"), 2) for i in range(0, len(row), 8)) for row in bits]
    header = struct.pack(">IIBBBBB", labels.shape[1], labels.shape[0], depth, 3, 0, 0, 0)
    colors = bytes(range(3 * 2**depth)) if depth < 8 else bytes(768)
    chunks = [
        (b"IHDR", header),
        (b"PLTE", colors),
        (b"tRNS", b"\0"),
        (b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows))),
    ]
    parts = [
        struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in [*chunks, (b"IEND", b"")]
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_labels_survive_writing_and_reading(tmp_path, kind):
    labels = LABELS.astype(kind) * (1 if kind == np.uint8 else 257)
    write_labels(tmp_path / "labels.png", labels)
    np.testing.assert_array_equal(read_labels(tmp_path / "labels.png"), labels)


def test_viewers_show_labels_in_the_objects_colours(tmp_path):
    write_labels(tmp_path / "labels.png", LABELS.astype(np.uint8))
    shown = cv2.cvtColor(cv2.imread(str(tmp_path / "labels.png")), cv2.COLOR_BGR2RGB)
    assert [tuple(shown[0, x]) for x in range(3)] == [(0, 0, 0), object_color(1), object_color(2)]


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_palette_indices_of_any_depth_are_read(tmp_path, depth):
    labels = LABELS % 2**depth
    (tmp_path / "labels.png").write_bytes(palette_png(labels, depth))
    np.testing.assert_array_equal(read_labels(tmp_path / "labels.png"), labels)


def test_a_gray_mask_saved_with_three_channels_is_read(tmp_path):
    cv2.imwrite(str(tmp_path / "mask.png"), np.repeat(LABELS[..., None], 3, axis=2).astype(np.uint8))
    np.testing.assert_array_equal(read_labels(tmp_path / "mask.png"), LABELS)


def test_colours_are_not_labels(tmp_path):
    cv2.imwrite(str(tmp_path / "photo.png"), np.arange(27, dtype=np.uint8).reshape(3, 3, 3))
    with pytest.raises(SourceError, match="got colours"):
        read_labels(tmp_path / "photo.png")


@pytest.mark.parametrize("content", [b"", b"text", palette_png(LABELS, 8)[:40]], ids=["empty", "text", "cut off"])
def test_a_broken_file_is_refused(tmp_path, content):
    (tmp_path / "labels.png").write_bytes(content)
    with pytest.raises(SourceError, match="cannot read"):
        read_labels(tmp_path / "labels.png")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(SourceError, match="No such file"):
        read_labels(tmp_path / "labels.png")
