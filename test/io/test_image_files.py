"""Images as they are in files and in messages, whole and damaged."""

from __future__ import annotations

import struct
import subprocess
import sys

import cv2
import numpy as np
import pytest
from PIL import Image, TiffImagePlugin
from synthetic import texture

from sampt_ros.errors import SourceError
from sampt_ros.io import image_files
from sampt_ros.io.image_files import decode, folder_for_frames, read_image, write_image


@pytest.fixture
def png() -> bytes:
    return bytes(cv2.imencode(".png", texture(24, 32))[1])


def test_a_png_with_a_chunk_that_is_longer_than_the_file_is_not_tried(png, monkeypatch):
    """OpenCV would make room for it: up to 4 GB."""
    at = png.index(b"IDAT") - 4
    damaged = png[:at] + struct.pack(">I", 2**32 - 1) + png[at + 4 :]
    monkeypatch.setattr(cv2, "imdecode", None)
    assert decode(damaged, cv2.IMREAD_COLOR) is None
    assert decode(png[: len(png) // 2], cv2.IMREAD_COLOR) is None
    assert decode(b"", cv2.IMREAD_COLOR) is None


@pytest.fixture
def jpeg() -> bytes:
    return bytes(cv2.imencode(".jpg", texture(48, 64))[1])


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_jpeg_that_is_cut_off_is_not_decoded(tmp_path, jpeg, share):
    data = jpeg[: int(share * len(jpeg))]
    assert decode(data, cv2.IMREAD_COLOR) is None
    (tmp_path / "photo.jpg").write_bytes(data)
    with pytest.raises(SourceError, match=r"photo\.jpg: a JPEG that is cut off"):
        read_image(tmp_path / "photo.jpg")


def test_a_jpeg_may_lack_its_end_mark_or_have_more_behind_it(jpeg):
    whole = decode(jpeg, cv2.IMREAD_COLOR)
    assert np.array_equal(decode(jpeg[:-2], cv2.IMREAD_COLOR), whole)
    assert np.array_equal(decode(jpeg + bytes(500), cv2.IMREAD_COLOR), whole)


@pytest.mark.parametrize(("kind", "name"), [(np.float32, "floats of 32 bits"), (np.int32, "whole numbers of 32 bits")])
def test_pixels_of_other_numbers_are_named(tmp_path, kind, name):
    Image.fromarray(np.full((24, 32), 21, kind)).save(tmp_path / "thermal.tif")
    with pytest.raises(SourceError, match=f"thermal.tif: its pixels are {name}; expected 8 or 16 bits"):
        read_image(tmp_path / "thermal.tif")


@pytest.mark.parametrize("tells_of_the_sign", [True, False])  # OpenCV before version 5 does not
def test_sixteen_bits_may_have_a_sign(tmp_path, monkeypatch, tells_of_the_sign):
    counts = np.int16(np.arange(24 * 32).reshape(24, 32) // 2 - 192)  # half of them are below 0
    # Pillow writes no signs: a picture without one gets the tag.
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[339] = 2
    Image.fromarray(counts.view(np.uint16)).save(tmp_path / "thermal.tif", tiffinfo=tags)
    decoded = counts if tells_of_the_sign else counts.view(np.uint16)
    monkeypatch.setattr(image_files, "decode", lambda data, flags: np.dstack([decoded] * 3))
    image = read_image(tmp_path / "thermal.tif")
    assert [len(np.unique(half)) > 90 for half in (image[:12], image[12:])] == [True] * 2


def test_what_follows_a_png_does_not_matter(png):
    assert np.array_equal(decode(png + b"and more", cv2.IMREAD_COLOR), texture(24, 32))


@pytest.mark.parametrize("suffix", [".jpg", ".bmp", ".tif", ".webp"])
def test_other_kinds_are_decoded_as_they_are(tmp_path, suffix):
    write_image(tmp_path / f"picture{suffix}", texture(24, 32))
    assert read_image(tmp_path / f"picture{suffix}").shape == (24, 32, 3)


def test_a_photo_stands_as_its_camera_says(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by a quarter
    Image.fromarray(texture(24, 32)).transpose(Image.Transpose.ROTATE_90).save(tmp_path / "photo.jpg", exif=exif)
    assert np.abs(read_image(tmp_path / "photo.jpg").astype(int) - texture(24, 32)).mean() < 40


def test_an_image_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SourceError, match=r"cannot read .*nowhere\.png: No such file"):
        read_image(tmp_path / "nowhere.png")


def test_files_of_earlier_frames_are_deleted_and_no_others(tmp_path):
    ours = {"00000.png", "99999.png", "100000.png", "1234567.png"}
    # Too few digits, zeros that we do not write, other suffixes, other names, digits of another script.
    others = {"0000.png", "012345.png", "00000.PNG", "00000.txt", "100000", "a00000.png", "00000_1.png", "٠٠٠٠٠.png"}
    for name in ours | others:
        (tmp_path / name).touch()
    folder_for_frames(tmp_path, ".png")
    assert {path.name for path in tmp_path.iterdir()} == others


def test_opencv_reads_no_image_of_a_size_that_only_damage_can_claim():
    program = (
        "import sampt_ros, cv2, numpy as np, struct, zlib\n"
        "head = b'IHDR' + struct.pack('>IIBBBBB', 20000, 20000, 8, 0, 0, 0, 0)\n"
        "png = bytes(cv2.imencode('.png', np.zeros((9, 9), np.uint8))[1])\n"
        "png = png[:12] + head + struct.pack('>I', zlib.crc32(head)) + png[33:]\n"
        "from sampt_ros.io.image_files import decode\n"
        "assert decode(png, cv2.IMREAD_COLOR) is None\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_a_damaged_file_that_claims_a_huge_size_is_refused_as_broken(tmp_path):
    gif = bytearray(b"GIF89a" + (60000).to_bytes(2, "little") * 2 + bytes(3))
    gif += b"," + bytes(4) + (60000).to_bytes(2, "little") * 2 + bytes(8)
    (tmp_path / "image.png").write_bytes(gif)
    with pytest.raises(Image.DecompressionBombError):
        Image.open(tmp_path / "image.png")
    with pytest.raises(SourceError, match="not an image file, or a broken one"):
        read_image(tmp_path / "image.png")
