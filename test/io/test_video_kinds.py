"""Videos that OpenCV does not read or write, and folders with images of several kinds."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, features
from synthetic import texture
from videos import encoded, unreadable

from sampt_ros.errors import SourceError
from sampt_ros.io.image_files import write_image
from sampt_ros.io.video import open_source
from sampt_ros.io.video_writer import video_writer

RED = np.full((24, 32, 3), (200, 30, 10), np.uint8)


@pytest.fixture
def mixed(tmp_path):
    for index in range(3):
        for number, kind in enumerate(("color.jpg", "depth.png", "label.png")):
            write_image(tmp_path / f"frames/{index:06d}-{kind}", np.full((24, 32, 3), 40 * number, np.uint8))
    return tmp_path / "frames"


@pytest.mark.parametrize("pattern", ["*-color.jpg", "%06d-color.jpg", "00000[0-2]-color.???", "%d-color.jpg"])
def test_a_pattern_takes_one_kind_of_images(mixed, caplog, pattern):
    with open_source(str(mixed / pattern)) as source:
        assert source.length == 3
        assert [image.max() for image in source] == [0, 0, 0]
    assert not caplog.text


def test_images_of_several_kinds_in_one_folder_are_told(mixed, caplog):
    assert open_source(str(mixed)).length == 9
    assert "holds images of several kinds (3 *-color.jpg, 3 *-depth.png, 3 *-label.png)" in caplog.text
    assert f"'{mixed}/*-color.jpg' takes one kind" in caplog.text


@pytest.mark.parametrize(
    "names",
    [
        # Seconds as Python writes them, without zeros at the end ...
        ["1700000000.0096343", "1700000000.049996", "1700000000.22982", "1700000001.3"],
        # ... and seconds and nanoseconds, as numbers of their own.
        ["1700000000.9634300", "1700000000.49996000", "1700000000.229820000", "1700000001.3"],
        ["1.1", "1.2", "1.10"],
    ],
)
def test_images_named_by_their_times_are_in_the_order_of_these(tmp_path, names):
    for name in reversed(names):
        write_image(tmp_path / f"{name}.png", texture(24, 32))
    assert open_source(str(tmp_path)).names == names
    assert open_source(str(tmp_path / "*.png")).names == names


@pytest.mark.parametrize("names", [["1.png", "2.png"], ["cat.png", "dog.png"]])
def test_other_folders_are_not(tmp_path, caplog, names):
    for name in names:
        write_image(tmp_path / name, texture(24, 32))
    assert open_source(str(tmp_path)).length == len(names)
    assert not caplog.text


def test_numbers_are_as_long_as_the_pattern_says_or_longer(tmp_path):
    for name in ("1.png", "00009.png", "00010.png", "100000.png", "00011.jpg"):
        write_image(tmp_path / name, np.full((24, 32, 3), 7, np.uint8))
    assert open_source(str(tmp_path / "%05d.png")).length == 3


def test_a_pattern_that_matches_nothing_is_refused(mixed):
    with pytest.raises(SourceError, match=r"expected files whose names match '.*\*\.bmp'; got none"):
        open_source(str(mixed / "*.bmp"))
    with pytest.raises(SourceError, match="expected an image folder; there is no"):
        open_source(str(mixed / "nowhere/*.png"))


def test_a_folder_with_a_star_in_its_name_is_itself(tmp_path):
    write_image(tmp_path / "run [1]/1.png", texture(24, 32))
    assert open_source(str(tmp_path / "run [1]")).length == 1


def test_images_of_fourteen_bits_are_shown_by_one_range(tmp_path):
    scene = cv2.GaussianBlur(np.random.default_rng(0).random((48, 64)), (0, 0), 4)
    counts = np.uint16(7700 + 765 * (scene - scene.min()) / np.ptp(scene))
    for index in range(3):
        cv2.imwrite(str(tmp_path / f"{index}.png"), counts + np.uint16(index))
    first, _, third = open_source(str(tmp_path))
    assert np.ptp(first) > 180
    assert 0 <= int(third[0, 0, 0]) - int(first[0, 0, 0]) <= 1


def test_a_codec_that_opencv_lacks_is_named_with_the_way_out(tmp_path, no_pyav, monkeypatch):
    writer = video_writer(tmp_path / "clip.mp4", 10, (24, 32))
    writer.write(texture(24, 32))
    writer.close()
    unreadable(monkeypatch)
    with pytest.raises(SourceError, match=r"can decode; .*clip\.mp4', whose codec is FMP4; .*pip install av"):
        open_source(str(tmp_path / "clip.mp4"))


def test_pyav_reads_what_opencv_does_not(tmp_path, pyav, monkeypatch):
    images = [np.full((24, 32, 3), (200, 30 + 40 * index, 10), np.uint8) for index in range(3)]
    writer = video_writer(tmp_path / "clip.mp4", 12.5, (24, 32))
    for image in images:
        writer.write(image)
    writer.close()
    unreadable(monkeypatch)
    source = open_source(str(tmp_path / "clip.mp4"))
    assert (source.length, source.size, source.fps) == (3, (24, 32), 12.5)
    for _ in range(2):
        np.testing.assert_allclose([image.mean(axis=(0, 1)) for image in source], [i[0, 0] for i in images], atol=8)


def test_the_times_of_a_video_are_those_of_its_frames(tmp_path, pyav, monkeypatch):
    times = [0.0, 0.1, 0.9, 3.0]
    path = encoded(tmp_path / "clip.mp4", [texture(24, 32)] * 4, times)
    for _ in range(2):
        source = open_source(str(path))
        assert len(list(source)) == 4
        assert [source.seconds(number) for number in range(4)] == pytest.approx(times, abs=0.002)
        unreadable(monkeypatch)  # by OpenCV, so that the second time PyAV reads it


def test_grey_of_more_than_8_bits_keeps_what_a_thermal_camera_sees(tmp_path, pyav):
    counts = np.uint16(8000 + 10 * np.arange(64).reshape(1, 64).repeat(48, 0))
    path = encoded(tmp_path / "thermal.mkv", [counts] * 3, codec="ffv1", pixels="gray16le", rgb="gray16le")
    source = open_source(str(path))
    assert source.length == 3
    assert all(np.ptp(image) > 180 for image in source)


@pytest.mark.parametrize("name", ["stack.tif", "moving.gif", "moving.webp", "moving.png", "moving.avif"])
def test_the_images_of_a_file_are_frames(tmp_path, caplog, name):
    if name.endswith("avif") and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    images = [Image.fromarray(np.full((24, 32, 3), (40 * index, 90, 10), np.uint8)) for index in range(4)]
    images[0].save(tmp_path / name, save_all=True, append_images=images[1:], duration=250)
    source = open_source(str(tmp_path / name))
    assert (source.length, source.size) == (4, (24, 32))
    assert [int(image[0, 0, 0]) for image in source] == pytest.approx([0, 40, 80, 120], abs=5)
    assert [number for number, _ in source.numbered(2)] == [2, 3]
    if not name.endswith("tif"):
        assert (source.fps, source.seconds(3)) == (4.0, 0.75)
    assert not caplog.text


def test_of_an_animated_avif_that_pillow_does_not_read_the_loss_is_told(tmp_path, caplog):
    (tmp_path / "moving.avif").write_bytes(b"\0\0\0\x2cftypavis\0\0\0\0avifavismsf1")
    with pytest.raises(SourceError):
        open_source(str(tmp_path / "moving.avif"))
    assert "moving.avif: of an animated AVIF the first image alone can be read here" in caplog.text


def test_of_a_damaged_file_of_images_those_before_the_damage_are_read_and_that_is_told(tmp_path, caplog):
    counts = [Image.fromarray(np.uint16(9000 + index + 4 * np.arange(64 * 64).reshape(64, 64))) for index in range(3)]
    path = tmp_path / "stack.tif"
    counts[0].save(path, save_all=True, append_images=counts[1:])
    assert [np.ptp(image) > 180 for image in open_source(str(path))] == [True] * 3
    source = open_source(str(path))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert len(list(source)) == 1
    assert source.skipped == 2
    assert "stack.tif: 1 of its 3 images can be read" in caplog.text


@pytest.mark.parametrize(("kind", "name"), [(np.float32, "floats of 32 bits"), (np.int32, "whole numbers of 32 bits")])
def test_images_of_other_numbers_in_a_file_are_refused_or_told(tmp_path, caplog, kind, name):
    good = [Image.fromarray(np.uint16(9000 + 4 * np.arange(24 * 32).reshape(24, 32)))] * 2
    other = [Image.fromarray(np.full((24, 32), 290, kind))] * 2
    wrong = f"its pixels are {name}; expected 8 or 16 bits"
    other[0].save(tmp_path / "all.tif", save_all=True, append_images=other[1:])
    with pytest.raises(SourceError, match=f"cannot read .*all.tif: {wrong}"):
        open_source(str(tmp_path / "all.tif"))
    good[0].save(tmp_path / "some.tif", save_all=True, append_images=[*other, good[1]])
    source = open_source(str(tmp_path / "some.tif"))
    for _ in range(2):
        assert [number for number, _ in source.numbered()] == [0, 3]
        assert source.skipped == 2
    assert caplog.text.count(wrong) == 1
    assert "cannot read image 1 of " in caplog.text


def test_images_of_a_file_may_have_sixteen_bits_with_a_sign(tmp_path):
    counts = np.int16(np.arange(24 * 32).reshape(24, 32) // 2 - 192)  # half of them are below 0
    cv2.imwritemulti(str(tmp_path / "stack.tif"), [counts, counts])
    for image in open_source(str(tmp_path / "stack.tif")):
        assert [len(np.unique(half)) > 90 for half in (image[:12], image[12:])] == [True] * 2


def test_a_recording_that_was_cut_off_is_named(tmp_path, no_pyav):
    (tmp_path / "clip.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(12) + b"\0\1\0\0mdat" + bytes(999))
    with pytest.raises(SourceError, match=r"clip\.mp4', which lacks its index \(moov\), as where a recording was cut"):
        open_source(str(tmp_path / "clip.mp4"))


def test_pyav_says_what_it_cannot_read(tmp_path, pyav):
    (tmp_path / "clip.mp4").write_text("no")
    with pytest.raises(SourceError, match=r"PyAV can decode; cannot open .*clip\.mp4': Invalid data"):
        open_source(str(tmp_path / "clip.mp4"))


def written(path, size, fps=10):
    writer = video_writer(path, fps, size)
    for _ in range(3):
        writer.write(texture(*size))
    writer.close()
    return open_source(str(path))


def test_odd_sizes_are_kept_by_pyav(tmp_path, pyav, caplog):
    source = written(tmp_path / "overlay.mp4", (121, 161))
    assert source.size == (121, 161)
    assert source.fps == 10
    for image in source:
        assert np.abs(image.astype(int) - texture(121, 161)).mean() < 20
    assert not caplog.text


def test_odd_sizes_are_padded_and_told_without_it(tmp_path, no_pyav, caplog):
    source = written(tmp_path / "overlay.mp4", (121, 161))
    assert source.size == (122, 162)
    assert "overlay.mp4 is 162x122, padded, for frames of 161x121" in caplog.text
    for image in source:
        assert np.abs(image[:121, :161].astype(int) - texture(121, 161)).mean() < 20


@pytest.mark.parametrize(
    ("size", "fitted"), [((24, 8192), (24, 8190)), ((8195, 25), (8190, 24)), ((3, 20000), (2, 8190))]
)
def test_frames_that_are_larger_than_mpeg_4_can_be_are_scaled_down_and_told(tmp_path, caplog, size, fitted):
    source = written(tmp_path / "overlay.mp4", size)
    assert (source.size, len(list(source))) == (fitted, 3)
    assert f"{fitted[1]}x{fitted[0]}, scaled down, for frames of {size[1]}x{size[0]}: no side" in caplog.text


# Odd sizes are PyAV's, where it is installed.
@pytest.mark.parametrize("size", [(24, 32), (25, 33)])
class TestRates:
    # Seven milliseconds a frame, three, and what has too many decimals to be a fraction of 16 bits; the lowest.
    @pytest.mark.parametrize("fps", [1000 / 7, 1000 / 3, 70.123, 30000 / 1001, 0.002])
    def test_rates_are_kept_as_far_as_the_file_can_hold_them(self, tmp_path, size, fps):
        assert written(tmp_path / "overlay.mp4", size, fps).fps == pytest.approx(fps, rel=1e-4)

    @pytest.mark.parametrize("fps", [1 / 4000, 1e6, float("nan")])
    def test_other_rates_are_named_and_a_file_that_is_there_stays(self, tmp_path, size, fps):
        (tmp_path / "overlay.mp4").write_text("of an earlier run")
        with pytest.raises(SourceError) as raised:
            video_writer(tmp_path / "overlay.mp4", fps, size)
        assert "expected 0.002 to 65535 frames per second" in str(raised.value)
        assert str(raised.value).endswith(f"got {fps:g}")
        assert (tmp_path / "overlay.mp4").read_text() == "of an earlier run"

    def test_why_the_file_cannot_be_opened_is_said(self, tmp_path, size):
        (tmp_path / "overlay.mp4").mkdir()
        with pytest.raises(SourceError, match=r"cannot write .*overlay\.mp4: .*[Ii]s a directory"):
            video_writer(tmp_path / "overlay.mp4", 10, size)


def test_an_av1_video_is_read_or_named(shared_folder):
    path = shared_folder / "cases/av1_video/av1.mp4"
    if not path.is_file():
        pytest.skip(f"no {path}")
    try:
        source = open_source(str(path))
    except SourceError as error:
        assert "whose codec is AV01" in str(error)
        assert "pip install av" in str(error)
    else:
        assert (len(list(source)), source.size) == (12, (240, 320))


def test_a_single_image_of_another_kind_among_frames_is_told(tmp_path, caplog):
    for name in ("00000.png", "00001.png", "mask.png"):
        write_image(tmp_path / name, RED)
    assert open_source(str(tmp_path)).length == 3
    assert "several kinds (2 *.png, 1 mask.png)" in caplog.text


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["000", "001", "002", "004", "007"], "3 images are missing by their numbers, the first after 002.png"),
        (
            ["f1_0", "f1_10", "f1_20", "f1_40", "f1_50"],
            "1 images are missing by their numbers, the first after f1_20.png",
        ),
        (["00000", "00005", "00010"], ""),  # every fifth frame, as in YouTube-VOS
        (["1000", "1033", "1066", "1100"], ""),  # times
        (["3", "17", "18", "40"], ""),  # chosen by somebody
        (["cat", "dog"], ""),
    ],
)
def test_images_that_are_missing_by_their_numbers_are_told(tmp_path, caplog, names, told):
    for name in names:
        write_image(tmp_path / f"{name}.png", RED)
    assert open_source(str(tmp_path)).length == len(names)
    assert told in caplog.text and bool(caplog.text) == bool(told)


def test_hidden_files_and_names_of_any_kind_are_no_trouble(tmp_path, caplog):
    for name in ("²1.png", "1²2.png", "٣.PNG"):
        (tmp_path / name).write_bytes(cv2.imencode(".png", RED)[1].tobytes())
    (tmp_path / "._1²2.png").write_bytes(b"left by macOS")
    for source in (tmp_path, tmp_path / "*.[pP][nN][gG]"):
        assert len(list(open_source(str(source)))) == 3
    assert "skipped" not in caplog.text


@pytest.mark.parametrize("size", [(24, 32), (25, 33)])
@pytest.mark.parametrize("opencv", [True, False])
def test_names_may_have_colons(tmp_path, pyav, monkeypatch, size, opencv):
    monkeypatch.chdir(tmp_path)
    Path("run 10:20").mkdir()
    writer = video_writer(Path("run 10:20/2026-11-26T10:20:00.mp4"), 10, size)
    writer.write(texture(*size))
    writer.close()
    monkeypatch.chdir(tmp_path / "run 10:20")
    if not opencv:
        unreadable(monkeypatch)
    source = open_source("2026-11-26T10:20:00.mp4")
    assert (len(list(source)), source.size) == (1, size)


def test_an_empty_video_is_named_as_such(tmp_path):
    (tmp_path / "clip.mp4").touch()
    with pytest.raises(SourceError, match=r"cannot read .*clip\.mp4: it is empty"):
        open_source(str(tmp_path / "clip.mp4"))


def test_why_neither_library_reads_a_video_is_said(tmp_path, pyav):
    (tmp_path / "clip.mp4").write_bytes(b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom\0\0\0\x10mdat12345678")
    with pytest.raises(SourceError, match=r"which lacks its index \(moov\).*PyAV"):
        open_source(str(tmp_path / "clip.mp4"))


def test_a_mixed_folder_is_told_and_taken_by_pattern(shared_folder, caplog):
    folder = shared_folder / "cases/mixed_folder/frames"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    assert open_source(str(folder)).length == 15
    assert "several kinds" in caplog.text
    assert len(list(open_source(str(folder / "*-color.jpg")))) == 5
