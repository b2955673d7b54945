"""Results that are whole, or not there."""

from __future__ import annotations

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


def publish(results, text, **more):
    with results.working_folder("monday/cups") as folder:
        (folder / "labels").mkdir()
        (folder / "labels/00000.png").write_text(text)
        return results.publish(folder, outcome(**more))


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


def test_removed_results_can_be_made_again(results):
    publish(results, "first")
    results.remove("monday/cups")
    assert results.finished("monday/cups") is None
    publish(results, "second")
    assert content(results, "monday/cups/labels/00000.png") == "second"


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", '{"name": "cups"}', '{"arguments": [], "warnings": [], "by": "another program"}'),
        '{"arguments": [], "warnings": [], "files": []}',
    ],
)
def test_a_damaged_file_of_results_is_told_and_can_be_removed(results, text):
    publish(results, "first")
    results.write("monday/cups/result.json", text)
    with pytest.raises(SourceError, match=r"monday/cups/result\.json; got something else .* with --redo"):
        results.finished("monday/cups")
    results.remove("monday/cups")
    assert publish(results, "second") == results.finished("monday/cups")


def test_what_is_not_results_is_not_removed(results):
    results.write("monday/cups/notes", "mine")
    results.remove("monday/cups")
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
