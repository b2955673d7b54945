from __future__ import annotations

import json

import numpy as np
import pytest
from davis_folders import vos_folder
from fakes import DriftingTracker, SquareSegmenter, blank
from recordings import write_recording
from synthetic import two_disks

from sampt_ros.cli import benchmark, common, doctor, evaluate, track
from sampt_ros.cli import main as cli
from sampt_ros.errors import ConfigError
from sampt_ros.io.image_files import write_image
from sampt_ros.io.label_images import read_labels, write_labels
from sampt_ros.segmenters import SEGMENTERS
from sampt_ros.tracking.sam_pt import SamPt


@pytest.fixture
def fakes(monkeypatch):
    """Let `sampt` track squares, whatever the images show."""
    for command in (track, evaluate, benchmark):
        monkeypatch.setattr(command, "SamPt", lambda config: SamPt(config, SquareSegmenter(), DriftingTracker()))


@pytest.fixture
def folder(tmp_path):
    for index in range(5):
        write_image(tmp_path / f"frames/{index}.png", blank())
    return tmp_path / "frames"


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


def run(*arguments):
    return cli.main([str(argument) for argument in arguments])


MODELS = [["models"], ["models", "list"], ["models", "fetch"], ["models", "verify"]]


@pytest.mark.parametrize(
    "command", [[], ["track"], ["bag"], ["evaluate"], ["benchmark"], ["doctor"], *MODELS], ids=" ".join
)
def test_every_command_has_help(capsys, command):
    with pytest.raises(SystemExit) as stop:
        run(*command, "--help")
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith(" ".join(["usage: sampt", *command]))
    assert max(map(len, text.splitlines())) <= 120


def test_track_writes_results_and_says_where(fakes, folder, tmp_path, capsys):
    assert run("track", folder, "--point", "20,20", "--box", "30,20,50,40,2", "--out", tmp_path / "out") == 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"labels", "tracks.csv", "objects.csv", "overlay.mp4", "contact_sheet.png"}
    assert set(np.unique(read_labels(tmp_path / "out/labels/00004.png"))) == {0, 1, 2}
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"{tmp_path / 'out'}: ")
    assert "5 frames, 2 objects" in line


def test_track_stops_after_so_many_frames(fakes, folder, tmp_path):
    assert run("track", folder, "--point", "20,20", "--out", tmp_path / "out", "--max-frames", 2) == 0
    assert len(list((tmp_path / "out/labels").iterdir())) == 2


def test_an_interrupted_track_keeps_what_it_has(fakes, folder, tmp_path, capsys, monkeypatch):
    step = SamPt.step

    def interrupted(self, image):
        if self._frames and self._frames.newest.index == 2:
            raise KeyboardInterrupt
        return step(self, image)

    monkeypatch.setattr(SamPt, "step", interrupted)
    assert run("track", folder, "--point", "20,20", "--out", tmp_path / "out") == 130
    assert "3 frames" in capsys.readouterr().out
    assert len((tmp_path / "out/objects.csv").read_text().splitlines()) == 4
    assert (tmp_path / "out/contact_sheet.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        # nothing to read
        (["track", "nowhere.mp4", "--point", "1,1"], "there is no 'nowhere.mp4'"),
        # nothing to track
        (["track", "FOLDER"], "at least one --point, --box, --mask, --reference or --query-points"),
        # a point outside
        (["track", "FOLDER", "--point", "900,1"], "inside the 64x48 image"),
        # an unknown preset, parameter and value
        (["track", "FOLDER", "--point", "9,9", "--preset", "magic"], "unknown preset 'magic'"),
        (["track", "FOLDER", "--point", "9,9", "--set", "reinit.horzion=3"], "unknown parameter reinit.horzion"),
        (["track", "FOLDER", "--point", "9,9", "--set", "reinit.horizon=soon"], "reinit.horizon: expected int"),
        # neither videos in the DAVIS layout nor stills
        (["evaluate", "FOLDER"], "expected JPEGImages/480p and Annotations/480p"),
        (["evaluate", "FOLDER"], "a folder per object with NN.jpg and NN_mask.png"),
        # neither joints nor RGB-D
        (["evaluate", "FOLDER", "--points"], "expected point_tracks.json beside JPEGImages/480p"),
        (
            ["evaluate", "FOLDER", "--points"],
            "or camera-intrinsics.txt and frame-NNNNNN.{color.jpg,depth.png,pose.txt}",
        ),
        # clicks are for masks
        (["evaluate", "FOLDER", "--points", "--clicks", "2"], "expected --points without --clicks"),
    ],
)
def test_what_goes_wrong_is_said_in_one_line(fakes, folder, tmp_path, capsys, arguments, complaint):
    arguments = [str(folder) if argument == "FOLDER" else argument for argument in arguments]
    if arguments[0] == "track":
        arguments += ["--out", str(tmp_path / "out")]
    assert run(*arguments) == 2
    written = capsys.readouterr()
    (line,) = written.err.strip().splitlines()[-1:]
    assert line.startswith("sampt: error: ")
    assert complaint in line
    assert written.out == ""
    assert not (tmp_path / "out").exists()


def test_a_missing_module_is_no_traceback(folder, capsys, monkeypatch):
    def without_torch(config):
        raise ModuleNotFoundError("No module named 'torch'")

    monkeypatch.setattr(track, "SamPt", without_torch)
    assert run("track", folder, "--point", "9,9") == 2
    assert capsys.readouterr().err == "sampt: error: No module named 'torch'; `sampt doctor` says what to install\n"


def test_settings_are_yaml_scalars():
    given = ["reinit.horizon=4", "prompting.carry_mask=true", "prompting.iou_threshold=0.5", "sam.model=vit_h"]
    assert list(common.settings(given).values()) == [4, True, 0.5, "vit_h"]


@pytest.mark.parametrize("given", ["reinit.horizon", "=4", "seed=[1"])
def test_a_setting_without_name_or_value_is_refused(given):
    with pytest.raises(ConfigError, match="--set"):
        common.settings([given])


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


def test_track_tries_a_preset_without_its_weights(monkeypatch, tmp_path, capsys):
    pytest.importorskip("torch", reason="torch is missing, which runs the networks")
    monkeypatch.setenv("SAMPT_CACHE", str(tmp_path))
    preset = tmp_path / "slow.yaml"
    preset.write_text("segmenter: nano\npoint_tracker: pips\nnano: {window: 96}\npips: {iterations: 1}\n")
    for index in range(2):
        image, red, _ = two_disks(index)
        write_image(tmp_path / f"frames/{index}.png", image)
    write_image(tmp_path / "red.png", np.repeat(255 * red[..., None].astype(np.uint8), 3, 2))
    options = ["track", tmp_path / "frames", "--mask", tmp_path / "red.png", "--preset", preset]
    assert run(*options, "--out", tmp_path / "out") == 2
    assert "pips.checkpoint" in capsys.readouterr().err
    assert run(*options, "--out", tmp_path / "out", "--random-weights") == 0
    assert "of 2 frames" in capsys.readouterr().out


SHORT = ["--frames", 2, "--warmup", 1, "--objects", "1", "--points", "3", "--sizes", "64x48"]


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


@pytest.mark.parametrize("bad", [["--objects", "1,0"], ["--sizes", "640"], ["--frames", "many"]], ids=" ".join)
def test_bad_numbers_are_refused_with_what_was_expected(capsys, bad):
    with pytest.raises(SystemExit) as stop:
        run("benchmark", *bad)
    assert stop.value.code == 2
    assert "expected" in capsys.readouterr().err


def test_doctor_reports_and_tells_by_its_status(capsys, monkeypatch):
    assert run("doctor") == 0
    assert "Python" in capsys.readouterr().out
    monkeypatch.setattr(doctor, "is_healthy", lambda checks: False)
    assert run("doctor") == 1


def test_the_default_preset_tracks_two_disks(tmp_path):
    for index in range(6):
        image, red, blue = two_disks(index)
        write_image(tmp_path / f"frames/{index}.png", image)
    assert run("track", tmp_path / "frames", "--point", "44,48", "--point", "84,48,1,2", "--out", tmp_path / "out") == 0
    labels = read_labels(tmp_path / "out/labels/00005.png")
    for name, truth in ((1, red), (2, blue)):
        assert ((labels == name) & truth).sum() > 0.5 * truth.sum()
