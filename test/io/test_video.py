from __future__ import annotations

import cv2
import numpy as np
import pytest
from synthetic import texture

from sampt_ros.errors import SourceError
from sampt_ros.io.image_files import read_image, write_image
from sampt_ros.io.video import FALLBACK_FPS, open_source

RED = np.full((24, 32, 3), (200, 30, 10), np.uint8)


def write_video(path, images, fps=25.0):
    height, width = images[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), fps, (width, height))
    for image in images:
        writer.write(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    writer.release()
    return str(path)


@pytest.fixture
def folder(tmp_path):
    for number in (10, 9, 1):
        write_image(tmp_path / f"{number}.png", np.full((24, 32, 3), number, np.uint8))
    return tmp_path


def test_an_image_survives_writing_and_reading(tmp_path):
    image = texture(24, 32)
    write_image(tmp_path / "new/folder/image.png", image)
    np.testing.assert_array_equal(read_image(tmp_path / "new/folder/image.png"), image)


def test_a_folder_is_read_in_natural_order(folder):
    with open_source(str(folder)) as source:
        assert (source.length, source.size, source.fps) == (3, (24, 32), FALLBACK_FPS)
        assert [image[0, 0, 0] for image in source] == [1, 9, 10]


def test_only_images_of_a_folder_are_read(folder):
    (folder / "notes.txt").write_text("not an image")
    (folder / ".hidden.png").write_bytes(b"")
    (folder / "2.png").mkdir()
    assert open_source(str(folder)).length == 3


def test_unreadable_images_are_skipped_counted_and_named(folder, caplog):
    (folder / "9.png").write_bytes(b"broken")
    source = open_source(str(folder))
    for _ in range(2):  # counted anew in every pass
        assert [image[0, 0, 0] for image in source] == [1, 10]
        assert source.skipped == 1
    assert "9.png" in caplog.text


def test_an_image_of_another_size_is_skipped_counted_and_named(folder, caplog):
    write_image(folder / "3.png", RED[:12])
    source = open_source(str(folder))
    for _ in range(2):
        assert 1 not in [number for number, _ in source.numbered()]
        assert source.skipped == 1
    assert caplog.text.count("expected an image of 32x24 like the first one; got 32x12 in") == 1
    assert "3.png; skipped" in caplog.text


def test_images_of_several_sizes_are_refused(folder):
    for number in range(11, 16):
        write_image(folder / f"{number}.png", RED[:12])
    with pytest.raises(SourceError, match=r"one size, 32x24; got 32x12 in .*15\.png, and those before it"):
        list(open_source(str(folder)))


def test_a_video_is_rgb_and_begins_anew_each_time(tmp_path):
    images = [RED, RED // 2, RED // 4]
    source = open_source(write_video(tmp_path / "clip.avi", images))
    assert (source.length, source.size, source.fps) == (3, (24, 32), 25.0)
    for _ in range(2):
        np.testing.assert_allclose([image.mean(axis=(0, 1)) for image in source], [i[0, 0] for i in images], atol=8)


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        # nothing there
        (lambda folder: folder / "missing.mp4", r"there is no .*missing\.mp4"),
        # a folder without images
        (lambda folder: folder, "expected images .* got none"),
        # a file that is no video
        (lambda folder: write_text(folder / "clip.mp4"), "can decode"),
        # a folder with nothing but broken images
        (lambda folder: write_text(folder / "broken/1.png").parent, "got 1 unreadable"),
        # a camera that does not exist
        (lambda folder: "999", "camera 999"),
    ],
    ids=["missing", "empty folder", "not a video", "broken images", "no camera"],
)
def test_a_bad_source_is_refused(tmp_path, make, complaint):
    with pytest.raises(SourceError, match=complaint):
        open_source(str(make(tmp_path)))


def write_text(path):
    path.parent.mkdir(exist_ok=True)
    path.write_text("text")
    return path


def test_an_image_that_cannot_be_written_is_reported(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SourceError, match="cannot write"):
        write_image(tmp_path / "file/image.png", RED)


def test_frames_are_numbered_and_those_that_cannot_be_read_keep_their_numbers(folder, tmp_path):
    (folder / "9.png").write_text("no image")
    source = open_source(str(folder))
    assert source.names == ["1", "9", "10"]
    assert 1 not in [number for number, _ in source.numbered()]
    assert [number for number, _ in source.numbered(1)] == [2]
    video = open_source(write_video(tmp_path / "clip.avi", [RED, RED // 2, RED // 4]))
    assert [number for number, _ in video.numbered()] == [0, 1, 2]
    ((number, last),) = video.numbered(2)
    assert number == 2
    np.testing.assert_array_equal(last, list(video)[2])
    assert list(video.numbered(3)) == []
    assert not video.names
