"""Composes sequences in which an object leaves the image and comes back, with the true mask of every frame.

    python benchmarks/leave_and_return.py TRAIN OUT
    sampt evaluate OUT/development
    sampt evaluate OUT/check

TRAIN contains clips/*.mp4 and stills/stills.json, a list of pictures with file, width, height, and objects given as
polygons. An object cut out of one picture, or a rectangle of a picture, moves over another picture or over a clip and
turns a little, while the camera drifts. The object leaves over a side of the image, slowly or fast, or behind
something, or it shrinks, or leaves with motion blur; then it comes back elsewhere. OUT is written in the DAVIS layout:
10 sequences for choosing parameters, and 10 others for checking them, of 60 frames each. Equal seeds give equal
sequences.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from sampt_ros.io.image_files import read_image, write_image
from sampt_ros.io.label_images import write_labels
from sampt_ros.io.video import open_source

FRAMES = 60
SIZE = (270, 480)  # height, width of a frame, pixels
LEAVING = 20  # index of the frame in which an object begins to leave
BACK = 40  # index of the frame in which it begins to come back
SETS = ("development", "check")
WAYS = (
    "left",
    "right",
    "top",
    "bottom",
    "fast_left",
    "fast_bottom",
    "behind",
    "covered",
    "shrinks",
    "blurs",
)
COVERED = ("behind", "covered")
_OUTWARD = {"left": (-1, 0), "right": (1, 0), "top": (0, -1), "bottom": (0, 1)}
_DRIFT = 1.25  # A still background is larger than the frame by this factor, so that the camera can drift over it.
_SOLID = 0.5  # Pixels whose opacity is higher than this belong to the object's mask.
_COVER = 2.4  # Width of what covers an object, as a multiple of half the object's diagonal.
_CANDIDATES = 12  # Number of pictures from which the background with the colours most like the object's is chosen.


@dataclass(frozen=True, eq=False)
class CutOut:
    """A piece of a picture.

    image  (h, w, 3) uint8 RGB
    alpha  (h, w) float32 opacity, 0..1
    """

    image: np.ndarray
    alpha: np.ndarray


@dataclass(frozen=True)
class Pose:
    """Where an object is in one frame.

    x, y     its centre, pixels
    scale    1 for its original size; 0 if there is nothing of it
    angle    rotation, degrees
    blur     length of its motion blur, pixels
    """

    x: float
    y: float
    scale: float = 1.0
    angle: float = 0.0
    blur: float = 0.0


class Pictures:
    """The stills and clips of a folder, from which sequences are composed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        stills = json.loads((folder / "stills/stills.json").read_text())
        self._stills = [each for each in stills if each["width"] >= 300 and each["height"] >= 250]
        self._clips = sorted((folder / "clips").glob("*.mp4"))

    def object(self, rng: np.random.Generator, side: float) -> CutOut:
        """An object whose outline is known, scaled so that the square root of its area is `side` pixels."""
        while True:
            still = self._stills[rng.integers(len(self._stills))]
            polygons = still["objects"][rng.integers(len(still["objects"]))]["polygons"]
            outline = np.array(polygons[0], np.float32).reshape(-1, 2)
            box = np.concatenate([outline.min(0), outline.max(0)])
            is_whole = (box[:2] > 3).all() and box[2] < still["width"] - 4 and box[3] < still["height"] - 4
            # The object must consist of one part, be large enough in its picture, and not be a thin line.
            area = cv2.contourArea(outline)
            if len(polygons) == 1 and is_whole and area > 2500 and area > 0.35 * np.prod(box[2:] - box[:2]):
                break
        image = read_image(self._folder / "stills" / still["file"])
        alpha = np.zeros(image.shape[:2], np.uint8)
        cv2.fillPoly(alpha, [np.rint(outline).astype(np.int32)], 255)
        left, top, right, bottom = (int(value) for value in box)
        window = np.s_[max(top - 3, 0) : bottom + 4, max(left - 3, 0) : right + 4]
        return _scaled(CutOut(image[window], alpha[window].astype(np.float32) / 255), side / area**0.5)

    def rectangle(self, rng: np.random.Generator, width: int, height: int) -> CutOut:
        """A rectangle of a picture, of this size in pixels."""
        image = cv2.resize(self.still(rng), (2 * width, 2 * height), interpolation=cv2.INTER_AREA)
        return CutOut(image[height // 2 :, width // 2 :][:height, :width], np.ones((height, width), np.float32))

    def still(self, rng: np.random.Generator) -> np.ndarray:
        """A picture (H, W, 3) uint8 RGB."""
        return read_image(self._folder / "stills" / self._stills[rng.integers(len(self._stills))]["file"])

    def still_like(self, rng: np.random.Generator, cut_out: CutOut) -> np.ndarray:
        """The picture (H, W, 3) uint8 RGB, of some random ones, whose colours are most like the object's."""
        colors = _colors(cut_out.image[cut_out.alpha > _SOLID])
        stills = [self.still(rng) for _ in range(_CANDIDATES)]
        return max(stills, key=lambda still: float(np.minimum(_colors(still.reshape(-1, 3)), colors).sum()))

    def clip(self, rng: np.random.Generator) -> list[np.ndarray]:
        """The first FRAMES frames (H, W, 3) uint8 RGB of a clip."""
        with open_source(str(self._clips[rng.integers(len(self._clips))])) as source:
            height, width = SIZE
            return [_filling(image, width, height) for image in islice(source, FRAMES)]


def _colors(pixels: np.ndarray) -> np.ndarray:
    """(512,) float: the histogram of pixels (n, 3) uint8 RGB over 8 x 8 x 8 colours, which sums to 1."""
    cells = (pixels // 32).astype(int) @ [64, 8, 1]
    share: np.ndarray = np.bincount(cells, minlength=512) / len(cells)
    return share


def _scaled(cut_out: CutOut, factor: float) -> CutOut:
    height, width = cut_out.alpha.shape
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return CutOut(*(cv2.resize(part, size, interpolation=way) for part in (cut_out.image, cut_out.alpha)))


def _filling(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """The middle of an image, scaled so that it fills this size in pixels."""
    factor = max(width / image.shape[1], height / image.shape[0])
    size = (max(width, round(image.shape[1] * factor)), max(height, round(image.shape[0] * factor)))
    scaled = cv2.resize(image, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC)
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    filled: np.ndarray = scaled[top : top + height, left : left + width]
    return filled


# Ways to leave and come back


def _steps(start: Pose, end: Pose, frames: int) -> list[Pose]:
    """`frames` evenly spaced poses from `start` to `end`, without `end` itself."""
    names = list(Pose.__dataclass_fields__)
    before, after = (np.array([getattr(pose, name) for name in names]) for pose in (start, end))
    return [Pose(*(before + (after - before) * step / frames)) for step in range(frames)]


def _beyond(pose: Pose, side: str, radius: float) -> Pose:
    """The pose moved straight over a side of the image, until the object is completely outside."""
    height, width = SIZE
    x, y = _OUTWARD[side]
    out_x = pose.x if x == 0 else (-radius if x < 0 else width + radius)
    out_y = pose.y if y == 0 else (-radius if y < 0 else height + radius)
    return replace(pose, x=out_x, y=out_y)


def _somewhere(rng: np.random.Generator, radius: float) -> Pose:
    """A random pose with the object completely inside the image."""
    height, width = SIZE
    margin_x, margin_y = min(radius + 4, 0.4 * width), min(radius + 4, 0.4 * height)
    x, y = rng.uniform([margin_x, margin_y], [width - margin_x, height - margin_y])
    return Pose(float(x), float(y), angle=float(rng.uniform(-12, 12)))


def way_of(way: str, rng: np.random.Generator, radius: float) -> list[Pose]:
    """The poses in FRAMES frames of an object that leaves in this way, one of WAYS, and comes back.

    radius  half the diagonal of the object, pixels: it fits into a circle of this radius
    """
    start, turn, again, end = (_somewhere(rng, radius) for _ in range(4))
    inside = _steps(start, turn, LEAVING)
    entered = _beyond(again, str(rng.choice(list(_OUTWARD))), radius)
    if way in COVERED:
        away = _steps(turn, turn, BACK - LEAVING)
        return [*inside, *away, *_steps(turn, end, FRAMES - BACK)]
    if way == "shrinks":
        frames = int(rng.integers(6, 12))
        gone = replace(turn, scale=0.0)
        away = [*_steps(turn, gone, frames), *_steps(gone, gone, BACK - LEAVING - frames)]
        return [*inside, *away, *_steps(replace(again, scale=0.0), again, 6), *_steps(again, end, FRAMES - BACK - 6)]
    if way == "blurs":
        gone = _beyond(turn, str(rng.choice(["left", "right"])), radius)
        away = [*_steps(turn, replace(gone, blur=4 * radius), 5), *_steps(gone, gone, BACK - LEAVING - 5)]
    else:
        side = way.removeprefix("fast_")
        gone = _beyond(turn, side, radius)
        frames = int(rng.integers(2, 4)) if way.startswith("fast") else int(rng.integers(7, 11))
        away = [*_steps(turn, gone, frames), *_steps(gone, gone, BACK - LEAVING - frames)]
    return [*inside, *away, *_steps(entered, again, 6), *_steps(again, end, FRAMES - BACK - 6)]


def cover_of(way: str, poses: Sequence[Pose], radius: float) -> Callable[[int], float]:
    """The x of the centre of what covers the object, in pixels, as a function of the frame's index."""
    hidden = poses[LEAVING].x
    far = -3 * radius if hidden > SIZE[1] / 2 else SIZE[1] + 3 * radius
    # In "covered", the cover slides over the resting object and away again; in "behind", the object moves behind it.
    knots = [0, LEAVING, LEAVING + 6, BACK - 4, BACK + 2, FRAMES]
    places = [far, far, hidden, hidden, far, far]
    if way == "behind":
        places = [hidden] * len(knots)
    return lambda frame: float(np.interp(frame, knots, places))


# Composition


def _put(canvas: np.ndarray, cut_out: CutOut, pose: Pose) -> np.ndarray:
    """Draw an object on a canvas (H, W, 3) float32, in place; returns its opacity on it, (H, W) float32 0..1."""
    height, width = canvas.shape[:2]
    if pose.scale < 0.02:
        return np.zeros((height, width), np.float32)
    rows, columns = cut_out.alpha.shape
    small = _scaled(cut_out, pose.scale) if pose.scale < 1 else cut_out
    factor = small.alpha.shape[1] / columns, small.alpha.shape[0] / rows
    turn = cv2.getRotationMatrix2D((columns * factor[0] / 2, rows * factor[1] / 2), pose.angle, 1.0)
    turn[:, 2] += [pose.x - columns * factor[0] / 2, pose.y - rows * factor[1] / 2]
    image = cv2.warpAffine(small.image.astype(np.float32), turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
    alpha = cv2.warpAffine(small.alpha, turn, (width, height))
    if pose.blur >= 2:
        length = round(pose.blur)
        kernel = np.full((1, length), 1 / length, np.float32)
        image = cv2.filter2D(image * alpha[..., None], -1, kernel, borderType=cv2.BORDER_CONSTANT)
        alpha = cv2.filter2D(alpha, -1, kernel, borderType=cv2.BORDER_CONSTANT)
        canvas += image - canvas * alpha[..., None]
    else:
        canvas += (image - canvas) * alpha[..., None]
    return np.asarray(alpha)


def _backgrounds(pictures: Pictures, rng: np.random.Generator, cut_out: CutOut) -> Iterator[np.ndarray]:
    """FRAMES frames (H, W, 3) float32 of a clip, or of a picture over which the camera drifts."""
    kind = rng.choice(["still", "still", "alike", "clip"])
    if kind == "clip":
        yield from (image.astype(np.float32) for image in pictures.clip(rng))
        return
    height, width = SIZE
    still = pictures.still_like(rng, cut_out) if kind == "alike" else pictures.still(rng)
    large = _filling(still, round(width * _DRIFT), round(height * _DRIFT)).astype(np.float32)
    room = np.array([large.shape[1] - width, large.shape[0] - height])
    start, end = rng.uniform(0, room, (2, 2))
    is_steady = rng.random() < 0.4
    phase = rng.uniform(0, 2 * np.pi)
    for frame in range(FRAMES):
        share = 0.0 if is_steady else 0.5 - 0.5 * np.cos(phase + 2 * np.pi * frame / (2 * FRAMES))
        left, top = start + (end - start) * share
        shift = np.array([[1, 0, -left], [0, 1, -top]], np.float32)
        yield cv2.warpAffine(large, shift, (width, height), borderMode=cv2.BORDER_REPLICATE)


def _moving_object(pictures: Pictures, way: str, rng: np.random.Generator) -> tuple[CutOut, float, list[Pose]]:
    """An object, half its diagonal in pixels, and its poses; its centre is not covered in the first frame."""
    while True:
        side = float(rng.uniform(32, 95))
        if rng.random() < 0.35:
            aspect = rng.uniform(0.6, 1.6) ** 0.5
            cut_out = pictures.rectangle(rng, round(side * aspect), round(side / aspect))
        else:
            cut_out = pictures.object(rng, side)
        radius = float(np.hypot(*cut_out.alpha.shape)) / 2
        poses = way_of(way, rng, radius)
        if way not in COVERED or abs(poses[0].x - cover_of(way, poses, radius)(0)) > _COVER / 2 * radius:
            return cut_out, radius, poses


def compose(pictures: Pictures, way: str, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The image (H, W, 3) uint8 RGB and the true mask (H, W) bool of every frame of a sequence; way: one of WAYS."""
    rng = np.random.default_rng(seed)
    cut_out, radius, poses = _moving_object(pictures, way, rng)
    cover = pictures.rectangle(rng, round(_COVER * radius), 2 * SIZE[0]) if way in COVERED else None
    cover_x = cover_of(way, poses, radius)
    for frame, (canvas, pose) in enumerate(zip(_backgrounds(pictures, rng, cut_out), poses)):
        alpha = _put(canvas, cut_out, pose)
        if cover:
            alpha = alpha * (1 - _put(canvas, cover, Pose(cover_x(frame), SIZE[0] / 2)))
        canvas += rng.normal(0, 2, canvas.shape)
        yield np.clip(np.rint(canvas), 0, 255).astype(np.uint8), alpha > _SOLID


def write(pictures: Pictures, folder: Path, name: str, way: str, seed: int) -> None:
    """Write a sequence in the DAVIS layout."""
    for frame, (image, mask) in enumerate(compose(pictures, way, seed)):
        annotations = folder / "Annotations/480p" / name
        annotations.mkdir(parents=True, exist_ok=True)
        write_image(folder / "JPEGImages/480p" / name / f"{frame:05d}.jpg", image)
        write_labels(annotations / f"{frame:05d}.png", mask.astype(np.uint8) * 255)


def main() -> None:
    """Write the sequences."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", type=Path, metavar="TRAIN", help="folder of stills and clips")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to write to")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers (default: 0)")
    options = parser.parse_args()
    pictures = Pictures(options.train)
    for number, kind in enumerate(SETS):
        for row, way in enumerate(WAYS):
            seed = options.seed * 1000 + number * 100 + row
            write(pictures, options.out / kind, f"{row:02d}_{way}", way, seed)
            print(f"{kind}: {row:02d}_{way}")


if __name__ == "__main__":
    main()
