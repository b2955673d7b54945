"""`sampt`: its help, its errors and its settings, alike in all commands."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import run

from sampt_ros.cli import common, main, track
from sampt_ros.errors import ConfigError

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


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ("reinit.horizon", "--set: expected NAME=VALUE"),
        ("=4", "--set: expected NAME=VALUE"),
        ("seed=[1", r"--set seed: expected a YAML value; got '\[1'"),
        # no date, though it looks like one
        ("nano.checkpoint=2024-13-45", r"--set nano.checkpoint: expected a YAML value; got .*month must be in 1\.\.12"),
        ("reinit={horizon: 3, horizon: 4}", "--set reinit: .*expected each key once; got 'horizon' 2 times"),
    ],
)
def test_a_setting_without_name_or_value_is_refused(given, complaint):
    with pytest.raises(ConfigError, match=complaint):
        common.settings([given])


EMPTY = [
    ["track", "", "--point", "9,9"],
    ["track", "frames", "--point", "9,9", "--out", ""],
    ["track", "frames", "--mask", ""],
    ["track", "frames", "--point", "9,9", "--truth", " "],
    ["web", ""],
    ["bag", "", "out"],
    ["bag", "in", ""],
    ["batch", "", "--point", "9,9", "--out", "out"],
    ["batch", "frames", "--point", "9,9", "--out", ""],
    ["batch", "frames", "--prompts", "", "--out", "out"],
    ["evaluate", ""],
    ["evaluate", "frames", "--json", ""],
    ["benchmark", "--compare", ""],
]


@pytest.mark.parametrize("arguments", EMPTY, ids=" ".join)
def test_an_empty_path_is_not_the_working_folder(capsys, arguments):
    with pytest.raises(SystemExit) as stop:
        run(*arguments)
    assert stop.value.code == 2
    assert f"expected a file or folder; got {' ' if ' ' in arguments else ''!r}" in capsys.readouterr().err


def test_every_path_on_the_command_line_is_checked():
    """An option whose type is Path would take an empty one."""

    def types(parser):
        for action in parser._actions:
            yield action.type
            for command in (action.choices or {}).values() if isinstance(action.choices, dict) else ():
                if isinstance(command, argparse.ArgumentParser):
                    yield from types(command)

    found = set(types(main._parser()))
    assert common.path in found and Path not in found


@pytest.mark.parametrize("given", [",", "", " , "])
def test_a_list_of_no_sequences_is_not_all(capsys, given):
    with pytest.raises(SystemExit):
        run("evaluate", "folder", "--sequences", given)
    assert "--sequences: expected names, separated by commas; got" in capsys.readouterr().err


def test_a_reader_that_stops_reading_ends_no_command_early(tmp_path):
    program = f"""if True:
        import sys
        from pathlib import Path
        from sampt_ros.cli import main, models

        def list_all(parsed):
            for _ in range(10_000):
                print("a line of a long table")
            Path({str(tmp_path / "done")!r}).touch()
            return 0

        models._list = list_all
        sys.argv = ["sampt", "models", "list"]
        sys.exit(main.main())
    """
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.readline()
    process.stdout.close()
    complaints = process.stderr.read()
    assert (process.wait(60), complaints) == (0, b"")
    assert (tmp_path / "done").exists()


def test_what_cannot_be_encoded_is_printed_with_escapes(tmp_path):
    program = """if True:
        import sys
        from sampt_ros.cli import main, models

        models._list = lambda parsed: print("gr\xf6\xdfe", chr(0xDCE9)) or 0
        sys.argv = ["sampt", "models", "list"]
        sys.exit(main.main())
    """
    for encoding, expected in (("ascii", b"gr\\xf6\\xdfe \\udce9\n"), ("utf-8", "gr\xf6\xdfe \\udce9\n".encode())):
        environment = {**os.environ, "PYTHONIOENCODING": encoding}
        done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, expected, b"")


def test_a_closed_output_is_no_error():
    program = "import sys; from sampt_ros.cli.main import main; sys.argv[1:] = ['models', 'list']; sys.exit(main())"
    closed = ["sh", "-c", 'exec "$0" "$@" >&-', sys.executable, "-c", program]
    done = subprocess.run(closed, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
