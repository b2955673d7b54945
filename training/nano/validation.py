"""Makes the validation sequences, on which all parameters of nano are chosen, from data that are held out of training.

    python -m training.nano.validation TRAIN OUT --teacher WORK/downloads/isnet.onnx
    sampt evaluate OUT
    sampt evaluate OUT --clicks 1

TRAIN is the same folder as for training: about a tenth of its pictures, objects and clips are held out. OUT is written
in the DAVIS layout, with 48 frames per sequence and the true masks of one object; sequences that exist already are
kept. Equal seeds give equal sequences. There are these kinds, which count equally where weights are compared: some need
more sequences than others to say anything, and are not more important for that.

    moves   an animated photograph: the object wanders, crosses the picture, bends, or rests while the camera moves
    leaves  the same, but the object leaves the picture or is hidden for a while, and comes back
    clip    an object of a photograph moves in front of a video
    scene   simulated objects on tables, shelves and floors are pushed, carried, released, struck and dropped
    video   real videos: one in which people pass in front of a chair, with true masks, and runs of the held-out clips,
            every third frame, labelled by the teacher of the training
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from sampt_ros.io.image_files import read_image, write_image
from sampt_ros.io.label_images import write_labels
from sampt_ros.io.video import image_files, open_source
from training.nano.animation.animate import Animator
from training.nano.animation.files import animator
from training.nano.animation.motion import Span
from training.nano.pictures.camera import Camera
from training.nano.pictures.stills import at_most, read_stills
from training.nano.pictures.teacher import Teacher, labelled_runs
from training.nano.sequence import VOID, Sequence, is_held_out

FRAMES = 48
COUNTS = {"moves": 14, "leaves": 9, "clip": 4, "scene": 12}
_PACE = 0.3  # Motion from one frame to the next, as a share of that in training sequences.
# Smallest and largest area of the object in the first frame, as a share of the image.
_LEAST_AREA = {"moves": 0.012, "leaves": 0.008, "clip": 0.01, "scene": 0.006, "video": 0.005}
_LARGEST_AREA = 0.4
_RUNS, _RUN_FRAMES, _LEAST_RUN = 3, 14, 6  # Most runs of a held-out clip; most and fewest frames of a run.
_ATTEMPTS = 300
_LONGEST = 640  # Longer side of a recording's images, pixels.
_KINDS = {"moves": ("wanders", "wanders", "rests", "crosses"), "leaves": ("leaves",), "clip": ("wanders", "leaves")}


def main() -> None:
    """Write the sequences."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", type=Path, metavar="TRAIN", help="folder of stills, clips, scanned objects")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to write to")
    parser.add_argument("--seed", type=int, default=1, help="seed of all random numbers (default: 1)")
    parser.add_argument("--only", choices=[*COUNTS, "video"], help="make only this kind")
    teacher_help = "the model that labels the held-out clips; without it, they are left out"
    parser.add_argument("--teacher", type=Path, metavar="FILE", help=teacher_help)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    makers = {"moves": _composed, "leaves": _composed, "clip": _composed, "scene": _rendered}
    for number, (kind, count) in enumerate(COUNTS.items()):
        missing = [index for index in range(count) if not _annotations(options.out, f"{kind}_{index:02d}").is_dir()]
        if not missing or options.only not in (None, kind):
            continue
        make = makers[kind](options.train, kind)
        for index in tqdm(missing, kind, unit="sequence"):
            _write(options.out, f"{kind}_{index:02d}", *_first_suitable(make, kind, [options.seed, number, index]))
    if options.only in (None, "video"):
        _copy_recording(options.train / "video/chair", options.out)
        if options.teacher:
            _label_clips(options.train / "clips", options.teacher, options.out)


Maker = Callable[[np.random.Generator, list[int]], tuple[Sequence, int]]


def _composed(train: Path, kind: str) -> Maker:
    """A function that makes animated photographs, of which any object may be the one that is tracked."""
    animate: Animator = animator(train, train / "stills", held_out=True)
    clips = _held_out_clips(train / "clips")

    def make(rng: np.random.Generator, seed: list[int]) -> tuple[Sequence, int]:
        span = Span(FRAMES, _PACE)
        motion = str(rng.choice(_KINDS[kind]))
        clip = _clip(clips[int(rng.integers(len(clips)))]) if kind == "clip" else None
        sequence, camera = animate(rng, span, motion, clip), Camera(rng)
        if rng.random() < 0.7:
            sequence.images[:] = [camera.shoot(image, rng) for image in sequence.images]
        return sequence, 0

    return make


def _rendered(train: Path, kind: str) -> Maker:
    """A function that makes rendered scenes, in which the object that a gripper holds is tracked if it is suitable."""
    from training.nano.scenes.physics import enacted
    from training.nano.scenes.render import Studio, render_scene
    from training.nano.scenes.scanned import Scans
    from training.nano.scenes.tabletop import Pace

    studio, scans = Studio(), Scans(train / "objects/ycb", held_out=True)
    photos = [still.path for still in read_stills(train / "stills") if still.is_held_out]

    def make(rng: np.random.Generator, seed: list[int]) -> tuple[Sequence, int]:
        return render_scene(studio, photos, scans, None, seed, Pace(FRAMES, _PACE), enacted)

    return make


def _first_suitable(make: Maker, kind: str, seed: list[int]) -> tuple[Sequence, int]:
    """A sequence, and the id of an object in it that is suitable for this kind of sequence.

    Raises RuntimeError if none of many sequences has a suitable object.
    """
    for attempt in range(_ATTEMPTS):
        rng = np.random.default_rng([*seed, attempt])
        sequence, held = make(rng, [*seed, attempt])
        names = [name for name in np.unique(sequence.labels).tolist() if name > 0]
        if held:  # The gripper, which has the highest id, is never the tracked object.
            names = names[:-1]
        suitable = [name for name in names if is_suitable(sequence, name, kind)]
        if held in suitable:
            return sequence, held
        if suitable:
            weights = np.array([_interest(sequence, name) for name in suitable])
            return sequence, int(rng.choice(suitable, p=weights / weights.sum()))
    raise RuntimeError(f"expected an object for a sequence of kind {kind} among {_ATTEMPTS}; found none: seed {seed}")


def is_suitable(sequence: Sequence, name: int, kind: str) -> bool:
    """Whether an object is large enough at first, and then absent for a while or mostly visible, as the kind needs."""
    areas = np.array([np.count_nonzero(labels == name) for labels in sequence.labels])
    if not _LEAST_AREA[kind] <= areas[0] / sequence.labels[0].size <= _LARGEST_AREA:
        return False
    seen = areas > 0.3 * areas[0]
    if kind == "leaves" or (kind == "clip" and (areas < 20).any()):
        gone = np.flatnonzero(areas < 20)
        return len(gone) >= 4 and gone[0] >= 8 and bool(seen[gone[-1] :].sum() >= 6)
    return float(seen.mean()) > (0.7 if kind == "scene" else 0.85)


def _interest(sequence: Sequence, name: int) -> float:
    """The weight with which an object is chosen: higher if it is larger at first, and moves further in total."""
    centres = [np.argwhere(labels == name).mean(0) for labels in sequence.labels if (labels == name).any()]
    size = np.sqrt(np.count_nonzero(sequence.labels[0] == name))
    return float(size * (0.3 + min(np.linalg.norm(np.diff(centres, axis=0), axis=1).sum() / size, 2.0)))


def _held_out_clips(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.glob("*.mp4")) if is_held_out(path.stem)]


def _clip(path: Path) -> list[np.ndarray]:
    """The first FRAMES images (H, W, 3) uint8 RGB of a video, scaled to the size of photographs."""
    with open_source(str(path)) as source:
        return [at_most(image, 560) for image in islice(source, FRAMES)]


def _copy_recording(folder: Path, out: Path) -> None:
    """Copy a recording with masks: *.jpg, and *.png of the same names."""
    name = f"video_{folder.name}"
    if not _annotations(out, name).is_dir():
        images, masks = zip(*_recorded(folder))
        _write(out, name, Sequence(list(images), list(masks)), 255)


def _label_clips(clips: Path, model: Path, out: Path) -> None:
    """Label runs of the held-out clips; those in which the teacher follows no object for long are left out."""
    teacher = None
    for video in tqdm(_held_out_clips(clips), "video", unit="clip"):
        names = [f"video_{video.stem}_{run}" for run in range(_RUNS)]
        if any(_annotations(out, name).is_dir() for name in names):
            continue
        teacher = teacher or Teacher(model)
        for name, sequence in zip(names, labelled_runs(teacher, video, _RUNS, _RUN_FRAMES)):
            if followed := _followed_object(sequence):
                _write(out, name, *followed)


def _followed_object(sequence: Sequence) -> tuple[Sequence, int] | None:
    """The first of the objects that are large enough and seen from the first frame on for long enough, if there is one.

    The sequence ends with the object: the teacher may have lost it.
    """
    for label in range(1, VOID):
        shown = [(labels == label).any() for labels in sequence.labels]
        count = shown.index(False) if False in shown else len(shown)
        if count >= _LEAST_RUN and (sequence.labels[0] == label).mean() > _LEAST_AREA["video"]:
            return sequence._replace(images=sequence.images[:count], labels=sequence.labels[:count]), label
    return None


def _recorded(folder: Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for path in image_files(folder):
        if path.suffix == ".jpg":
            mask = cv2.imread(str(path.with_suffix(".png")), cv2.IMREAD_GRAYSCALE)
            image = at_most(read_image(path), _LONGEST)
            yield image, cv2.resize(mask, image.shape[1::-1], interpolation=cv2.INTER_NEAREST)


def _annotations(out: Path, name: str) -> Path:
    return out / "Annotations/480p" / name


def _write(out: Path, name: str, sequence: Sequence, label: int) -> None:
    """Write a sequence with the masks of one object; its annotations appear only when they are complete."""
    images, annotations = out / "JPEGImages/480p" / name, _annotations(out, name)
    partial = annotations.with_name(f"{name}.partial")
    for folder in (images, partial):
        folder.mkdir(parents=True, exist_ok=True)
    for frame, (image, labels) in enumerate(zip(sequence.images, sequence.labels)):
        write_image(images / f"{frame:05d}.jpg", image)
        write_labels(partial / f"{frame:05d}.png", (labels == label).astype(np.uint8) * 255)
    partial.rename(annotations)


if __name__ == "__main__":
    main()
