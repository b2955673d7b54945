"""Makes the files of animated photographs, in several processes."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context, parent_process
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from training.nano.animation.animate import Animator
from training.nano.animation.stage import Props
from training.nano.pictures.stills import at_most, read_stills
from training.nano.sequence import write_sequence

_animator: Animator | None = None  # The animator of a worker process.


def make_animated(work: Path, stills: Path, count: int, seed: int, workers: int) -> None:
    """Write work/sequences/animated/NNNNN.npz for every number below `count`; existing files are kept."""
    folder = work / "sequences/animated"
    missing = [number for number in range(count) if not _file(folder, number).exists()]
    if not missing:
        return
    # Forked processes could hang, because OpenCV's threads have been running.
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _prepare, (work, stills))
    with pool:
        jobs = [(folder, seed, numbers) for numbers in np.array_split(missing, max(1, len(missing) // 10))]
        for _ in tqdm(pool.map(_make, jobs), "animated", total=len(jobs), unit="ten"):
            pass


def animator(work: Path, stills: Path, held_out: bool) -> Animator:
    """The animator of the photographs for training, or of those that are held out for validation."""
    chosen = [still for still in read_stills(stills) if still.is_held_out == held_out]
    collections = [
        [_rgba(path) for path in sorted(source.glob("*.png"))]
        for source in sorted((work / "cutouts").glob("*"))
        if source.is_dir() and not held_out
    ]
    backgrounds = [] if held_out else [_rgb(path) for path in sorted((work / "backgrounds").glob("*/*.jpg"))]
    return Animator(chosen, Props(chosen, collections), backgrounds)


def _prepare(work: Path, stills: Path) -> None:
    global _animator
    threading.Thread(target=_end_with_parent, daemon=True).start()
    cv2.setNumThreads(1)
    _animator = animator(work, stills, held_out=False)


def _end_with_parent() -> None:
    """End this process if the one that started it was killed; otherwise it would wait for work forever."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _make(job: tuple[Path, int, np.ndarray]) -> None:
    folder, seed, numbers = job
    assert _animator is not None
    for number in numbers.tolist():
        write_sequence(_file(folder, number), _animator(np.random.default_rng([seed, number])))


def _file(folder: Path, number: int) -> Path:
    return folder / f"{number:05d}.npz"


def _rgba(path: Path) -> np.ndarray:
    return cv2.cvtColor(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), cv2.COLOR_BGRA2RGBA)


def _rgb(path: Path) -> np.ndarray:
    image = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    return at_most(image, 448)  # The photographs are this large.
