"""Short recordings of two disks, and what `sampt track` makes of them, to compare fleets with."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
from synthetic import two_disks

from sampt_ros.cli import main as cli
from sampt_ros.io.image_files import write_image
from sampt_ros.io.label_images import write_labels

FRAMES = 5
OPTIONS = ("--set", "reacquire.enabled=false")  # faster


def write(folder: Path, names: list[str]) -> Path:
    """An image folder for each name in folder/recordings, the masks of both disks in folder/masks; returns `folder`."""
    for number, name in enumerate(names):
        for index in range(FRAMES):
            image, red, blue = two_disks(number + index)
            write_image(folder / f"recordings/{name}/{index:05d}.png", image)
            (folder / "masks" / name).mkdir(parents=True, exist_ok=True)
            write_labels(folder / f"masks/{name}/{index:05d}.png", red.astype(np.uint8) + 2 * blue.astype(np.uint8))
    return folder


def arguments(folder: Path, out: Path, *more: str) -> list[str]:
    """Of `sampt`, to run all of them."""
    masks = f"{folder}/masks/{{name}}"
    return ["batch", f"{folder}/recordings/*", "--masks", masks, "--truth", masks, "--out", str(out), *OPTIONS, *more]


def one_by_one(folder: Path, out: Path, names: list[str]) -> None:
    """Run `sampt track` for each."""
    for name in names:
        command = ["track", f"{folder}/recordings/{name}", "--masks", f"{folder}/masks/{name}", *OPTIONS]
        assert cli.main([*command, "--out", str(out / name)]) == 0


def compared(folder: Path, name: str) -> dict[str, bytes]:
    """The content of the files of a recording's results, but for pictures and times."""
    of = folder / name
    files = {path.name: path for path in [*of.glob("labels/*"), of / "objects.csv", of / "tracks.csv"]}
    return {key: path.read_bytes() for key, path in sorted(files.items())}


def report(out: Path) -> dict:
    return json.loads((out / "report.json").read_text())


class Killer(threading.Thread):
    """Kills the first worker that is at a recording, by what its unfinished folder is called."""

    def __init__(self, out: Path) -> None:
        super().__init__(daemon=True)
        self.killed = ""
        self._partial = out / ".partial"
        self.start()

    def run(self) -> None:
        end = time.monotonic() + 60
        while time.monotonic() < end and not self.killed:
            for labels in self._partial.glob("*/labels/00001.png"):
                folder = labels.parents[1].name
                os.kill(int(folder.rpartition(".")[2]), signal.SIGKILL)
                self.killed = folder
                return
            time.sleep(0.002)
