"""All pictures that training draws from, and the stream of samples made from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.utils.data import IterableDataset, get_worker_info

from training.nano.composing import Composer
from training.nano.samples import Sample, make_sample
from training.nano.shot import Shot

# How often a sample is drawn from each kind of shot, and the share of these that start from a click.
MIXTURE = {"composed": (0.45, 0.4), "teacher": (0.2, 0.25), "coco128": (0.15, 0.7), "rendered": (0.2, 0.45)}
INCOMPLETE = ("teacher", "coco128")  # a thing that is seen may have no label there
_LARGEST_CUTOUT = 256
_LEAST_CUTOUT = 48  # pixels, of a labelled object that becomes a cut-out
_SAMPLES = 2  # drawn from a shot, which costs more than they do
_REACH = 6  # frames of a clip between which an object is followed


class Library:
    """Shots of every kind; nothing here is random but what is drawn.

    counts  how many clips, cut-outs and backgrounds there are, each by where they come from
    """

    def __init__(self, work: Path) -> None:
        cv2.setNumThreads(1)  # its threads would not survive the fork to the workers
        self._clips = {kind: _clip_folders(work / "clips" / kind) for kind in MIXTURE if kind != "composed"}
        wallpapers = sorted(work.glob("backgrounds/*/*.jpg"))
        photographs = [_read(path) for path in wallpapers]
        groups = [[_read_cutout(path) for path in sorted(folder.glob("*.png"))] for folder in _folders(work)]
        groups += [
            list(_labelled_cutouts(self._clips[kind], limit)) for kind, limit in (("teacher", 900), ("coco128", 400))
        ]
        photographs += [_read(folder / "00.jpg") for kind in ("teacher", "coco128") for folder in self._clips[kind]]
        self._compose = Composer(groups, photographs)
        clips = {kind: len(folders) for kind, folders in self._clips.items()}
        cut_outs = [*(folder.name for folder in _folders(work)), "teacher", "coco128"]
        self.counts: dict[str, dict[str, int]] = {
            "clips": clips,
            "cut-outs": {name: len(group) for name, group in zip(cut_outs, groups)},
            "backgrounds": {
                **Counter(path.parent.name for path in wallpapers),
                **{kind: clips[kind] for kind in ("teacher", "coco128")},
            },
        }

    def batch(self, seed: int, number: int, count: int, sizes: Mapping[int, float]) -> list[Sample]:
        """The batch with this number: always the same.

        sizes: of windows in pixels, each with the share of batches that have it
        """
        rng = np.random.default_rng([seed, number])
        size = int(rng.choice(list(sizes), p=list(sizes.values())))
        kinds, shares = list(MIXTURE), [share for share, _ in MIXTURE.values()]
        samples: list[Sample] = []
        while len(samples) < count:
            kind = kinds[rng.choice(len(kinds), p=shares)]
            shot = self._compose(rng) if kind == "composed" else self._read_shot(kind, rng)
            drawn = (make_sample(shot, rng, size, MIXTURE[kind][1]) for _ in range(_SAMPLES))
            samples += [sample for sample in drawn if sample is not None]
        return samples[:count]

    def _read_shot(self, kind: str, rng: np.random.Generator) -> Shot:
        """Up to three frames of a clip, not too far from each other."""
        clip = self._clips[kind][rng.integers(len(self._clips[kind]))]
        count = len(list(clip.glob("*.jpg")))
        first = int(rng.integers(count))
        near = [frame for frame in range(max(0, first - _REACH), min(count, first + _REACH + 1)) if frame != first]
        chosen = [first, *(int(frame) for frame in rng.permutation(near)[:2])]
        labels = [cv2.imread(str(clip / f"{frame:02d}.png"), cv2.IMREAD_UNCHANGED) for frame in chosen]
        return Shot([_read(clip / f"{frame:02d}.jpg") for frame in chosen], labels, kind not in INCOMPLETE)


class Samples(IterableDataset):
    """Batches of samples `first` .. `last`, shared among the workers."""

    def __init__(self, library: Library, seed: int, batches: range, batch: int, sizes: Mapping[int, float]) -> None:
        self._library, self._seed, self._batches, self._batch, self._sizes = library, seed, batches, batch, sizes

    def __iter__(self) -> Iterator[list[torch.Tensor]]:
        worker = get_worker_info()
        mine = self._batches if worker is None else self._batches[worker.id :: worker.num_workers]
        for number in mine:
            samples = self._library.batch(self._seed, number, self._batch, self._sizes)
            yield [torch.from_numpy(np.stack([np.asarray(value) for value in values])) for values in zip(*samples)]


def _folders(work: Path) -> list[Path]:
    return sorted(path for path in work.glob("cutouts/*") if path.is_dir())


def _clip_folders(folder: Path) -> list[Path]:
    clips = sorted(path for path in folder.glob("*") if (path / "00.png").is_file())
    if not clips:
        raise FileNotFoundError(f"expected clips with 00.jpg and 00.png in {folder}; got none")
    return clips


def _read(path: Path) -> np.ndarray:
    image = cv2.imread(str(path))
    if image is None:
        raise FileNotFoundError(f"expected a readable picture; got {path}")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _read_cutout(path: Path) -> np.ndarray:
    cutout = cv2.cvtColor(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), cv2.COLOR_BGRA2RGBA)
    return _limited(cutout)


def _limited(cutout: np.ndarray) -> np.ndarray:
    scale = _LARGEST_CUTOUT / max(cutout.shape[:2])
    return cutout if scale >= 1 else cv2.resize(cutout, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def _labelled_cutouts(clips: list[Path], limit: int) -> Iterator[np.ndarray]:
    """Objects of labelled frames as cut-outs (h, w, 4) uint8 RGBA; those cut by the image's border are left out."""
    paths = [path for clip in clips for path in sorted(clip.glob("*.png"))]
    found = 0
    for path in paths:
        labels, image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED), _read(path.with_suffix(".jpg"))
        for name in np.unique(labels):
            mask = (labels == name).astype(np.uint8)
            x, y, width, height = cv2.boundingRect(mask)
            at_border = x == 0 or y == 0 or x + width == mask.shape[1] or y + height == mask.shape[0]
            if name in (0, 255) or at_border or min(width, height) < _LEAST_CUTOUT:
                continue
            alpha = np.clip(cv2.GaussianBlur(255.0 * mask, (0, 0), 1.0) * 1.6 - 76, 0, 255)[..., None]
            box = np.s_[max(y - 2, 0) : y + height + 2, max(x - 2, 0) : x + width + 2]
            yield _limited(np.concatenate([image, alpha.astype(np.uint8)], 2)[box])
            found += 1
            if found == limit:
                return
