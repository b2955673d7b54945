"""`sampt track`: what it leaves in its folder, from start to end or until it is stopped."""

from __future__ import annotations

import json
import signal

import numpy as np
import pytest
from command_line import run, then_interrupt
from synthetic import two_disks

from sampt_ros.io import result_folder
from sampt_ros.io.export import coco
from sampt_ros.io.image_files import write_image
from sampt_ros.io.label_images import read_labels
from sampt_ros.io.video import open_source
from sampt_ros.tracking.sam_pt import SamPt


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


def test_a_single_frame_has_no_rate(fakes, folder, tmp_path, capsys):
    assert run("track", folder, "--point", "20,20", "--out", tmp_path / "out", "--max-frames", 1) == 0
    assert capsys.readouterr().out.endswith("1 object; object 1 has a mask in 1\n")
    assert run("track", folder, "--point", "20,20", "--out", tmp_path / "out", "--max-frames", 2) == 0
    assert "1 object; tracking alone ran at " in capsys.readouterr().out


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


@pytest.mark.parametrize("ending, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize(
    "module, name",
    [(result_folder, "write_labels"), (result_folder, "draw"), (coco, "write_image"), (coco, "write_whole")],
)
def test_a_signal_waits_until_a_frame_is_in_all_files(
    fakes, folder, heard, tmp_path, capsys, monkeypatch, module, name, ending, status
):
    monkeypatch.setattr(module, name, then_interrupt(getattr(module, name), ending))
    out = tmp_path / "out"
    assert run("track", folder, "--point", "20,20", "--out", out, "--export", "coco") == status
    assert "of 1 frames" in capsys.readouterr().out
    for files in ("labels", "coco/images", "coco/labels"):
        assert [path.stem for path in (out / files).iterdir()] == ["00000"]
    content = json.loads((out / "coco/annotations.json").read_text())
    assert ([each["id"] for each in content["images"]], len(content["annotations"])) == ([0], 1)
    assert {row.split(",")[0] for row in (out / "tracks.csv").read_text().splitlines()} == {"frame", "0"}
    assert [row.split(",")[0] for row in (out / "objects.csv").read_text().splitlines()] == ["frame", "0"]
    assert open_source(str(out / "overlay.mp4")).length == 1
    assert (out / "contact_sheet.png").is_file()


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


def test_the_default_preset_tracks_two_disks(tmp_path):
    for index in range(6):
        image, red, blue = two_disks(index)
        write_image(tmp_path / f"frames/{index}.png", image)
    assert run("track", tmp_path / "frames", "--point", "44,48", "--point", "84,48,1,2", "--out", tmp_path / "out") == 0
    labels = read_labels(tmp_path / "out/labels/00005.png")
    for name, truth in ((1, red), (2, blue)):
        assert ((labels == name) & truth).sum() > 0.5 * truth.sum()
