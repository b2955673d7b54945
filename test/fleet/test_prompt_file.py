"""One file with the prompts of many recordings."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from sampt_ros.errors import ConfigError
from sampt_ros.fleet.prompt_file import PromptFile


def is_path(option, value):
    return option in ("mask", "masks", "truth") or (option == "preset" and value.endswith(".yaml"))


def arguments(tmp_path, content, name):
    (tmp_path / "prompts.yaml").write_text(content)
    return list(PromptFile(tmp_path / "prompts.yaml", is_path).arguments(name))


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("point: '320,240'", ["--point=320,240"]),
        # numbers alone are one value, anything else several
        ("point: [320, 240]", ["--point=320,240"]),
        ("point: ['320,240', '5,6,0']", ["--point=320,240", "--point=5,6,0"]),
        ("point: [[320, 240], [5, 6, 0]]", ["--point=320,240", "--point=5,6,0"]),
        ("{start: 7, box: [1, 2, 3, 4]}", ["--start=7", "--box=1,2,3,4"]),
        # a start holds until the next one, so each group has its own
        (
            "[{start: 7, point: '1,2'}, {point: '3,4,1,2'}]",
            ["--start=7", "--point=1,2", "--start=0", "--point=3,4,1,2"],
        ),
        ("{point: '1,2', both-ways: true}", ["--point=1,2", "--both-ways"]),
        ("{point: '1,2', both-ways: false}", ["--point=1,2"]),
        ("mask: /a/{name}.png,2", ["--mask=/a/cups.png,2"]),
        ("masks: s3://bucket/{name}", ["--masks=s3://bucket/cups"]),
    ],
)
def test_entries_are_options(tmp_path, entry, expected):
    assert arguments(tmp_path, f"cups:\n  {entry}", "cups") == expected


@pytest.mark.parametrize("name", ["0012", "on", "2026-11-26", "1:30", "1e3", "~"])
def test_names_stay_as_they_are_written(tmp_path, name):
    assert arguments(tmp_path, f"{name}: {{truth: '/{{name}}', names: 0010, start: 3}}", name) == [
        "--start=3",
        f"--truth=/{name}",
        "--names=0010",
    ]


def test_entries_may_share_options(tmp_path):
    content = (
        "cups: &cups {box: [1, 2, 3, 4], names: 1=cup}\n"
        "cans: &cans {<<: *cups, names: 1=can}\n"
        "mugs: [{<<: *cans}, {<<: *cups, names: 1=mug}]\n"
    )
    assert arguments(tmp_path, "\ufeff" + content, "cans") == ["--box=1,2,3,4", "--names=1=can"]
    assert "--names=1=mug" in arguments(tmp_path, content, "mugs")


def test_paths_count_from_the_file(tmp_path):
    assert arguments(tmp_path, "cups:\n  truth: ../{name}", "cups") == [f"--truth={tmp_path.parent}/cups"]
    # which kind of value a path is, depends on the value, too
    entry = "{preset: [own.yaml, grabcut]}"
    assert arguments(tmp_path, f"cups: {entry}", "cups") == [f"--preset={tmp_path}/own.yaml", "--preset=grabcut"]


def test_a_path_keeps_the_name_of_a_link(tmp_path):
    (tmp_path / "mask.png").symlink_to("blob")
    assert arguments(tmp_path, "cups:\n  mask: mask.png", "cups") == [f"--mask={tmp_path}/mask.png"]


def test_a_pipe_is_read_whole_and_paths_in_it_count_from_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    reading, writing = os.pipe()
    with os.fdopen(reading), os.fdopen(writing, "w") as file:
        file.write("cups: {point: '1,2', truth: masks}")
        file.close()
        found = PromptFile(Path(f"/dev/fd/{reading}"), is_path).arguments("cups")
    assert found == ("--point=1,2", f"--truth={tmp_path}/masks")


@pytest.mark.parametrize("place", ["/dev/fd", "/proc/self/fd", "/proc/{}/fd"])
def test_paths_in_an_open_file_count_from_the_working_folder(tmp_path, monkeypatch, place):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/prompts.yaml").write_text("cups: {truth: masks}")
    with (tmp_path / "elsewhere/prompts.yaml").open() as file:
        found = PromptFile(Path(f"{place.format(os.getpid())}/{file.fileno()}"), is_path).arguments("cups")
    assert found == (f"--truth={tmp_path}/masks",)


def test_paths_in_a_named_pipe_count_from_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipes").mkdir()
    pipe = tmp_path / "pipes/prompts"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as other:
        other.submit(pipe.write_text, "cups: {truth: masks}")
        assert PromptFile(pipe, is_path).arguments("cups") == (f"--truth={tmp_path}/masks",)


@pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="there is no /dev/shm")
def test_paths_in_a_file_in_shared_memory_count_from_its_folder():
    with TemporaryDirectory(dir="/dev/shm") as folder:
        assert arguments(Path(folder), "cups: {truth: masks}", "cups") == [f"--truth={folder}/masks"]


def test_the_own_name_goes_before_patterns_and_the_first_pattern_counts(tmp_path):
    content = "'*': {point: '1,1'}\n'c*': {point: '2,2'}\ncups: {point: '3,3'}\n"
    assert arguments(tmp_path, content, "cups") == ["--point=3,3"]
    assert arguments(tmp_path, content, "cans") == ["--point=1,1"]
    assert arguments(tmp_path, "cups: {point: '3,3'}", "mugs") == []


def test_entries_of_no_recording_are_told(tmp_path):
    (tmp_path / "p.yaml").write_text("cups: {point: '1,1'}\n'm*': {point: '1,1'}\ncans: {point: '1,1'}\n")
    assert PromptFile(tmp_path / "p.yaml", is_path).unused(["cups", "mug"]) == ["cans"]


@pytest.mark.parametrize("name", ["007", "00012", "1e3", "2026-01-31", "yes", "null", "1.50"])
def test_a_name_that_looks_like_something_else_in_yaml_is_a_name(tmp_path, name):
    assert arguments(tmp_path, f"{name}: {{point: '1,2'}}", name) == ["--point=1,2"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("- cups", "expected names of recordings with the options of each; got list"),
        ("cups: '320,240'", "cups: expected options, such as point: '320,240'; got '320,240'"),
        ("cups: {", "cannot read the prompt file"),
        ("cups: {point: !!bool maybe}", "cannot read the prompt file .*: a value cannot be read"),
        ("cups: {truth: ''}", "prompts.yaml: truth: expected a file or folder; got ''"),
        # of equal keys the last one alone would count
        ("cups: {point: '1,1'}\ncans: {point: '1,1'}\ncups: {point: '2,2'}\n", "got 'cups' 2 times"),
        ('{"cups": {"point": "1,1", "point": "2,2,1,2"}}', "expected each key once; got 'point' 2 times"),
        ("cups: {point: '1,1', out: elsewhere}", "cups: expected options except out: --out says where results go"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "a git-lfs pointer, not the file"),
    ],
)
def test_another_form_is_refused(tmp_path, content, complaint):
    with pytest.raises(ConfigError, match=complaint):
        arguments(tmp_path, content, "cups")
