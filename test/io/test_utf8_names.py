"""Videos whose names are not in UTF-8, which OpenCV would crash with."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from sampt_ros.errors import SourceError
from sampt_ros.io.utf8_names import utf8_name
from sampt_ros.io.video import VideoFile
from sampt_ros.io.video_writer import video_writer

IMAGE = np.full((24, 32, 3), 90, np.uint8)
NAME = os.fsdecode(b"caf\xe9")


@pytest.fixture
def odd(tmp_path):
    """A folder whose name is not in UTF-8."""
    folder = tmp_path / NAME
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this file system takes names in UTF-8 alone")
    return folder


@pytest.mark.parametrize("name", ["clip.mp4", f"{NAME}.mp4"])
def test_a_video_of_such_a_name_is_written_and_read(odd, name, monkeypatch, tmp_path):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    writer = video_writer(odd / name, 10, IMAGE.shape[:2])
    for _ in range(3):
        writer.write(IMAGE)
    writer.close()
    assert [path.name for path in odd.iterdir()] == [name]
    assert len(list(VideoFile(odd / name))) == 3
    assert not list((tmp_path / "temporary").iterdir())


def test_a_suffix_that_is_not_in_utf_8_is_left_out(odd):
    with utf8_name(odd / os.fsdecode(b"clip.m\xe9")) as name:
        assert Path(name).name == "link"


def test_without_a_place_for_a_link_it_says_so(odd, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(odd))
    with pytest.raises(SourceError, match=r"expected a name in UTF-8; that of .*clip\.mp4 is not: neither is that of"):
        video_writer(odd / "clip.mp4", 10, IMAGE.shape[:2])


def test_other_names_are_passed_on(tmp_path):
    with utf8_name(tmp_path / "größe.mp4") as name:
        assert name == str(tmp_path / "größe.mp4")


def test_names_in_utf_8_are_so_in_every_locale(tmp_path):
    program = "import sys; from pathlib import Path; from sampt_ros.io.utf8_names import utf8_name\n"
    program += "with utf8_name(Path(sys.argv[1])) as name: sys.exit(name != '/gr\\xf6\\xdfe')"
    ascii_only = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    assert subprocess.run([sys.executable, "-c", program, "/größe"], env=ascii_only, check=False).returncode == 0
