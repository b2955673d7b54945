"""Folders of images of many formats, and of files that hold several images."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image, features
from synthetic import texture

from sampt_ros.errors import SourceError
from sampt_ros.io.image_files import read_image, write_image
from sampt_ros.io.masks import files_by_frame
from sampt_ros.io.video import frame_files, image_folder, open_source

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
    assert [path.name for path in frame_files(tmp_path)] == ["0.png", f"1{suffix}", "2.png", f"3{suffix}"]


def test_images_that_are_not_read_are_counted_and_named(tmp_path, caplog):
    for number in range(3):
        write_image(tmp_path / f"{number}.png", SCENE)
        (tmp_path / f"{number}.heic").write_bytes(b"not looked at")
        (tmp_path / f"{number}.json").write_text("{}")
        (tmp_path / f"{number}.txt").write_text("1 0.5 0.5 0.1 0.1")
    (tmp_path / "9").write_bytes((tmp_path / "0.png").read_bytes())
    assert open_source(str(tmp_path)).length == 3
    (record,) = caplog.records
    assert "images that are not read: 3 .heic, 1 without a suffix; expected .bmp, " in record.getMessage()


@pytest.mark.parametrize(
    ("others", "told"),
    [
        # an animation of the frames
        (["preview.gif"], "1 .gif"),
        # depth of the same moments
        (["frame-0.depth.pgm", "frame-1.depth.pgm", "frame-7.depth.pgm"], "3 .pgm"),
        (["frame-0.color.gif", "frame-01.color.gif"], "2 .gif"),
    ],
)
def test_further_kinds_that_do_not_go_on_with_the_numbers_are_counted(tmp_path, caplog, others, told):
    for name in ("frame-0.color.jpg", "frame-1.color.jpg"):
        write_image(tmp_path / name, SCENE)
    for name in others:
        Image.fromarray(SCENE).convert("L").save(tmp_path / name)
    assert open_source(str(tmp_path)).names == ["frame-0.color", "frame-1.color"]
    (record,) = caplog.records
    assert f"images that are not read: {told}; expected .bmp, " in record.getMessage()
    assert record.getMessage().endswith("and others that go on with their numbers")


@pytest.mark.parametrize(
    ("frames", "others"),
    [
        # depth and colour, each named by the seconds of its own clock
        (["1311867170.450076", "1311867170.462290"], ["1311867170.455012", "1311867170.478900"]),
        (["000000_10", "000001_10"], ["000000_11", "000001_11"]),
        (["0", "1", "2"], ["2024"]),
    ],
)
def test_numbers_beside_those_of_the_frames_do_not_go_on_with_them(tmp_path, caplog, frames, others):
    for names, suffix in ((frames, "png"), (others, "pgm")):
        for name in names:
            Image.fromarray(SCENE).convert("L").save(tmp_path / f"{name}.{suffix}")
    assert open_source(str(tmp_path)).names == frames
    assert f"images that are not read: {len(others)} .pgm" in caplog.text


def test_pam_is_refused_whose_channels_opencv_mistakes(tmp_path):
    head = b"P7\nWIDTH 32\nHEIGHT 24\nDEPTH 3\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\n"
    (tmp_path / "0.pam").write_bytes(head + SCENE.tobytes())
    with pytest.raises(SourceError, match=r"got 1 \.pam"):
        open_source(str(tmp_path))
    with pytest.raises(SourceError, match="cannot read"):
        read_image(tmp_path / "0.pam")


def test_a_single_picture_has_no_numbers_to_go_on_with(tmp_path, caplog):
    write_image(tmp_path / "scene.png", SCENE)
    Image.fromarray(SCENE).save(tmp_path / "scene.gif")
    assert open_source(str(tmp_path)).length == 1
    assert "1 .gif" in caplog.text


def test_a_preview_beside_masks_is_none_of_them(tmp_path, caplog):
    mask = np.zeros((24, 32, 3), np.uint8)
    mask[5:15, 5:20] = 255
    for name in ("00000.png", "00001.png"):
        write_image(tmp_path / name, mask)
    for name in ("preview.gif", "00002.gif"):
        Image.fromarray(mask).save(tmp_path / name)
    assert list(files_by_frame(tmp_path)) == [0, 1]
    assert "images that are not read: 2 .gif; expected .bmp, " in caplog.text


def test_a_bag_stays_one_beside_a_preview(tmp_path):
    for name in ("run_0.mcap", "metadata.yaml"):
        (tmp_path / name).write_text("")
    Image.fromarray(SCENE).save(tmp_path / "preview.gif")
    with pytest.raises(SourceError, match="is a ROS 2 bag"):
        open_source(str(tmp_path))


def test_other_files_are_no_images_however_they_begin(tmp_path, caplog, monkeypatch):
    looked_at = []
    monkeypatch.setattr(image_folder, "_has_reader", looked_at.append)
    write_image(tmp_path / "0.png", SCENE)
    (tmp_path / "table.csv").write_text("BMI,1")
    (tmp_path / "classes.names").write_text("BMW")
    for number in range(9):
        (tmp_path / f"{number}.{number:09d}").write_text("x")
        (tmp_path / f"note{number}").write_text("x")
    assert open_source(str(tmp_path)).length == 1
    assert looked_at == [tmp_path / "note0"]
    assert not caplog.text


@pytest.mark.parametrize("suffix", [".gif", ".avif"])
def test_what_a_build_of_opencv_lacks_is_read_by_pillow(tmp_path, monkeypatch, suffix):
    if suffix == ".avif" and not features.check("avif"):
        pytest.skip("this Pillow does not write AVIF")
    expected = np.full_like(SCENE, (200, 30, 90))
    Image.fromarray(expected).save(path := tmp_path / f"0{suffix}")
    monkeypatch.setattr(cv2, "imdecode", lambda *arguments: None)
    assert np.abs(read_image(path).astype(int) - expected).max() < 5
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(SourceError, match="not an image file, or a broken one"):
        read_image(path)


def test_the_number_in_a_suffix_stays_in_the_pattern_that_takes_one_kind(tmp_path, caplog):
    for number in range(2):
        Image.fromarray(SCENE).save(tmp_path / f"{number}.jp2")
        write_image(tmp_path / f"{2 + number}.png", SCENE)
    assert open_source(str(tmp_path)).length == 4
    assert f"several kinds (2 *.jp2, 2 *.png), and all are taken for one sequence; '{tmp_path}/*.jp2'" in caplog.text


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
