"""Folders of images of many formats, and of files that hold several images."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, features
from synthetic import texture

from sampt_ros.errors import SourceError
from sampt_ros.io.image_files import read_image, write_image
from sampt_ros.io.video import image_files, open_source

SCENE = texture(24, 32)
MOVING = ["tif", "webp", "png", "gif"]


def write_pages(path, count):
    images = [Image.fromarray(SCENE // (1 + number)) for number in range(count)]
    images[0].save(path, save_all=True, append_images=images[1:])


@pytest.mark.parametrize("suffix", [".gif", ".jp2", ".pgm", ".avif", ".jfif"])
def test_images_of_all_kinds_that_can_be_read_are_frames(tmp_path, suffix):
    if suffix == ".avif" and not features.check("avif"):
        pytest.skip("this Pillow does not write AVIF")
    for number in range(4):
        kind = suffix if number % 2 else ".png"
        picture = Image.fromarray(SCENE)
        (picture.convert("L") if kind == ".pgm" else picture).save(tmp_path / f"{number}{kind}")
    for place in (tmp_path, tmp_path / f"[13]{suffix}"):
        source = open_source(str(place))
        assert len(list(source)) == source.length - source.skipped > 1
    assert [path.name for path in image_files(tmp_path)] == ["0.png", f"1{suffix}", "2.png", f"3{suffix}"]


def test_images_that_are_not_read_are_counted_and_named(tmp_path, caplog):
    for number in range(3):
        write_image(tmp_path / f"{number}.png", SCENE)
        (tmp_path / f"{number}.heic").write_bytes(b"not looked at")
        (tmp_path / f"{number}.json").write_text("{}")
        (tmp_path / f"{number}.txt").write_text("1 0.5 0.5 0.1 0.1")
    (tmp_path / "9").write_bytes((tmp_path / "0.png").read_bytes())
    assert open_source(str(tmp_path)).length == 3
    (record,) = caplog.records
    assert "images that are not read: 3 .heic, 1 without a suffix; expected .apng, " in record.getMessage()


def test_a_folder_of_such_images_alone_is_refused(tmp_path):
    (tmp_path / "1.heic").write_bytes(b"not looked at")
    with pytest.raises(SourceError, match=r"expected images \(.*\.webp\) in .*; got 1 \.heic"):
        open_source(str(tmp_path))


@pytest.mark.parametrize("suffix", MOVING)
def test_the_images_after_the_first_of_each_file_are_told_once(tmp_path, caplog, suffix):
    for number in range(3):
        write_pages(tmp_path / f"{number}.{suffix}", 2)
    for place in (tmp_path, tmp_path / f"*.{suffix}"):
        caplog.clear()
        source = open_source(str(place))
        for _ in range(2):
            assert len(list(source)) == 3
        (record,) = caplog.records
        assert f"0.{suffix} holds 2 images: the first one is read, as of any other such file" in record.getMessage()


@pytest.mark.parametrize("suffix", MOVING)
def test_files_of_one_image_are_not(tmp_path, caplog, suffix):
    for number in range(3):
        write_pages(tmp_path / f"{number}.{suffix}", 1)
    assert len(list(open_source(str(tmp_path)))) == 3
    assert not caplog.text


@pytest.mark.parametrize("suffix", MOVING)
def test_a_single_picture_with_more_images_is_told(tmp_path, caplog, suffix):
    write_pages(tmp_path / f"picture.{suffix}", 3)
    assert np.ptp(read_image(tmp_path / f"picture.{suffix}")) > 0
    assert f"picture.{suffix} holds 3 images: the first one is read" in caplog.text
