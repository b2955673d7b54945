"""`sampt track` on objects that start later, and both ways."""

from __future__ import annotations

import csv
import errno
import json
from unittest.mock import Mock

import numpy as np
import pytest
from fakes import blank

from sampt_ros.cli import main as cli
from sampt_ros.io.image_files import write_image
from sampt_ros.io.label_images import read_labels, write_labels
from sampt_ros.io.result_folder import ResultFolder
from sampt_ros.io.video import VideoFile
from sampt_ros.io.video_writer import video_writer

pytestmark = pytest.mark.usefixtures("fakes")


@pytest.fixture
def folder(tmp_path):
    for index in range(6):
        write_image(tmp_path / f"frames/{5 * index:05d}.png", blank())
    return tmp_path / "frames"


@pytest.fixture
def run(tmp_path):
    """Run `sampt track`; returns its status and the ids in the label image of every frame."""

    def run(*arguments):
        status = cli.main(["track", *map(str, arguments), "--out", str(tmp_path / "out")])
        files = sorted((tmp_path / "out/labels").glob("*.png"))
        return status, {int(path.stem): set(np.unique(read_labels(path))) - {0} for path in files}

    return run


def everywhere(*ids, frames=6):
    return {index: set(ids) for index in range(frames)}


def test_objects_start_later(run, folder):
    status, ids = run(
        folder, "--point", "20,20", "--start", 2, "--point", "40,20,1,2", "--start", 4, "--point", "30,40,1,7"
    )
    assert status == 0
    assert ids == {0: {1}, 1: {1}, 2: {1, 2}, 3: {1, 2}, 4: {1, 2, 7}, 5: {1, 2, 7}}


def test_both_ways_the_result_folder_is_whole_and_in_order(run, folder, tmp_path, capsys):
    status, ids = run(folder, "--start", 4, "--point", "20,20", "--both-ways")
    assert status == 0
    assert ids == everywhere(1)
    with (tmp_path / "out/objects.csv").open() as file:
        assert [row["frame"] for row in csv.DictReader(file)] == ["0", "1", "2", "3", "4", "5"]
    assert len(list(VideoFile(tmp_path / "out/overlay.mp4"))) == 6
    assert "6 frames, 1 object;" in capsys.readouterr().out


def test_masks_of_any_frame_start_their_objects(run, folder, tmp_path):
    for name, labels in {"00005": {1: 10}, "00015": {1: 12, 3: 30}}.items():
        image = np.zeros((48, 64), np.uint8)
        for label, y in labels.items():
            image[y : y + 9, 20:29] = label
        (tmp_path / "masks").mkdir(exist_ok=True)
        write_labels(tmp_path / f"masks/{name}.png", image)
    assert run(folder, "--masks", tmp_path / "masks") == (
        0,
        {0: set(), 1: {1}, 2: {1}, 3: {1, 3}, 4: {1, 3}, 5: {1, 3}},
    )
    assert run(folder, "--masks", tmp_path / "masks", "--both-ways") == (0, everywhere(1, 3))


def test_the_labels_of_one_run_start_another_on_a_video(run, tmp_path):
    video = video_writer(tmp_path / "video.mp4", 10, (48, 64))
    for _ in range(4):
        video.write(blank())
    video.close()
    run(tmp_path / "video.mp4", "--start", 2, "--point", "20,20,1,5")
    (tmp_path / "out/labels").rename(tmp_path / "labels")
    assert run(tmp_path / "video.mp4", "--masks", tmp_path / "labels") == (0, {0: set(), 1: set(), 2: {5}, 3: {5}})


def test_unreadable_images_keep_their_numbers(run, folder):
    (folder / "00005.png").write_text("no image")
    assert run(folder, "--start", 2, "--point", "20,20") == (0, {0: set(), 2: {1}, 3: {1}, 4: {1}, 5: {1}})


def test_an_object_that_cannot_start_is_left_out(run, folder, capsys, caplog):
    status, ids = run(folder, "--point", "20,20", "--start", 2, "--point", "900,20,1,2", "--max-frames", 4)
    assert (status, ids) == (0, everywhere(1, frames=4))
    assert "object 2 is not started on image 2" in caplog.text
    assert "4 frames, 1 object;" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        # nothing starts at all
        (["--start", "9", "--point", "20,20"], "expected at least one object that can be started"),
        (["--start", "5", "--point", "20,20", "--max-frames", "5"], "expected at least one object that can be started"),
        (["--start", "2", "--point", "900,20"], "expected at least one object that can be started"),
        # a folder of masks that belong to other frames
        (["--masks", "MASKS"], "masks with the name of a frame, such as 00000.png; got MASKS/00001.png"),
        (["--masks", "nowhere"], "there is no 'nowhere'"),
    ],
)
def test_what_goes_wrong_is_said(run, folder, tmp_path, capsys, arguments, complaint):
    (tmp_path / "masks").mkdir()
    write_labels(tmp_path / "masks/00001.png", np.ones((48, 64), np.uint8))
    status, _ = run(folder, *[argument.replace("MASKS", str(tmp_path / "masks")) for argument in arguments])
    assert status == 2
    assert complaint.replace("MASKS", str(tmp_path / "masks")) in capsys.readouterr().err


def test_a_start_is_a_frame_number(run, folder, capsys):
    with pytest.raises(SystemExit):
        run(folder, "--start", "soon", "--point", "20,20")
    assert "expected a frame's number, from 0 on; got 'soon'" in capsys.readouterr().err


def test_a_dataset_is_exported_and_masks_are_scored(run, folder, tmp_path, capsys):
    run(folder, "--point", "20,20", "--max-frames", 4)
    (tmp_path / "truth").mkdir()
    labels = read_labels(tmp_path / "out/labels/00002.png")
    write_labels(tmp_path / "truth/00010.png", labels)
    write_labels(tmp_path / "truth/00025.png", labels)  # beyond --max-frames
    capsys.readouterr()
    status, _ = run(
        *(folder, "--point", "20,20", "--max-frames", 4),
        *("--export", "coco", "--names", "1=mug", "--truth", tmp_path / "truth"),
    )
    content = json.loads((tmp_path / "out/coco/annotations.json").read_text())
    assert (status, len(content["images"])) == (0, 4)
    assert [each["area"] for each in content["annotations"]] == [81] * 4
    assert content["categories"] == [{"id": 1, "name": "mug"}]
    assert f"{tmp_path}/out/coco: 4 images; J 1.000 of object 1 (1 true masks are of frames that were not tracked)" in (
        capsys.readouterr().out
    )


@pytest.mark.parametrize("both_ways", [False, True])
def test_objects_that_a_dataset_shows_as_background_at_first_are_named(run, folder, caplog, both_ways):
    later = ("--start", 2, "--point", "40,20,1,2")
    run(folder, "--point", "20,20", *later, "--export", "coco", *(["--both-ways"] if both_ways else []))
    warned = "frames from 0 on are exported, in which object 2 is background until the start" in caplog.text
    assert warned != both_ways


@pytest.mark.parametrize("names", ["mug", "1=", "x=mug", "1=mug,can"])
def test_names_are_pairs(run, folder, capsys, names):
    assert run(folder, "--point", "20,20", "--export", "coco", "--names", names)[0] == 2
    assert "--names: expected ID=NAME pairs, such as 1=mug,2=can; got" in capsys.readouterr().err


def test_names_that_are_not_used_are_told(run, folder, caplog):
    assert run(folder, "--point", "20,20", "--names", "1=mug")[0] == 0
    assert "--names: these are the categories of a dataset; without --export they are not used" in caplog.text
    caplog.clear()
    assert run(folder, "--point", "20,20", "--export", "coco", "--names", "1=mug,9=can")[0] == 0
    assert (
        "--names: expected ids of objects that were tracked (1); got 9, whose categories have no masks" in caplog.text
    )
    caplog.clear()
    run(folder, "--point", "20,20", "--export", "coco", "--names", "1=mug")
    assert "--names" not in caplog.text


def test_a_full_disk_ends_the_run_in_one_line(run, folder, capsys, monkeypatch):
    monkeypatch.setattr(
        ResultFolder, "add", Mock(side_effect=OSError(errno.ENOSPC, "No space left on device", "x.csv"))
    )
    assert run(folder, "--point", "20,20")[0] == 2
    assert capsys.readouterr().err.endswith("sampt: error: [Errno 28] No space left on device: 'x.csv'\n")


def test_an_object_has_one_name(run, folder, capsys):
    assert run(folder, "--point", "20,20", "--export", "coco", "--names", "1=mug,2=can,1=cup")[0] == 2
    assert "--names: expected one name for each object; got a second one for 1" in capsys.readouterr().err


@pytest.mark.parametrize("source", ["out/labels", "out/labels/*.png", "out/overlay.mp4", "out/coco/images", "linked"])
def test_a_source_that_the_results_would_replace_is_left_alone(run, folder, tmp_path, capsys, source):
    run(folder, "--point", "20,20")
    (tmp_path / "linked").symlink_to(tmp_path / "out/labels")
    before = {file: file.read_bytes() for file in (tmp_path / "out").rglob("*") if file.is_file()}
    assert run(tmp_path / source, "--point", "20,20")[0] == 2
    assert "SOURCE: expected files that stay; the results in" in capsys.readouterr().err
    assert {file: file.read_bytes() for file in (tmp_path / "out").rglob("*") if file.is_file()} == before


@pytest.mark.parametrize(
    "arguments, option",
    [
        (["--mask", "out/labels/00000.png"], "--mask"),
        (["--mask", "out/labels/00000.png,2"], "--mask"),
        (["--masks", "out/labels"], "--masks"),
        (["--reference", "frame.png", "--reference-mask", "out/labels/00000.png"], "--reference-mask"),
        (["--reference", "out/coco/images/1.png", "--reference-mask", "mask.png"], "--reference"),
        (["--query-points", "out/tracks.csv"], "--query-points"),
    ],
)
def test_files_of_prompts_that_the_results_would_replace_are_left_alone(
    run, folder, tmp_path, capsys, monkeypatch, arguments, option
):
    monkeypatch.chdir(tmp_path)
    run(folder, "--point", "20,20")
    before = {file: file.read_bytes() for file in (tmp_path / "out").rglob("*") if file.is_file()}
    assert run(folder, *arguments)[0] == 2
    assert f"{option}: expected files that stay; the results in" in capsys.readouterr().err
    assert {file: file.read_bytes() for file in (tmp_path / "out").rglob("*") if file.is_file()} == before


def test_results_are_not_compared_with_themselves(run, folder, tmp_path, capsys):
    run(folder, "--point", "20,20")
    assert run(folder, "--point", "20,20", "--truth", tmp_path / "out/labels")[0] == 2
    assert "--truth: expected files that stay" in capsys.readouterr().err


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["clip.mp4", "--point", "20,20"],
        ["pointers", "--point", "20,20"],
        ["frames", "--mask", "mask.png"],
        ["frames", "--mask", "mask.png,2"],
        ["frames", "--masks", "pointers"],
        ["frames", "--reference", "mask.png", "--reference-mask", "mask.png"],
        ["frames", "--query-points", "points.txt"],
        ["frames", "--point", "20,20", "--truth", "pointers"],
    ],
    ids=" ".join,
)
def test_a_git_lfs_pointer_is_named_as_such(run, folder, tmp_path, capsys, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pointers").mkdir()
    for name in ("clip.mp4", "mask.png", "points.txt", "pointers/00000.png", "pointers/00005.png"):
        (tmp_path / name).write_bytes(LFS)
    assert run(*arguments)[0] == 2
    assert "a git-lfs pointer, not the file itself, which git lfs pull fetches" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["bag", "bag.mcap", "RUN.DB3.ZSTD"])
def test_a_bag_is_named_as_such(run, tmp_path, capsys, name):
    (tmp_path / "bag").mkdir()
    for file in ("bag/metadata.yaml", "bag.mcap", "RUN.DB3.ZSTD"):
        (tmp_path / file).write_text("")
    assert run(tmp_path / name, "--point", "20,20")[0] == 2
    assert "is a ROS 2 bag: `sampt bag` reads it" in capsys.readouterr().err
