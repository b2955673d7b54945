"""`sampt evaluate` with its sequences shared out."""

from __future__ import annotations

import json

import numpy as np
import pytest
from synthetic import two_disks

from sampt_ros.cli import main as cli
from sampt_ros.io.image_files import write_image
from sampt_ros.io.label_images import write_labels

pytest.importorskip("onnxruntime", reason="onnxruntime is missing, which the default preset needs")

FASTER = ("--set", "reacquire.enabled=false")


@pytest.fixture(scope="module")
def davis(tmp_path_factory):
    folder = tmp_path_factory.mktemp("davis")
    for number, name in enumerate(("late", "early")):
        for index in range(4):
            image, red, blue = two_disks(10 * number + index)
            write_image(folder / f"JPEGImages/480p/{name}/{index:05d}.jpg", image)
            annotation = folder / f"Annotations/480p/{name}/{index:05d}.png"
            annotation.parent.mkdir(parents=True, exist_ok=True)
            write_labels(annotation, red.astype(np.uint8) + 2 * blue.astype(np.uint8))
    return folder


def scores(folder, file, *more):
    """What `sampt evaluate` writes, but for speed."""
    assert cli.main(["evaluate", str(folder), "--json", str(file), *FASTER, *more]) == 0
    content = json.loads(file.read_text())
    for score in (*content["sequences"].values(), content["mean"]):
        score.pop("fps")
    return content


def test_scores_of_workers_equal_those_of_one_process(davis, tmp_path, capsys):
    alone = scores(davis, tmp_path / "alone.json")
    assert scores(davis, tmp_path / "shared.json", "--workers", "1", "--pictures", str(tmp_path / "pictures")) == alone
    assert list(alone["sequences"]) == ["early", "late"]
    assert 0.8 < alone["mean"]["j"] <= 1
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == ["early.png", "late.png"]
    assert capsys.readouterr().out.count("mean") == 2


def test_a_sequence_that_fails_is_named_and_the_others_are_measured(davis, tmp_path, capsys):
    (davis / "Annotations/480p/late/00002.png").write_text("no image")
    wrong = "00002.png: not an image file, or a broken one"
    file = tmp_path / "scores.json"
    assert cli.main(["evaluate", str(davis), "--workers", "1", "--json", str(file), *FASTER]) == 1
    out = capsys.readouterr().out
    assert f"{wrong}\n" in out
    assert out.endswith("the mean is that of 1 of 2 sequences; failed: late\n")
    content = json.loads(file.read_text())
    assert list(content["sequences"]) == ["early"]
    assert content["mean"] == content["sequences"]["early"]
    assert content["failed"]["late"].endswith(wrong)
    assert cli.main(["evaluate", str(davis), "--sequences", "late", "--workers", "1", *FASTER]) == 2
    assert wrong in capsys.readouterr().err
