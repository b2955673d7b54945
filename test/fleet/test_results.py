"""Results that are whole, or not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from sampt_ros.errors import SourceError
from sampt_ros.fleet import remote_files
from sampt_ros.fleet.report import Report
from sampt_ros.fleet.results import LocalResults, Outcome, RemoteResults


def outcome(name="monday/cups", **more):
    return Outcome(name, ("track", "cups.mp4"), 5, 1, {"1": 5}, more.pop("j", {}), 0.5, 2.0, **more)


@pytest.fixture(params=["folder", "file", "memory"])
def results(request, tmp_path):
    if request.param == "folder":
        return LocalResults(tmp_path / "out")
    pytest.importorskip("fsspec", reason="fsspec is missing")
    return RemoteResults(f"{request.param}://{tmp_path}/out")


def content(results, path) -> str:
    """The text of a file of theirs."""
    if isinstance(results, LocalResults):
        return (results.folder / path).read_text()
    return remote_files.read_text(f"{results._address}/{path}")


def publish(results, text, replace=False, **more):
    with results.working_folder("monday/cups") as folder:
        (folder / "labels").mkdir()
        (folder / "labels/00000.png").write_text(text)
        return results.publish(folder, outcome(**more), replace)


def everything(results) -> list[str]:
    """The paths of all files at their place."""
    if isinstance(results, LocalResults):
        return sorted(str(file.relative_to(results.folder)) for file in results.folder.rglob("*") if file.is_file())
    return remote_files.names(results._address)


def test_a_recording_counts_once_it_is_published(results):
    with results.working_folder("monday/cups") as folder:
        (folder / "half").write_text("")
        assert results.finished("monday/cups") is None
    assert not folder.exists()
    assert publish(results, "whole") == results.finished("monday/cups")
    assert content(results, "monday/cups/labels/00000.png") == "whole"


def test_of_two_workers_the_faster_one_counts(results):
    publish(results, "first", machine="a")
    assert publish(results, "second", machine="b").machine == "a"
    assert content(results, "monday/cups/labels/00000.png") == "first"


def test_results_make_way_for_newer_ones_that_are_whole(results):
    publish(results, "first", machine="a")
    with results.working_folder("monday/cups"):
        assert content(results, "monday/cups/labels/00000.png") == "first"
    assert publish(results, "second", machine="b", replace=True) == results.finished("monday/cups")
    assert results.finished("monday/cups").machine == "b"
    assert content(results, "monday/cups/labels/00000.png") == "second"
    results.clear()
    assert everything(results) == ["monday/cups/labels/00000.png", "monday/cups/result.json"]


@pytest.mark.parametrize("end", ["fails", "interrupted", "killed"])
def test_results_stay_if_newer_ones_cannot_take_their_place(results, monkeypatch, end):
    publish(results, "first")
    is_local = isinstance(results, LocalResults)
    where, name = (Path, "rename") if is_local else (remote_files, "send")
    act = getattr(where, name)

    def end_at_the_last_step(source, *more, **named):
        if is_local and source.parent.name != ".partial":
            return act(source, *more, **named)
        raise OSError(28, "No space left on device") if end == "fails" else SystemExit

    with monkeypatch.context() as patch, pytest.raises((SourceError, OSError, SystemExit)):
        patch.setattr(where, name, end_at_the_last_step)
        if end == "killed":
            patch.setattr(type(results), "_put_back", lambda *_: None)
        publish(results, "second", replace=True)
    earlier = (results.finished("monday/cups"), results.replaced("monday/cups"))
    assert [each is None for each in earlier] == ([True, False] if end == "killed" else [False, True])
    results.clear()
    assert content(results, "monday/cups/labels/00000.png") == "first"
    assert everything(results) == ["monday/cups/labels/00000.png", "monday/cups/result.json"]


def test_results_make_way_where_files_cannot_be_copied(tmp_path, monkeypatch):
    fsspec = pytest.importorskip("fsspec", reason="fsspec is missing")
    kind = fsspec.get_filesystem_class("memory")
    monkeypatch.setattr(kind, "cp_file", fsspec.AbstractFileSystem.cp_file)  # as for sftp and ftp
    results = RemoteResults(f"memory://{tmp_path}/out")
    publish(results, "first")
    publish(results, "second", replace=True)
    assert content(results, "monday/cups/labels/00000.png") == "second"
    assert everything(results) == ["monday/cups/labels/00000.png", "monday/cups/result.json"]


def test_an_error_without_words_is_told_by_its_kind(tmp_path, monkeypatch):
    fsspec = pytest.importorskip("fsspec", reason="fsspec is missing")
    monkeypatch.setattr(fsspec.get_filesystem_class("memory"), "pipe_file", fsspec.AbstractFileSystem.cp_file)
    with pytest.raises(SourceError, match=r"cannot write to memory://place/report\.json: NotImplementedError$"):
        RemoteResults("memory://place").write("report.json", "")


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", '{"name": "cups"}', '{"arguments": [], "warnings": [], "by": "another program"}'),
        '{"arguments": [], "warnings": [], "files": []}',
    ],
)
def test_a_damaged_file_of_results_is_told_and_can_be_replaced(results, text):
    publish(results, "first")
    results.write("monday/cups/result.json", text)
    with pytest.raises(SourceError, match=r"monday/cups/result\.json; got something else .* with --redo"):
        results.finished("monday/cups")
    assert results.has("monday/cups")
    assert publish(results, "second", replace=True) == results.finished("monday/cups")


def test_what_is_not_results_is_not_replaced(results):
    results.write("monday/cups/notes", "mine")
    assert not results.has("monday/cups")
    with pytest.raises(SourceError, match="that are not results"):
        publish(results, "whole", replace=True)
    assert content(results, "monday/cups/notes") == "mine"


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_a_place_that_cannot_be_written_to_is_named(tmp_path, kind):
    if kind == "file":
        pytest.importorskip("fsspec", reason="fsspec is missing")
    (tmp_path / "file").write_text("")
    results = LocalResults(tmp_path / "file/out") if kind == "folder" else RemoteResults(f"file://{tmp_path}/file/out")
    for act in (
        lambda: results.write("report.json", ""),
        lambda: results.finished("cups"),
        lambda: publish(results, ""),
    ):
        with pytest.raises(SourceError, match=r"cannot (write to|read) .*file/out"):
            act()


def test_a_folder_of_somebody_else_is_not_touched(tmp_path):
    (tmp_path / "monday/cups").mkdir(parents=True)
    (tmp_path / "monday/cups/notes").write_text("mine")
    with pytest.raises(SourceError, match=r"cannot write to .*monday/cups: it contains files that are not results"):
        publish(LocalResults(tmp_path), "whole")
    pytest.importorskip("fsspec", reason="fsspec is missing")
    with pytest.raises(SourceError, match=r"expected no files at file://.*monday/cups that are not results"):
        publish(RemoteResults(f"file://{tmp_path}"), "whole")
    assert [path.name for path in (tmp_path / "monday/cups").iterdir()] == ["notes"]


def test_what_was_sent_in_part_is_replaced(tmp_path):
    pytest.importorskip("fsspec", reason="fsspec is missing")
    (tmp_path / "out/monday/cups").mkdir(parents=True)
    for name in ("unfinished", "part_of_earlier"):
        (tmp_path / "out/monday/cups" / name).write_text("")
    results = RemoteResults(f"file://{tmp_path}/out")
    assert results.finished("monday/cups") is None
    publish(results, "whole")
    assert sorted(path.name for path in (tmp_path / "out/monday/cups").iterdir()) == ["labels", "result.json"]


def test_a_row_of_the_report_for_every_recording():
    report = Report({"a": outcome("a", j={"1": 0.5, "2": 0.7})})
    report.add(outcome("c", warnings=("odd", "odder")))
    report.fail("b", "no such file")
    heading, *rows = report.table().splitlines()
    assert heading.split() == ["recording", "frames", "dropped", "J", "frames/s", "seconds", "result"]
    assert [" ".join(row.split()) for row in rows] == [
        "a 5 1 0.600 10.0 2.0 done earlier",
        "b failed: no such file",
        "c 5 1 10.0 2.0 done; odd, and 1 more",
        "all 10 2 0.600 2 done, 1 failed",
    ]


def test_the_report_says_which_results_are_kept_because_nothing_has_replaced_them():
    report = Report({}, ["a", "b", "c"])
    report.add(outcome("a"))
    report.fail("b", "no such file")
    assert [" ".join(row.split()) for row in report.table().splitlines()[1:]] == [
        "a 5 1 10.0 2.0 done",
        "b failed: no such file; its earlier results are kept",
        "c not done again: its earlier results are kept",
        "all 5 1 1 done, 1 failed, 1 not done again",
    ]
    assert '"earlier results kept": [\n    "b",\n    "c"\n  ]' in report.as_json(1.0)
