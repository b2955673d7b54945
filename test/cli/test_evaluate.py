"""`sampt evaluate`: tables and JSON of videos, stills and points."""

from __future__ import annotations

import json

import numpy as np
import pytest
from command_line import run
from davis_folders import vos_folder
from fakes import DriftingTracker, blank
from recordings import write_recording

from sampt_ros.cli import evaluate
from sampt_ros.io.image_files import write_image
from sampt_ros.io.label_images import write_labels


@pytest.fixture
def davis(tmp_path):
    for name in ("one", "two"):
        for index in range(4):
            write_image(tmp_path / f"davis/JPEGImages/480p/{name}/{index:05d}.jpg", blank())
            annotation = tmp_path / f"davis/Annotations/480p/{name}/{index:05d}.png"
            annotation.parent.mkdir(parents=True, exist_ok=True)
            mask = np.zeros((48, 64), np.uint8)
            mask[16:25, 16 + index : 25 + index] = 255
            write_labels(annotation, mask)
    return tmp_path / "davis"


def test_evaluate_prints_a_table_and_writes_json(fakes, davis, tmp_path, capsys):
    setting = ["--set", "points.positive=1", "--set", "points.negative=0"]
    assert run("evaluate", davis, "--json", tmp_path / "scores.json", "--pictures", tmp_path / "sheets", *setting) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["sequence", "one", "two", "mean"]
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert set(scores) == {"sequences", "mean"}
    assert set(scores["sequences"]) == {"one", "two"}
    for row in (*scores["sequences"].values(), scores["mean"]):
        assert set(row) == {"j", "f", "jf", "false", "r", "regained", "fps", "objects"}
        assert (row["j"], row["f"], row["jf"], row["false"]) == (1, 1, 1, 0)
        assert row["r"] is None  # every mask is perfect
        assert row["fps"] > 0
    assert {path.name for path in (tmp_path / "sheets").iterdir()} == {"one.png", "two.png"}


def test_a_broken_file_costs_its_own_sequence_alone(fakes, davis, tmp_path, capsys):
    (davis / "Annotations/480p/one/00002.png").write_text("no image")
    wrong = "00002.png: not an image file, or a broken one"
    assert run("evaluate", davis, "--json", tmp_path / "scores.json") == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["one", "sequence", "two", "mean"]
    assert lines[0].startswith("one       failed: cannot read ")
    assert lines[0].endswith(wrong)
    assert lines[4:] == ["the mean is that of 1 of 2 sequences; failed: one"]
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert (list(scores["sequences"]), list(scores["failed"])) == (["two"], ["one"])
    assert run("evaluate", davis, "--sequences", "one") == 2
    assert wrong in capsys.readouterr().err


@pytest.mark.parametrize(
    "option, more",
    [("--json", []), ("--pictures", []), ("--json", ["--cut", 1]), ("--json", ["--points"])],
    ids=str,
)
def test_where_results_cannot_be_written_nothing_is_measured(
    fakes, drifting, davis, tmp_path, capsys, monkeypatch, option, more
):
    marks = {"frames": [0, 3], "xy": [[(20, 20)], [(23, 20)]], "visible": [[True], [True]]}
    (davis / "point_tracks.json").write_text(json.dumps({"one": marks}))
    (tmp_path / "file").write_text("mine")
    assert run("evaluate", davis, option, tmp_path / "file/scores", *more) == 2
    told = capsys.readouterr()
    assert f"cannot write {tmp_path}/file/scores" in told.err
    assert told.out == ""
    assert (tmp_path / "file").read_text() == "mine"


def test_a_file_for_scores_is_replaced_only_by_scores(fakes, davis, tmp_path):
    (tmp_path / "old.json").write_text("old")
    (davis / "Annotations/480p/one/00000.png").write_text("no image")
    for name in ("old", "new"):
        assert run("evaluate", davis, "--sequences", "one", "--json", tmp_path / f"{name}.json") == 2
    assert (tmp_path / "old.json").read_text() == "old"
    assert not (tmp_path / "new.json").exists()


@pytest.mark.parametrize("option", ["--cut", "--blank"])
def test_interruptions_in_other_layouts_are_refused(fakes, stills, tmp_path, capsys, option):
    vos = vos_folder(tmp_path / "vos", {0: np.eye(48, 64)})
    for folder in (vos, stills):
        assert run("evaluate", folder, option, 2) == 2
        error = capsys.readouterr().err
        assert "--blank and --cut: expected the DAVIS layout" in error
        assert f"{str(folder)!r} has no JPEGImages/480p" in error


@pytest.mark.parametrize("more", [[], ["--workers", 1], ["--points"]], ids=str)
def test_tasks_that_share_a_gpu_need_a_cluster(fakes, davis, capsys, more):
    assert run("evaluate", davis, "--per-gpu", 3, *more) == 2
    assert "--per-gpu" in capsys.readouterr().err


def test_evaluate_takes_some_sequences_and_clicks(fakes, davis, capsys):
    assert run("evaluate", davis, "--sequences", "two", "--clicks", 2) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["sequence", "two", "mean"]


def test_evaluate_measures_objects_that_appear_later(fakes, tmp_path, capsys):
    first, second = (np.zeros((48, 64), np.uint8) for _ in range(2))
    first[16:25, 16:25], second[16:25, 18:27], second[30:39, 30:39] = 1, 1, 2
    third = np.roll(second, 2, axis=1)
    folder = vos_folder(tmp_path / "vos", {0: first, 2: second, 4: third})
    objects = {"1": {"category": "cat", "frames": ["00000"]}, "2": {"category": "owl", "frames": ["00010"]}}
    (folder / "meta.json").write_text(json.dumps({"videos": {"video": {"objects": objects}}}))
    assert run("evaluate", folder, "--json", tmp_path / "scores.json") == 0
    assert [line.split()[:2] for line in capsys.readouterr().out.splitlines()[1:]] == [
        ["video", "1.000"],
        ["mean", "1.000"],
    ]
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert (scores["mean"]["jf"], scores["mean"]["objects"]) == (1, 2)


@pytest.fixture
def stills(tmp_path):
    for name in ("cup", "pan"):
        for index in range(2):
            write_image(tmp_path / f"stills/{name}/{index:02d}.jpg", blank())
            mask = np.zeros((48, 64), np.uint8)
            mask[16:25, 16 + index : 25 + index] = 255
            write_labels(tmp_path / f"stills/{name}/{index:02d}_mask.png", mask)
    return tmp_path / "stills"


def test_evaluate_measures_stills_too(fakes, stills, tmp_path, capsys):
    assert run("evaluate", stills, "--json", tmp_path / "scores.json", "--pictures", tmp_path / "sheets") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["object", "pictures", "IoU@1", "IoU@2", "IoU@3"]
    assert [line.split() for line in lines[1:4]] == [
        ["cup", "2", "1.000", "1.000", "1.000"],
        ["pan", "2", "1.000", "1.000", "1.000"],
        ["mean", "4", "1.000", "1.000", "1.000"],
    ]
    assert lines[4:] == ["correlation of predicted and true IoU: none, too few or equal values (4 masks)"]
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert set(scores["objects"]) == {"cup", "pan"}
    assert scores["mean"] == {"pictures": 4, "iou": [1, 1, 1], "ratings": 4, "correlation": None}
    assert {path.name for path in (tmp_path / "sheets").iterdir()} == {"cup.png", "pan.png"}


def test_evaluate_takes_some_stills_and_clicks(fakes, stills, capsys):
    assert run("evaluate", stills, "--sequences", "pan", "--clicks", 1) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["object", "pictures", "IoU@1"]
    assert [line.split()[0] for line in lines[1:3]] == ["pan", "mean"]


@pytest.fixture
def drifting(monkeypatch):
    """Let `sampt evaluate --points` measure a tracker by which every point moves by a pixel a frame."""
    monkeypatch.setattr(evaluate, "build_point_tracker", lambda config: DriftingTracker())


def test_evaluate_measures_joints(drifting, davis, tmp_path, capsys):
    marks = {"frames": [0, 3], "xy": [[(20, 20)], [(23, 20)]], "visible": [[True], [True]]}
    (davis / "point_tracks.json").write_text(json.dumps({"one": marks, "two": marks}))
    assert run("evaluate", davis, "--points", "--json", tmp_path / "scores.json") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [
        ["sequence", "points", "error", "<=0.1", "<=0.2", "visible"],
        ["one", "1", "0.000", "1.000", "1.000", "1.000"],
        ["two", "1", "0.000", "1.000", "1.000", "1.000"],
        ["mean", "2", "0.000", "1.000", "1.000", "1.000"],
    ]
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert set(scores["sequences"]) == {"one", "two"}
    assert scores["mean"] == {"points": 2, "error": 0, "within": {"0.1": 1, "0.2": 1}, "visible": 1}
    assert run("evaluate", davis, "--points", "--sequences", "two") == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["sequence", "two", "mean"]


def test_evaluate_measures_static_points(drifting, tmp_path, capsys):
    folder = tmp_path / "rgbd"
    folder.mkdir()
    assert run("evaluate", write_recording(folder, 17), "--points", "--json", tmp_path / "scores.json") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["frames", "points", "moved", "px", "error", "px", "visible"]
    assert [line.split()[::2] for line in lines[1:]] == [["8", "8.00", "1.000"], ["16", "16.00", "1.000"]]
    rows = json.loads((tmp_path / "scores.json").read_text())["static_points"]
    assert [row["frames"] for row in rows] == [8, 16]
    assert set(rows[0]) == {"frames", "points", "moved_px", "error_px", "visible"}
    assert run("evaluate", folder, "--points", "--sequences", "one") == 2
    assert "expected --points without --sequences" in capsys.readouterr().err
