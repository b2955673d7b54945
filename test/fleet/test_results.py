"""Results that are whole, or not there."""

from __future__ import annotations

import pytest

from sampt_ros.errors import SourceError
from sampt_ros.fleet.report import Report
from sampt_ros.fleet.results import LocalResults, Outcome, RemoteResults


def outcome(name="monday/cups", **more):
    return Outcome(name, ("track", "cups.mp4"), 5, 1, {"1": 5}, more.pop("j", {}), 0.5, 2.0, **more)


@pytest.fixture(params=["folder", "address"])
def results(request, tmp_path):
    if request.param == "folder":
        return LocalResults(tmp_path / "out")
    pytest.importorskip("fsspec", reason="fsspec is missing")
    return RemoteResults(f"file://{tmp_path}/out")


def publish(results, text, **more):
    with results.working_folder("monday/cups") as folder:
        (folder / "labels").mkdir()
        (folder / "labels/00000.png").write_text(text)
        return results.publish(folder, outcome(**more))


def test_a_recording_counts_once_it_is_published(results, tmp_path):
    with results.working_folder("monday/cups") as folder:
        (folder / "half").write_text("")
        assert results.finished("monday/cups") is None
    assert not folder.exists()
    assert publish(results, "whole") == results.finished("monday/cups")
    assert (tmp_path / "out/monday/cups/labels/00000.png").read_text() == "whole"


def test_of_two_workers_the_faster_one_counts(results, tmp_path):
    publish(results, "first", machine="a")
    assert publish(results, "second", machine="b").machine == "a"
    assert (tmp_path / "out/monday/cups/labels/00000.png").read_text() == "first"


def test_results_that_are_none_are_named(results, tmp_path):
    publish(results, "whole")
    for text in ("", "[]", "{}", '{"arguments": [], "warnings": [], "by": "another program"}'):
        (tmp_path / "out/monday/cups/result.json").write_text(text)
        with pytest.raises(SourceError, match=r"monday/cups/result\.json; got something else .*name another --out"):
            results.finished("monday/cups")


def test_removed_results_can_be_made_again(results, tmp_path):
    publish(results, "first")
    results.remove("monday/cups")
    assert results.finished("monday/cups") is None
    publish(results, "second")
    assert (tmp_path / "out/monday/cups/labels/00000.png").read_text() == "second"


def test_a_folder_of_somebody_else_is_not_touched(tmp_path):
    (tmp_path / "monday/cups").mkdir(parents=True)
    (tmp_path / "monday/cups/notes").write_text("mine")
    with pytest.raises(SourceError, match=r"cannot write to .*monday/cups: Directory not empty"):
        publish(LocalResults(tmp_path), "whole")
    pytest.importorskip("fsspec", reason="fsspec is missing")
    with pytest.raises(SourceError, match=r"expected nothing at file://.*monday/cups that is not results"):
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
