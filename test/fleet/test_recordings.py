"""Which recordings sources name."""

from __future__ import annotations

import pytest

from sampt_ros.errors import SourceError
from sampt_ros.fleet.recordings import find_recordings


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in ("monday/cups.mp4", "monday/mugs.mp4", "tuesday/cups.mp4", "frames/0.jpg", "bag/metadata.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "one.mcap.zstd").write_text("")
    (tmp_path / "picture.txt").write_bytes(b"\xff\xd8")
    (tmp_path / "empty.txt").write_text("# nothing yet")
    (tmp_path / "self.txt").write_text("frames\nself.txt\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(*sources):
    return [recording.name for recording in find_recordings(sources)]


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        (["monday/cups.mp4", "frames"], ["cups", "frames"]),
        # what a pattern finds is called by the folders in which it differs
        (["monday/*.mp4"], ["cups", "mugs"]),
        (["*/cups.mp4"], ["monday/cups", "tuesday/cups"]),
        (["**/*.mp4"], ["monday/cups", "monday/mugs", "tuesday/cups"]),
        # named twice, it is one recording
        (["monday/cups.mp4", "monday/cu*.mp4"], ["cups"]),
        (["monday/../frames/."], ["frames"]),
    ],
)
def test_recordings_are_called_by_their_files(folder, sources, expected):
    assert names(*sources) == expected


def test_bags_are_told_from_videos_and_folders(folder):
    found = {each.name: each.is_bag for each in find_recordings(["bag", "one.mcap.zstd", "frames", "monday/cups.mp4"])}
    assert found == {"bag": True, "one": True, "frames": False, "cups": False}


@pytest.mark.parametrize(("others", "is_bag"), [(["0.png"], False), (["0.pgm"], False), (["a.mcap", "0.gif"], True)])
def test_metadata_beside_frames_make_no_bag(folder, others, is_bag):
    for name in others:
        (folder / "bag" / name).write_text("")
    (found,) = find_recordings(["bag"])
    assert found.is_bag == is_bag


def test_a_pattern_finds_animations_though_a_folder_may_have_such_frames(folder):
    for name in ("cups.gif", "mugs.avif"):
        (folder / "monday" / name).touch()
    assert names("monday/*.gif", "monday/*.avif") == ["cups", "mugs"]


def test_a_list_names_sources_from_its_own_folder(folder, monkeypatch):
    (folder / "list.txt").write_text("# of this week\nmonday/cups.mp4  # good\n\n*/mugs.mp4\n")
    monkeypatch.chdir("/")
    found = find_recordings([str(folder / "list.txt")])
    assert [each.name for each in found] == ["cups", "monday/mugs"]
    assert found[0].source == str(folder / "monday/cups.mp4")


def test_a_list_may_name_files_with_a_hash_and_come_from_windows(folder):
    for name in ("run", "run#2.mp4"):
        (folder / name).write_text("")
    (folder / "list.txt").write_bytes("\ufeffrun#2.mp4 # the second one\r\n#run\r\n".encode())
    assert names("list.txt") == ["run#2"]


def test_patterns_find_no_hidden_files_and_none_that_belong_to_a_bag(folder):
    for name in ("monday/.DS_Store", ".trash/cups.mp4", "x.db3", "x.db3-wal", "x.db3-shm", "y-wal"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("")
    assert names("monday/*") == ["cups", "mugs"]
    assert names("*/cups.mp4") == ["monday/cups", "tuesday/cups"]
    assert names("monday/.*") == [".DS_Store"]
    assert names("[xy]*") == ["x", "y-wal"]


def test_a_folder_that_is_named_by_dots_or_a_link_is_called_as_it_is(folder, monkeypatch):
    monkeypatch.chdir(folder / "frames")
    assert names(".") == ["frames"]
    assert names("../monday/..") == [folder.name]
    (folder / "latest").symlink_to(folder / "frames")
    assert names("../latest") == ["latest"]


@pytest.mark.parametrize(
    ("sources", "complaint"),
    [
        (["nowhere.mp4"], "there is no 'nowhere.mp4'"),
        (["no*"], "whose names match 'no\\*'; got none"),
        (["frames/*.jpg"], "finds images such as frames/0.jpg: name their folders"),
        (["picture.txt"], "cannot read the list picture.txt: it is not text in UTF-8"),
        (["empty.txt"], "expected at least one recording; got none in empty.txt"),
        (["self.txt"], "expected recordings in the list self.txt; got the list itself"),
        (["monda*", "**/*.mp4"], "expected recordings apart from one another; got 'monday', and in it 'monday/cups'"),
        (["**"], "expected a recording with a name of its own"),
        (["*/../tuesday"], "expected a recording with a name of its own; got .*tuesday, called '.*/../tuesday'"),
        (["monday/cups.mp4", "tuesday/cups.mp4"], "got two that are called 'cups': .*monday.*tuesday"),
    ],
)
def test_what_is_not_there_or_unclear_is_said(folder, sources, complaint):
    with pytest.raises(SourceError, match=complaint):
        names(*sources)


def test_addresses_are_looked_up(folder):
    pytest.importorskip("fsspec", reason="fsspec is missing")
    found = find_recordings([f"file://{folder}/*/cups.mp4", f"file://{folder}/bag"])
    assert [(each.name, each.is_bag) for each in found] == [
        ("monday/cups", False),
        ("tuesday/cups", False),
        ("bag", True),
    ]
    assert found[0].source == f"file://{folder}/monday/cups.mp4"
    with pytest.raises(SourceError, match="there is none at file:///nowhere"):
        names("file:///nowhere")


def test_a_link_keeps_its_name_whose_suffix_says_what_it_is(folder):
    (folder / "blobs").mkdir()
    (folder / "blobs/1a2b").write_text("")
    (folder / "snapshot").mkdir()
    (folder / "snapshot/run.mkv").symlink_to("../blobs/1a2b")
    (folder / "latest").symlink_to("snapshot")
    for source in ("latest/run.mkv", "latest/*.mkv", "latest/../snapshot/run.mkv"):
        (found,) = find_recordings([source])
        assert (found.name, found.source) == ("run", f"{folder}/snapshot/run.mkv")
    # named by two links, it is one recording
    (folder / "run.mkv").symlink_to("blobs/1a2b")
    assert names("run.mkv", "latest/run.mkv") == ["run"]
