from __future__ import annotations

import json
import shlex
import sys

import pytest

from sampt_ros.errors import SamPtError
from sampt_ros.evaluation.speed.benchmark import Case, Timing
from sampt_ros.evaluation.speed.comparison import middle, ratio_table, ratios, read_report, times_of

SMALL, LARGE = Case((64, 48), 1, 8), Case((128, 96), 2, 8)


def report(*cases, **more) -> str:
    """What `sampt benchmark --json` writes, of cases and their timings."""
    rows = [
        {"size": case.size, "objects": case.objects, "points": case.points, "beside": case.beside}
        | {"stages_ms": {"total": {"median": timing.median, "p95": timing.p95}}}
        for case, timing in cases
    ]
    return json.dumps({"machine": "a machine", "preset": "default", "cases": rows, **more})


def test_ratios_are_of_the_cases_that_both_have():
    (ratio,) = ratios({SMALL: Timing(10, 30), LARGE: Timing(1, 1)}, {SMALL: Timing(20, 40)})
    assert (ratio.case, ratio.median, ratio.p95) == (SMALL, 0.5, 0.75)


def test_a_case_beside_others_is_another_case():
    beside = Case(SMALL.size, SMALL.objects, SMALL.points, beside=2)
    with pytest.raises(SamPtError, match="64x48 with 1 objects of 8 points beside 2 and 64x48 with 1 objects"):
        ratios({beside: Timing(1, 1)}, {SMALL: Timing(1, 1)})


def test_the_table_names_both_sides():
    heading, row = ratio_table(ratios({SMALL: Timing(10, 30)}, {SMALL: Timing(20, 40)}), "here", "against").splitlines()
    assert heading.split() == ["size", "objects", "points", "beside", "here", "against", "median", "p95"]
    assert row.split() == ["64x48", "1", "8", "0", "10.0", "/", "30.0", "20.0", "/", "40.0", "0.50", "0.75"]


def test_the_middle_of_several_runs_is_the_median_of_their_medians():
    runs = [{SMALL: Timing(1, 9)}, {SMALL: Timing(50, 8)}, {SMALL: Timing(3, 70), LARGE: Timing(5, 6)}]
    assert middle(runs) == {SMALL: Timing(3, 9), LARGE: Timing(5, 6)}


def test_a_report_is_read_also_one_that_knows_nothing_of_other_programs(tmp_path):
    path = tmp_path / "times.json"
    path.write_text(report((SMALL, Timing(2, 3))).replace(', "beside": 0', ""))
    read = read_report(path)
    assert (read["timings"], read["machine"]) == ({SMALL: Timing(2, 3)}, "a machine")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "cannot read"),
        ("no JSON", "expected what `sampt benchmark --json` writes"),
        ("[]", "expected what `sampt benchmark --json` writes"),
        ('{"cases": [{"size": [1]}]}', "expected what `sampt benchmark --json` writes"),
    ],
)
def test_what_is_no_report_is_refused(tmp_path, text, reason):
    path = tmp_path / "times.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SamPtError, match=reason):
        read_report(path)


def test_a_command_is_asked_for_its_times():
    program = f"import sys; open(sys.argv[-1], 'w').write({report((SMALL, Timing(2, 3)))!r})"
    assert times_of([sys.executable, "-c", program]) == {SMALL: Timing(2, 3)}


def test_a_command_that_fails_is_told_with_its_last_words():
    command = [sys.executable, "-c", "import sys; print('much'); sys.exit('no such preset')"]
    with pytest.raises(SamPtError, match="failed: no such preset"):
        times_of(command)
    with pytest.raises(SamPtError, match=f"cannot run {shlex.quote('/no/such/sampt')}"):
        times_of(["/no/such/sampt"])


def test_a_file_that_is_no_text_is_told_without_its_content(tmp_path):
    (tmp_path / "clip.mp4").write_bytes(b"\0\0\xe9binary")
    with pytest.raises(SamPtError, match=r"benchmark --json` writes in .*clip\.mp4; got no text$"):
        read_report(tmp_path / "clip.mp4")


def test_what_a_command_says_in_another_encoding_is_escaped():
    code = "import sys; sys.stderr.buffer.write(b'caf\\xe9'); sys.exit(1)"
    with pytest.raises(SamPtError, match=r"failed: caf\\xe9$"):
        times_of([sys.executable, "-c", code])
