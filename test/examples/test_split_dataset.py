"""examples/split_dataset.py on what `sampt track` exports."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from sampt_ros.data_types import FrameResult, LocalMask, ObjectResult, ObjectState, Points
from sampt_ros.io.export.coco import CocoDataset

EXAMPLE = Path(__file__).resolve().parents[2] / "examples/split_dataset.py"


def test_the_last_frames_are_for_validation(tmp_path):
    mask = np.zeros((12, 16), bool)
    mask[3:7, 4:9] = True
    with CocoDataset(tmp_path, {1: "cup"}) as dataset:
        for index in range(10):
            item = ObjectResult(1, ObjectState.TRACKING, 1.0, LocalMask.of(mask), Points.none())
            dataset.add(np.zeros((12, 16, 3), np.uint8), FrameResult(index, (12, 16), (item,)))
    run = subprocess.run([sys.executable, EXAMPLE, tmp_path, "0.3"], capture_output=True, text=True, timeout=60)
    assert run.stdout.splitlines() == ["train: 7 images, 7 objects", "val: 3 images, 3 objects"], run.stderr
    assert (tmp_path / "val.txt").read_text().split() == [f"./images/0000{index}.jpg" for index in (7, 8, 9)]
    parts = [json.loads((tmp_path / f"annotations_{part}.json").read_text()) for part in ("train", "val")]
    assert [[each["image_id"] for each in part["annotations"]] for part in parts] == [[*range(7)], [7, 8, 9]]
    assert all(part["categories"] == [{"id": 1, "name": "cup"}] for part in parts)
    assert yaml.safe_load((tmp_path / "data.yaml").read_text()) == {
        "train": "train.txt",
        "val": "val.txt",
        "names": {0: "cup"},
    }
    with CocoDataset(tmp_path, {1: "cup"}) as dataset:  # another run
        dataset.add(np.zeros((12, 16, 3), np.uint8), FrameResult(0, (12, 16), (item,)))
    assert {path.name for path in tmp_path.iterdir()} == {"images", "annotations.json", "labels", "data.yaml"}


@pytest.mark.parametrize("share", ["20", "0", "-0.2"])
def test_the_share_is_between_0_and_1(tmp_path, share):
    run = subprocess.run([sys.executable, EXAMPLE, tmp_path, share], capture_output=True, text=True, timeout=60)
    assert run.returncode == 1 and f"between 0 and 1, such as 0.2; got {share}" in run.stderr
