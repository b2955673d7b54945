"""Interlaced videos, and those with several tracks of pictures or with frames of several sizes."""

from __future__ import annotations

import importlib
import sys
from unittest.mock import ANY

import cv2
import numpy as np
import pytest
from synthetic import texture
from videos import broadcast, encoded, with_sound, with_tracks

from sampt_ros.errors import SourceError
from sampt_ros.io.video import open_source, opencv_sources
from sampt_ros.io.video.pyav_file import PyavFile
from sampt_ros.io.video_writer import video_writer

SIZE = 96, 128
SMOOTH = cv2.GaussianBlur(texture(*SIZE), (0, 0), 3)  # which compression keeps
SCENE = [np.roll(SMOOTH, 3 * number, axis=1) for number in range(30)]


def joined(path, *parts):
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def assert_shows(frames, images):
    assert len(frames) == len(images)
    for frame, image in zip(frames, images):
        assert np.abs(frame.astype(int) - image).mean() < 12


def interlaced(folder):
    return broadcast(folder / "fields.ts", SCENE, interlaced=True)


def test_an_interlaced_video_is_read(tmp_path, pyav, caplog):
    source = open_source(str(interlaced(tmp_path)))
    assert (source.length, source.size, source.fps) == (30, SIZE, 25)
    for _ in range(2):
        assert_shows(list(source), SCENE)
    assert not caplog.text


def test_without_pyav_it_is_refused(tmp_path, pyav, monkeypatch):
    path = interlaced(tmp_path)
    monkeypatch.setitem(sys.modules, "av", None)
    try:
        frames = list(open_source(str(path)))
    except SourceError as error:
        assert "as of interlaced video; PyAV reads more kinds of video: pip install av" in str(error)
    else:
        assert_shows(frames, SCENE)  # Versions of OpenCV before 4.13 convert such frames.


def test_a_video_that_becomes_interlaced_is_read(tmp_path, pyav):
    frames = broadcast(tmp_path / "frames.ts", SCENE)
    source = open_source(str(joined(tmp_path / "both.ts", frames, interlaced(tmp_path))))
    assert_shows(list(source), SCENE + SCENE)
    times = [source.seconds(number) for number in range(60)]
    np.testing.assert_allclose(times, np.arange(60) / 25, atol=1e-6)  # though those of the file begin anew


@pytest.mark.parametrize(
    "images",
    [
        # a still picture
        [SCENE[0]] * 40,
        # black at first
        [np.zeros_like(SCENE[0])] * 40 + SCENE,
        # a single image
        SCENE[:1],
    ],
    ids=["still", "black", "single"],
)
def test_other_videos_are_read_by_opencv_alone(tmp_path, no_pyav, images):
    writer = video_writer(tmp_path / "clip.mp4", 10, SIZE)
    for image in images:
        writer.write(image)
    writer.close()
    assert_shows(list(open_source(str(tmp_path / "clip.mp4"))), images)


def test_a_black_video_is_read(tmp_path, pyav):
    path = encoded(tmp_path / "clip.mp4", [np.zeros_like(SCENE[0])] * 5)
    assert len(list(open_source(str(path)))) == 5


@pytest.mark.parametrize("count", [3, 310])
def test_a_black_video_is_read_without_pyav_and_that_is_told(tmp_path, no_pyav, caplog, count):
    images = [np.zeros_like(SCENE[0])] * count + (SCENE if count > 300 else [])
    writer = video_writer(tmp_path / "clip.mp4", 10, SIZE)
    for image in images:
        writer.write(image)
    writer.close()
    assert_shows(list(open_source(str(tmp_path / "clip.mp4"))), images)
    assert "clip.mp4: OpenCV gives black frames, as of a dark scene or of interlaced video; PyAV reads" in caplog.text


@pytest.mark.parametrize("count", [5, 40])
def test_without_pyav_frames_that_differ_each_time_are_refused(tmp_path, no_pyav, monkeypatch, count):
    writer = video_writer(tmp_path / "clip.mp4", 10, SIZE)
    writer.write(SCENE[0])
    writer.close()
    given = {}

    def decoded(capture):
        images = given.setdefault(capture, [np.full_like(SCENE[0], len(given))] * count)
        yield from [images.pop()] if images else []

    monkeypatch.setattr(opencv_sources, "_decoded", decoded)
    with pytest.raises(SourceError, match="as of interlaced video; PyAV"):
        open_source(str(tmp_path / "clip.mp4"))


def test_a_time_that_is_slightly_earlier_does_not_shift_those_after_it(tmp_path, pyav, monkeypatch):
    path = encoded(tmp_path / "clip.mkv", SCENE[:8])
    times = iter([0, 0.1, 0.2, 0.4, 0.3, 0.5, 0.6, 0.7])
    source = PyavFile(path)
    frames = source._frames

    def jittering(*arguments):
        for frame in frames(*arguments):
            frame.pts = round(1000 * next(times))
            yield frame

    monkeypatch.setattr(source, "_frames", jittering)
    assert len(list(source)) == 8
    assert [source.seconds(number) for number in (2, 3, 5, 6, 7)] == pytest.approx([0.2, 0.4, 0.5, 0.6, 0.7])


def test_the_size_that_is_told_of_a_turned_video_is_that_of_its_images(tmp_path, pyav, caplog):
    source = PyavFile(encoded(tmp_path / "clip.mkv", SCENE[:1]))
    source._tell_size(7, (64, 48), is_turned=True)
    assert "the images are 48x64 from frame 7 on; they are scaled to 96x128, to which" in caplog.text


@pytest.mark.parametrize("suffix", ["flv", "mkv"])
def test_a_recording_with_sound_that_was_cut_off_is_told(tmp_path, pyav, caplog, suffix):
    path = with_sound(tmp_path / f"clip.{suffix}", SCENE)
    content = path.read_bytes().replace(b"DURATION", b"DURATIOM")  # as where the tag of each track is missing
    path.write_bytes(content)
    assert open_source(str(path)).length == pytest.approx(30, abs=2)
    path.write_bytes(content[: len(content) // 2])
    for source in (open_source(str(path)), PyavFile(path)):
        caplog.clear()
        assert source.length == pytest.approx(30, abs=2)
        assert len(list(source)) < 25
        assert "frames could be read up to" in caplog.text


@pytest.mark.parametrize(("suffix", "codec", "pixels"), [("flv", "flashsv", "bgr24"), ("mkv", "ffv1", "yuv420p")])
def test_little_is_read_of_a_file_without_an_index(tmp_path, pyav, monkeypatch, suffix, codec, pixels):
    noise = np.random.default_rng(0).integers(0, 255, (256, 256, 3), np.uint8)
    path = encoded(tmp_path / f"clip.{suffix}", [np.roll(noise, k) for k in range(160)], codec=codec, pixels=pixels)
    path.write_bytes(path.read_bytes()[: -path.stat().st_size // 4])
    module = importlib.import_module("sampt_ros.io.video.video_contents")
    read, read_once = [], module._File.read

    def counted(file, size):
        read.append(read_once(file, size))
        return read[-1]

    monkeypatch.setattr(module, "_MAX_READ", 1 << 17)
    assert path.stat().st_size > 10_000_000
    monkeypatch.setattr(module._File, "read", counted)
    assert module.video_contents(path) == module.VideoContents(("256x256",), ANY, False, False)
    assert sum(map(len, read)) < 7_000_000  # most of that to open it


def test_a_change_of_size_is_told_and_scaled_to_the_first(tmp_path, pyav, caplog):
    large = [image.repeat(2, axis=0).repeat(2, axis=1) for image in SCENE]
    parts = broadcast(tmp_path / "small.ts", SCENE), broadcast(tmp_path / "large.ts", large)
    source = open_source(str(joined(tmp_path / "both.ts", *parts)))
    for _ in range(2):
        frames = list(source)
        assert {frame.shape for frame in frames} == {(*SIZE, 3)}
        assert_shows(frames[-5:], SCENE[-5:])
    told = "both.ts: the images are 256x192 from frame "
    assert caplog.text.count(told) == 1
    assert "on; they are scaled to 128x96, to which all coordinates refer" in caplog.text


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_several_tracks_are_told_and_claim_nothing_of_one_another(tmp_path, pyav, caplog, suffix):
    path = with_tracks(tmp_path / f"clip.{suffix}", SCENE[:5], [image[:48, :64].copy() for image in SCENE])
    source = open_source(str(path))
    assert (source.length, source.size) == (5, SIZE)
    assert_shows(list(source), SCENE[:5])
    (record,) = caplog.records
    assert "holds 2 tracks of pictures (128x96, 64x48): the first one is read" in record.getMessage()


def test_a_cover_picture_is_no_track(tmp_path, pyav, caplog):
    path = with_tracks(tmp_path / "clip.mp4", SCENE, SCENE[:1], cover=True)
    assert_shows(list(open_source(str(path))), SCENE)
    assert not caplog.text


def test_the_length_of_a_recording_does_not_include_the_time_before_it(tmp_path, pyav, caplog):
    path = encoded(tmp_path / "clip.mkv", SCENE[:10], times=[5 + number / 10 for number in range(10)])
    source = open_source(str(path))
    assert source.length == len(list(source)) == 10
    assert not caplog.text
