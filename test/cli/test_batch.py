"""`sampt batch` on processes of this machine."""

from __future__ import annotations

import json
import re
import shutil

import fleet_recordings as fleet
import pytest

from sampt_ros.cli import main as cli
from sampt_ros.fleet.digests import digest

pytest.importorskip("onnxruntime", reason="onnxruntime is missing, which the default preset needs")

NAMES = ["a", "b", "c"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return fleet.write(tmp_path_factory.mktemp("fleet"), NAMES)


@pytest.fixture(scope="module")
def done(folder):
    """The results of a run without mishaps."""
    assert cli.main(fleet.arguments(folder, folder / "out", "--workers", "1")) == 0
    return folder / "out"


def test_results_equal_those_of_sampt_track_one_by_one(folder, done):
    fleet.one_by_one(folder, folder / "single", NAMES)
    for name in NAMES:
        assert fleet.compared(done, name) == fleet.compared(folder / "single", name)
        assert len(fleet.compared(done, name)) == fleet.FRAMES + 2


def test_the_report_says_what_came_of_each(done):
    report = fleet.report(done)
    assert (report["done"], report["failed"], report["frames"]) == (3, 0, 3 * fleet.FRAMES)
    assert report["j"] > 0.8
    assert report["recordings"]["a"]["masks"] == {"1": fleet.FRAMES, "2": fleet.FRAMES}
    assert sorted(path.name for path in done.iterdir()) == [*NAMES, "report.json"]


def test_run_again_there_is_nothing_to_do(folder, done, capsys):
    before = {path: path.stat().st_mtime_ns for path in done.rglob("*") if path.name != "report.json"}
    assert cli.main(fleet.arguments(folder, done, "--workers", "1")) == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert fleet.report(done)["of which earlier"] == 3
    assert capsys.readouterr().out.count("done earlier") == 3


def test_results_of_other_options_are_not_taken_for_these(folder, done, capsys):
    assert cli.main(fleet.arguments(folder, done, "--workers", "1", "--both-ways")) == 2
    assert "those of a, b, c were made with others: name another --out, or do them again with --redo" in (
        capsys.readouterr().err
    )


@pytest.fixture
def marked(folder, tmp_path):
    """The command to track one recording from a mask, with a preset and true masks that are files of its own."""
    shutil.copytree(folder / "masks/a", tmp_path / "masks")
    shutil.copytree(folder / "masks/a", tmp_path / "truth")
    (tmp_path / "preset.yaml").write_text("segmenter: grabcut\n")
    files = ("--mask", f"{tmp_path}/masks/00000.png,3", "--truth", f"{tmp_path}/truth")
    where = ("--preset", f"{tmp_path}/preset.yaml", "--out", str(tmp_path / "out"), "--workers", "1")
    return ["batch", f"{folder}/recordings/a", *files, *where, *fleet.OPTIONS]


def test_results_of_other_content_of_files_are_not_taken_for_these(marked, tmp_path, capsys):
    assert cli.main(marked) == cli.main(marked) == 0
    assert "warning" not in capsys.readouterr().err.lower()
    for file, content in (
        ("masks/00000.png", (tmp_path / "masks/00004.png").read_bytes()),
        ("truth/00001.png", (tmp_path / "masks/00004.png").read_bytes()),
        ("preset.yaml", b"segmenter: grabcut\nseed: 5\n"),
    ):
        before = (tmp_path / file).read_bytes()
        (tmp_path / file).write_bytes(content)
        assert cli.main(marked) == 2
        told = capsys.readouterr().err
        assert "those of a were made before a change of" in told
        assert str((tmp_path / file).parent if file.startswith("truth") else tmp_path / file) in told
        (tmp_path / file).write_bytes(before)
    assert cli.main(marked) == 0


@pytest.mark.parametrize("how", ["not noted", "gone"])
def test_results_whose_files_cannot_be_compared_are_kept_with_a_warning(marked, tmp_path, caplog, how):
    assert cli.main(marked) == 0
    if how == "gone":
        (tmp_path / "masks/00000.png").unlink()
    else:  # as before there were digests
        path = tmp_path / "out/a/result.json"
        content = json.loads(path.read_text())
        del content["files"]
        path.write_text(json.dumps(content))
    assert cli.main(marked) == 0
    assert "the results of a are kept, though it is not known whether" in caplog.text
    assert fleet.report(tmp_path / "out")["of which earlier"] == 1


def test_done_again_a_recording_is_new_and_what_was_damaged_is_whole(folder, tmp_path, capsys):
    command = fleet.arguments(folder, tmp_path / "out", "--workers", "1")
    command[1] = f"{folder}/recordings/a"
    assert cli.main(command) == 0
    first = fleet.report(tmp_path / "out")["recordings"]["a"]
    (tmp_path / "out/a/result.json").write_text("{")
    assert cli.main(command) == 2
    assert "do all again with --redo" in capsys.readouterr().err
    assert cli.main([*command, "--redo", "--set", "device=nothing"]) == 2  # a mistake costs no results
    assert (tmp_path / "out/a/labels/00000.png").exists()
    assert cli.main([*command, "--redo"]) == 0
    again = fleet.report(tmp_path / "out")["recordings"]["a"]
    assert again["seconds"] != first["seconds"] and again["j"] == first["j"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a", "report.json"]


@pytest.mark.parametrize("kind", ["", "file://"])
@pytest.mark.parametrize("mistake", [["--both-ways"], ["--redo", "--set", "device=nothing"], ["--preset", "no"]])
def test_a_command_that_is_refused_does_not_disturb_another(folder, done, tmp_path, capsys, kind, mistake):
    if kind:
        pytest.importorskip("fsspec", reason="fsspec is missing")
    shutil.copytree(done / "b", tmp_path / "out/b")
    for place in ("c.machine.1", "replaced"):  # One is being tracked, and one about to be replaced.
        shutil.copytree(done / "c", tmp_path / "out/.partial" / place / "c")
    before = sorted(tmp_path.rglob("*"))
    assert cli.main(fleet.arguments(folder, f"{kind}{tmp_path}/out", "--workers", "1", *mistake)) == 2
    assert sorted(tmp_path.rglob("*")) == before
    if mistake == ["--both-ways"]:
        assert "those of b, c were made with others" in capsys.readouterr().err


def test_results_that_a_killed_run_had_moved_aside_count(folder, done, tmp_path):
    (tmp_path / "out/.partial").mkdir(parents=True)
    shutil.copytree(done, tmp_path / "out/.partial/replaced")
    assert cli.main(fleet.arguments(folder, tmp_path / "out", "--workers", "1")) == 0
    assert fleet.report(tmp_path / "out")["of which earlier"] == 3
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [*NAMES, "report.json"]


def test_a_worker_killed_in_the_middle_costs_nothing(folder, done, tmp_path):
    killer = fleet.Killer(tmp_path / "out")
    assert cli.main(fleet.arguments(folder, tmp_path / "out", "--workers", "1")) == 0
    assert killer.killed
    for name in NAMES:
        assert fleet.compared(tmp_path / "out", name) == fleet.compared(done, name)
    assert not (tmp_path / "out/.partial").exists()


def test_a_recording_that_fails_when_it_is_done_again_keeps_its_results(folder, tmp_path, capsys):
    def command(*more):
        source = f"{folder}/recordings/a"
        return ["batch", source, "--out", str(tmp_path / "out"), "--workers", "1", *fleet.OPTIONS, *more]

    assert cli.main(command("--point", "36,48")) == 0
    before = {path: path.read_bytes() for path in (tmp_path / "out/a").rglob("*") if path.is_file()}
    capsys.readouterr()
    assert cli.main(command("--redo", "--point", "500,20")) == 1
    assert {path: path.read_bytes() for path in before} == before
    report = fleet.report(tmp_path / "out")
    assert (report["done"], report["failed"], report["earlier results kept"]) == (0, 1, ["a"])
    assert report["failures"]["a"].endswith("; its earlier results are kept")
    assert re.search("^a +failed: expected points .*; its earlier results are kept", capsys.readouterr().out, re.M)


def test_a_recording_that_fails_is_reported_and_the_others_are_done(folder, tmp_path, capsys):
    prompts = tmp_path / "prompts.yaml"
    prompts.write_text(
        f"a: {{masks: '{folder}/masks/a'}}\nb: {{point: '500,20'}}\n'*': {{point: [36, 48], max-frames: 2}}\n"
    )
    more = ("--prompts", str(prompts), "--out", str(tmp_path / "out"), "--workers", "1", *fleet.OPTIONS)
    assert cli.main(["batch", f"{folder}/recordings/*", *more]) == 1
    report = fleet.report(tmp_path / "out")
    assert list(report["recordings"]) == ["a", "c"]
    assert report["recordings"]["c"]["frames"] == 2
    assert "expected points inside the 128x96 image" in report["failures"]["b"]
    assert re.search("^b +failed: expected points", capsys.readouterr().out, re.MULTILINE)
    assert not (tmp_path / "out/b").exists()


def test_a_recording_in_which_nothing_starts_fails_with_the_reason(folder, tmp_path):
    more = ("--start", "3", "--point", "500,20", "--out", str(tmp_path / "out"), "--workers", "1", *fleet.OPTIONS)
    assert cli.main(["batch", f"{folder}/recordings/a", *more]) == 1
    reason = fleet.report(tmp_path / "out")["failures"]["a"]
    assert reason.startswith("expected an object that can be started; got none; object 1 is not started on image 3")


def test_a_mask_at_an_address_may_have_its_object_behind_it(folder, done, tmp_path):
    pytest.importorskip("fsspec", reason="fsspec is missing")
    mask = f"file://{folder}/masks/a/00000.png,7"
    more = ("--mask", mask, "--out", str(tmp_path / "out"), "--workers", "1", *fleet.OPTIONS)
    assert cli.main(["batch", f"{folder}/recordings/a", *more]) == 0
    assert fleet.report(tmp_path / "out")["recordings"]["a"]["masks"] == {"7": fleet.FRAMES}


def test_addresses_are_fetched_and_results_sent_there(folder, done, tmp_path):
    pytest.importorskip("fsspec", reason="fsspec is missing")
    masks = f"file://{folder}/masks/{{name}}"
    where = ("--masks", masks, "--out", f"file://{tmp_path}/out", "--workers", "1", *fleet.OPTIONS)
    command = ["batch", f"file://{folder}/recordings/[ab]", *where]
    assert cli.main(command) == 0
    for name in "ab":
        assert fleet.compared(tmp_path / "out", name) == fleet.compared(done, name)
        assert fleet.report(tmp_path / "out")["recordings"][name]["frames"] == fleet.FRAMES
    assert cli.main(command) == 0
    assert fleet.report(tmp_path / "out")["of which earlier"] == 2
    noted = json.loads((tmp_path / "out/a/result.json").read_text())["files"]
    assert noted == {f"file://{folder}/masks/a": digest(str(folder / "masks/a"))}


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        (["--workers", "1"], "error: a, b, c: expected what to track: give --prompts FILE, --point"),
        (
            ["--workers", "1", "--ray", "auto", "--point", "1,2"],
            "expected --workers, which are of this machine, or --ray",
        ),
        (["--prompts", "nowhere.yaml"], "cannot read the prompt file nowhere.yaml"),
        (["--prompts", "WRONG"], "/WRONG: a, b, c: sampt: unrecognized arguments: --pint=1,2"),
        (["--prompts", "SHORT"], "/SHORT: a, b, c: sampt: unrecognized arguments: --poin=1,2"),
        (["--prompts", "OUT"], ": *: expected options except out: --out says where results go"),
        (
            ["--point", "1,2", "--out", "memory://out"],
            "--out: expected a place that all workers reach; got memory://out",
        ),
        (["--point", "1,2", "--out", "/dev/null/out"], "cannot read /dev/null/out/a/result.json: Not a directory"),
        (["--point", "1,2", "--set", "horizon"], "a, b, c: --set: expected NAME=VALUE"),
        (["--point", "1,2", "--preset", "nothing"], "a, b, c: unknown preset 'nothing'"),
        (
            ["--point", "1,2", "--preset", "s3://x/own.yaml"],
            "expected a name, or the path of a .yaml file; got the address s3://x/own.yaml",
        ),
        (["--point", "1;2"], "a, b, c: expected x,y[,label][,object]; got '1;2'"),
        (["--mask", "/nowhere/{name}.png,2"], "a: --mask: expected a file; /nowhere/a.png does not exist; b: --mask"),
        (["--query-points", "/dev"], "--query-points: expected a file; /dev is none"),
        (["--masks", "/dev/null"], "--masks: expected a folder; /dev/null is none"),
        (["--point", "1,2", "--truth", "/nowhere"], "--truth: expected a folder; /nowhere does not exist"),
        (["--reference", "/dev/null"], "--reference: expected a file; /dev/null is none"),
    ],
)
def test_what_cannot_be_meant_is_said_before_anything_starts(folder, tmp_path, capsys, more, complaint):
    for name, entry in {"WRONG": "{pint: '1,2'}", "SHORT": "{poin: '1,2'}", "OUT": "{point: '1,2', out: here}"}.items():
        (tmp_path / name).write_text(f"'*': {entry}")
    more = [str(tmp_path / each) if each in ("WRONG", "SHORT", "OUT") else each for each in more]
    assert cli.main(["batch", f"{folder}/recordings/*", "--out", str(tmp_path / "out"), *more]) == 2
    assert complaint in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_all_that_is_wrong_in_a_prompt_file_is_said_before_anything_starts(folder, tmp_path, capsys):
    prompts = tmp_path / "late.yaml"
    prompts.write_text(
        "a: {point: '50,60', names: mug}\nb: {point: '50,60', set: reinit.horizn=4}\n"
        f"c: {{reference: '{folder}/masks/a/00000.png', preset: own.yaml}}\n"
    )
    (tmp_path / "own.yaml").write_text("seed: 2024-13-45")
    command = ["batch", f"{folder}/recordings/*", "--prompts", str(prompts), "--out", str(tmp_path / "out")]
    assert cli.main(command) == 2
    told = capsys.readouterr().err
    assert f"{prompts}: a: --names: expected ID=NAME pairs, such as 1=mug,2=can; got 'mug'; {prompts}: b: " in told
    assert f"{prompts}: b: unknown parameter reinit.horizn; expected one of" in told
    assert f"{prompts}: c: cannot read preset {tmp_path}/own.yaml: a value cannot be read (month must be in" in told
    (tmp_path / "own.yaml").write_text("seed: 5")
    assert cli.main(command) == 2
    assert f"{prompts}: c: expected a --reference-mask for each --reference; got 0 for 1" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_what_is_wrong_with_a_bag_is_said_before_anything_starts(tmp_path, capsys):
    (tmp_path / "drive.mcap").write_text("")
    (tmp_path / "prompts.yaml").write_text("drive: {depth-slop: nan}")
    more = ("--prompts", str(tmp_path / "prompts.yaml"), "--out", str(tmp_path / "out"))
    assert cli.main(["batch", str(tmp_path / "drive.mcap"), *more]) == 2
    assert "prompts.yaml: drive: depth_slop: expected" in capsys.readouterr().err


def test_a_file_that_is_called_like_a_preset_is_not_taken_for_it(folder, tmp_path, monkeypatch, capsys):
    (tmp_path / "default").write_text("")
    monkeypatch.chdir(tmp_path)
    assert cli.main(["batch", f"{folder}/recordings/a", "--point", "1;2", "--out", "out"]) == 2
    assert "preset" not in capsys.readouterr().err


def test_bags_are_recordings_too(folder, tmp_path):
    pytest.importorskip("rosbags", reason="rosbags is missing")
    import bags
    from synthetic import two_disks

    bags.write(tmp_path / "in/drive", [bags.image(index, two_disks(index)[0]) for index in range(2)])
    more = ("--point", "36,48", "--export", "coco", "--out", str(tmp_path / "out"), "--workers", "1", *fleet.OPTIONS)
    assert cli.main(["batch", str(tmp_path / "in/*"), *more]) == 0
    assert len(bags.read(tmp_path / "out/drive/tracked")["/sampt/mask"]) == 2
    assert len(json.loads((tmp_path / "out/drive/tracked/coco/annotations.json").read_text())["images"]) == 2
