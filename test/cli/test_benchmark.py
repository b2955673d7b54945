"""`sampt benchmark`: tables and JSON, of one run or of two that are compared."""

from __future__ import annotations

import json

import pytest
from command_line import run

from sampt_ros.segmenters import SEGMENTERS

SHORT = ["--frames", 2, "--warmup", 1, "--objects", "1", "--points", "3", "--sizes", "64x48"]


def test_benchmark_prints_a_table_and_writes_json(fakes, tmp_path, capsys):
    short = ["--frames", 2, "--warmup", 1, "--objects", "1,2", "--points", "3", "--sizes", "64x48,80x60"]
    assert run("benchmark", *short, "--json", tmp_path / "times.json") == 0
    assert len(capsys.readouterr().out.splitlines()) == 2 + 4
    cases = json.loads((tmp_path / "times.json").read_text())["cases"]
    assert [(case["size"], case["objects"]) for case in cases] == [
        ([64, 48], 1),
        ([64, 48], 2),
        ([80, 60], 1),
        ([80, 60], 2),
    ]
    assert cases[0]["stages_ms"]["total"].keys() == {"median", "p95"}


def test_benchmark_measures_a_preset_without_its_weights(monkeypatch, tmp_path, capsys):
    pytest.importorskip("torch", reason="torch is missing, which runs the networks")
    monkeypatch.setenv("SAMPT_CACHE", str(tmp_path))
    preset = tmp_path / "slow.yaml"
    preset.write_text("segmenter: nano\npoint_tracker: pips\nnano: {window: 96}\npips: {iterations: 1}\n")
    short = ["--preset", preset, "--frames", 2, "--warmup", 1, "--objects", "2", "--sizes", "96x64"]
    assert run("benchmark", *short) == 2
    assert "pips.checkpoint" in capsys.readouterr().err
    assert run("benchmark", *short, "--random-weights", "--json", tmp_path / "times.json") == 0
    first, _, row = capsys.readouterr().out.splitlines()
    assert first.endswith("slow.yaml, random weights")
    assert "100%" in row
    assert json.loads((tmp_path / "times.json").read_text())["random_weights"] is True


def test_benchmark_measures_a_preset_with_a_one_shot_method_without_its_weights(small_sam, monkeypatch, tmp_path):
    monkeypatch.setitem(SEGMENTERS, "sam", lambda config: small_sam)
    preset = tmp_path / "picture.yaml"
    preset.write_text("segmenter: sam\npoint_tracker: dis_flow\none_shot: persam\nprompting: {refinements: 1}\n")
    short = ["--preset", preset, "--frames", 2, "--warmup", 1, "--objects", "1", "--sizes", "96x64"]
    assert run("benchmark", *short, "--random-weights") == 0


def test_benchmark_measures_alone_and_beside_other_processes(fakes, tmp_path, capsys):
    assert run("benchmark", *SHORT, "--beside", 1, "--rounds", 3, "--json", tmp_path / "times.json") == 0
    _, heading, alone, beside, ratios, ratio = capsys.readouterr().out.splitlines()
    assert heading.split()[:4] == ["size", "objects", "points", "beside"]
    assert [row.split()[3] for row in (alone, beside)] == ["0", "1"]
    assert ratios.split()[4:7] == ["beside", "1", "alone"]
    assert float(ratio.split()[-2]) > 0
    cases = json.loads((tmp_path / "times.json").read_text())["cases"]
    assert [case["beside"] for case in cases] == [0, 1]


def test_benchmark_compares_with_an_earlier_run(fakes, tmp_path, capsys):
    earlier = tmp_path / "earlier.json"
    run("benchmark", *SHORT, "--json", earlier)
    report = json.loads(earlier.read_text())
    report["machine"] = "another machine"
    report["cases"][0]["stages_ms"]["total"] = {"median": 1e6, "p95": 1e6}
    earlier.write_text(json.dumps(report))
    capsys.readouterr()
    assert run("benchmark", *SHORT, "--compare", earlier) == 0
    *_, difference, heading, row = capsys.readouterr().out.splitlines()
    assert difference.endswith(f"another machine in {earlier}")
    assert heading.split()[-4:] == ["now", "then", "median", "p95"]
    assert row.split()[-2:] == ["0.00", "0.00"]
    assert run("benchmark", *SHORT, "--compare", tmp_path / "none.json") == 2
    assert "cannot read" in capsys.readouterr().err


def test_benchmark_runs_another_command_in_turn_with_this_one(tmp_path, capsys):
    grabcut = ["--preset", "grabcut", "--set", "points.negative=1"]
    options = [*SHORT, "--rounds", 1, "--json", tmp_path / "ratios.json"]
    assert run("benchmark", *grabcut, *options, "--against", "--preset grabcut") == 0
    _, told, heading, row = capsys.readouterr().out.splitlines()
    assert told == "against --preset grabcut"
    assert heading.split()[-4:] == ["here", "against", "median", "p95"]
    (ratio,) = json.loads((tmp_path / "ratios.json").read_text())["ratios"]
    assert ratio["median_ratio"] == pytest.approx(ratio["now_ms"]["median"] / ratio["then_ms"]["median"])
    assert f"{ratio['median_ratio']:.2f}" == row.split()[-2]
    assert run("benchmark", *grabcut, *SHORT, "--against", "/no/such/sampt benchmark") == 2
    assert "cannot run /no/such/sampt" in capsys.readouterr().err


def test_a_command_that_cannot_be_split_into_words_is_told(capsys):
    assert run("benchmark", *SHORT, "--against", '"--preset') == 2
    assert (
        "--against: expected a command, or options; got '\"--preset': No closing quotation" in capsys.readouterr().err
    )


def test_another_command_and_an_earlier_run_are_not_compared_with_at_once(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        run("benchmark", *SHORT, "--against", "true", "--compare", tmp_path / "none.json")
    assert stop.value.code == 2
    assert "--compare: not allowed with argument --against" in capsys.readouterr().err


def test_where_the_numbers_cannot_be_written_nothing_is_measured(fakes, tmp_path, capsys):
    assert run("benchmark", *SHORT, "--json", tmp_path) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert f"cannot write {tmp_path}: Is a directory" in told.err


def test_numbers_are_written_though_they_have_no_case_in_common_with_an_earlier_run(fakes, tmp_path, capsys):
    assert run("benchmark", *SHORT, "--json", tmp_path / "earlier.json") == 0
    other = [*SHORT[:-1], "80x60", "--compare", tmp_path / "earlier.json", "--json", tmp_path / "now.json"]
    assert run("benchmark", *other) == 2
    assert "expected a case that both measured" in capsys.readouterr().err
    assert len(json.loads((tmp_path / "now.json").read_text())["cases"]) == 1


@pytest.mark.parametrize("bad", [["--objects", "1,0"], ["--sizes", "640"], ["--frames", "many"]], ids=" ".join)
def test_bad_numbers_are_refused_with_what_was_expected(capsys, bad):
    with pytest.raises(SystemExit) as stop:
        run("benchmark", *bad)
    assert stop.value.code == 2
    assert "expected" in capsys.readouterr().err
