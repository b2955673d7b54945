"""Tests of benchmarks/peers.py: with small images, and with those other trackers that are installed."""

from __future__ import annotations

import json
from importlib.util import find_spec

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is missing", exc_type=ImportError)

import peers

PEERS = {"EdgeTAM, 256 px": ("transformers", "timm", "torchvision"), "Cutie, small": ("cutie", "hydra", "einops")}
DOCUMENT = "before\n<!-- benchmarks/peers.py begins -->\nold\n<!-- benchmarks/peers.py ends -->\nafter\n"


def test_a_dry_run_measures_what_is_installed_and_says_how_to_install_the_rest(tmp_path, capsys):
    document, numbers = tmp_path / "performance.md", tmp_path / "peers.json"
    document.write_text(DOCUMENT)
    assert peers.main(["--dry-run", "--write", str(document), "--json", str(numbers)]) == 0
    told = capsys.readouterr().out
    names = [row["name"] for row in json.loads(numbers.read_text())["rows"]]
    assert names[0] == "ours, preset default"
    for name, packages in PEERS.items():
        if missing := [package for package in packages if find_spec(package) is None]:
            assert name not in names
            assert f"{name} is left out: No module named {missing[0]!r}" in told and "pip install" in told
    text = document.read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "old" not in text
    assert all(f"| {name} |" in text for name in names)


@pytest.mark.parametrize("name", PEERS)
def test_another_tracker_goes_through_a_stream(name, monkeypatch):
    for package in PEERS[name]:
        if find_spec(package) is None:
            pytest.skip(f"{package} is missing")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (peer,) = (made for found, made in peers._peers([256], []) if found == name)
    image = np.random.default_rng(0).integers(0, 256, (128, 160, 3), np.uint8)
    objects = np.zeros((2, 128, 160), bool)
    objects[0, 20:60, 20:60] = objects[1, 70:100, 90:140] = True
    peer.start(image, list(objects))
    for _ in range(2):
        masks = peer.step(image)
        assert (masks.shape, masks.dtype) == ((2, 128, 160), bool)


class Short(peers.Peer):
    """Gives one mask too few."""

    def start(self, image, masks):
        self.masks = np.stack(masks)[1:]

    def step(self, image):
        return self.masks


def test_a_tracker_that_gives_other_masks_than_expected_is_no_fair_measurement():
    parsed = peers._parser().parse_args(["--size", "64x48", "--objects", "2"])
    with pytest.raises(ValueError, match=r"short: expected 2 masks of the image's size; got \(1, 48, 64\)"):
        peers.measure({"short": Short()}, parsed)


class Counting(peers.Peer):
    """Writes down when its turn is."""

    def __init__(self, name: str, turns: list[str]) -> None:
        self.name, self.turns = name, turns

    def start(self, image, masks):
        self.masks = np.stack(masks)

    def step(self, image):
        self.turns.append(self.name)
        return self.masks


def test_trackers_take_turns_and_the_first_frames_do_not_count():
    turns: list[str] = []
    parsed = peers._parser().parse_args(["--size", "64x48", "--frames", "3", "--warmup", "1", "--turn", "2"])
    rows = peers.measure({name: Counting(name, turns) for name in "ab"}, parsed)
    assert "".join(turns) == "aabbaabb"
    assert [row.name for row in rows] == ["a", "b"]
