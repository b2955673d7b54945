"""Training samples: what the segmenter sees and is told of one object in a shot, and what would be right."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from sampt_ros.geometry.crops import Window, box_of, draw_box, draw_points
from sampt_ros.segmenters.nano.interface import (
    BOX,
    HAS_MASK,
    MASK,
    NEGATIVE,
    POSITIVE,
    PROMPT_CHANNELS,
    PROMPT_STRIDE,
    RIVALS,
)
from training.nano.damage import damaged, lightly_damaged
from training.nano.shot import Shot
from training.nano.warping import another_view, through_a_camera

MEMORIES = 2
_VOID = 255
_LEAST_AREA = 120  # pixels, to be clicked or followed
_LEAST_SIDE = 0.11  # of the window, for a clicked object


class Sample(NamedTuple):
    """One object, S = window size.

    window   (S, S, 3) uint8 RGB; prompts (6, S / 4, S / 4) float32, see segmenters/nano/network.py
    truth    (S / 2, S / 2) float32, the object's share of the pixel; known, likewise, 0 where nobody knows
    remembered, remembered_masks  (MEMORIES, S, S, 3) uint8 and (MEMORIES, S, S) float32
    memories  how many of them count
    clicked   whether it starts here, with no mask and no memory
    """

    window: np.ndarray
    prompts: np.ndarray
    truth: np.ndarray
    known: np.ndarray
    remembered: np.ndarray
    remembered_masks: np.ndarray
    memories: int
    clicked: bool


def make_sample(shot: Shot, rng: np.random.Generator, size: int, clicks: float) -> Sample | None:
    """A sample of some object in a shot of one or more frames, or None if nothing in it is large enough.

    clicks: the share of samples in which the object is clicked, not followed
    """
    shot = _as_video(shot, rng)
    now = int(rng.integers(len(shot.images)))
    frames = [now, *rng.permutation([frame for frame in range(len(shot.images)) if frame != now])]
    names = {frame: _objects(shot.labels[frame]) for frame in frames}
    if rng.random() < clicks:
        if not names[now]:
            return None
        name = int(rng.choice(names[now]))
        window, prompts = _clicked(shot, now, name, rng, size)
        earlier: list[int] = []
    else:
        earlier = [frame for frame in frames[1:] if names[frame]][:MEMORIES]
        if not earlier:
            return None
        name = int(rng.choice(names[earlier[0]] if shot.complete else names[now] or [0]))
        earlier = [frame for frame in earlier if name in names[frame]]
        if not earlier:
            return None
        window, prompts = _followed(shot, now, earlier[0], name, rng, size)
        if rng.random() < 0.12:
            earlier = []
        elif rng.random() < 0.4:
            earlier = earlier[:1]
    remembered, masks = _remembered(shot, earlier, name, rng, size)
    labels = shot.labels[now]
    return Sample(
        through_a_camera(window.cut(shot.images[now]), rng),
        prompts,
        window.cut((labels == name).astype(np.float32), size // 2),
        1 - window.cut((labels == _VOID).astype(np.float32), size // 2),
        remembered,
        masks,
        len(earlier),
        bool(prompts[HAS_MASK, 0, 0] == 0),
    )


def _as_video(shot: Shot, rng: np.random.Generator) -> Shot:
    """A photograph gets further views of itself."""
    if len(shot.images) > 1:
        return shot
    views = [another_view(shot.images[0], shot.labels[0], rng, rng.uniform(0.2, 1)) for _ in range(MEMORIES)]
    return Shot([*shot.images, *(image for image, _ in views)], [*shot.labels, *(labels for _, labels in views)], False)


def _objects(labels: np.ndarray) -> list[int]:
    areas = np.bincount(labels.ravel(), minlength=256)
    return [name for name in range(1, _VOID) if areas[name] >= _LEAST_AREA]


def _clicked(shot: Shot, now: int, name: int, rng: np.random.Generator, size: int) -> tuple[Window, np.ndarray]:
    """The object at a click, or in a box, in a window that knows nothing of its size."""
    labels = shot.labels[now]
    parts, statistics = cv2.connectedComponentsWithStats((labels == name).astype(np.uint8))[1:3]
    mask = parts == 1 + statistics[1:, cv2.CC_STAT_AREA].argmax()
    box = box_of(mask)
    longest = max(box[2] - box[0], box[3] - box[1]) + 1
    on = np.array([_interior(mask, rng) for _ in range(1 if rng.random() < 0.75 else rng.integers(2, 4))])
    share = np.exp(rng.uniform(np.log(_LEAST_SIDE), np.log(0.9)))
    centre = on[0] + rng.uniform(-0.4, 0.4, 2) * longest * rng.integers(2)
    if rng.random() < 0.2 and longest > _LEAST_SIDE * max(mask.shape):
        share, centre = longest / max(mask.shape), (box[:2] + box[2:]) / 2  # the whole image
    window = Window.centred(centre, longest / share, mask.shape, size)
    boxed = rng.random() < 0.15
    if boxed:
        window = Window.around(box, rng.uniform(1.2, 2.2), mask.shape, size)
    off = _off(labels, name, rng, 1) if rng.random() < 0.15 else np.zeros((0, 2))
    cells = size // PROMPT_STRIDE
    prompts = np.zeros((PROMPT_CHANNELS, cells, cells), np.float32)
    if not (boxed and rng.random() < 0.6):
        prompts[POSITIVE] = draw_points(window.to_window(on, cells), cells)
    prompts[NEGATIVE] = draw_points(window.to_window(off, cells), cells)
    if boxed:
        box = box + rng.normal(0, 0.03 * longest, 4)
        prompts[BOX] = draw_box(window.to_window(box.reshape(2, 2), cells).ravel(), cells)
    if rng.random() < 0.2:
        prompts[RIVALS] = _rivals(labels, name, window, cells, rng)
    return window, prompts


def _followed(
    shot: Shot, now: int, before: int, name: int, rng: np.random.Generator, size: int
) -> tuple[Window, np.ndarray]:
    """The object whose last mask was carried here, more or less well, with tracked points."""
    labels = shot.labels[now]
    mask = labels == name
    visible = np.count_nonzero(mask) >= 16
    others = (labels > 0) & (labels != _VOID) & ~mask
    carried = damaged(mask if visible else shot.labels[before] == name, others, rng)
    if not (carried > 0.5).any():
        carried = (mask if visible else shot.labels[before] == name).astype(np.float32)
    box = box_of(carried > 0.5)
    longest = max(box[2] - box[0], box[3] - box[1]) + 1
    centre = (box[:2] + box[2:]) / 2 + rng.uniform(-0.08, 0.08, 2) * longest
    window = Window.centred(centre, longest * rng.uniform(1.35, 2.1), mask.shape, size)
    cells = size // PROMPT_STRIDE
    prompts = np.zeros((PROMPT_CHANNELS, cells, cells), np.float32)
    if visible and rng.random() < 0.85:
        on = _spread(mask, rng, int(rng.integers(1, 9))) + rng.normal(0, 1.5, 2)
        if rng.random() < 0.15:
            on[0] += rng.normal(0, 0.25 * longest, 2)  # lost its object
        prompts[POSITIVE] = draw_points(window.to_window(on, cells), cells)
    if rng.random() < 0.3:
        prompts[NEGATIVE] = draw_points(window.to_window(_off(labels, name, rng, 2), cells), cells)
    prompts[MASK] = 2 * window.cut(carried, cells) - 1
    prompts[HAS_MASK] = 1
    if rng.random() < 0.5:
        prompts[RIVALS] = _rivals(labels, name, window, cells, rng)
    return window, prompts


def _remembered(
    shot: Shot, frames: list[int], name: int, rng: np.random.Generator, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Windows around the object in other frames, and its masks there as the segmenter may have found them."""
    windows = np.zeros((MEMORIES, size, size, 3), np.uint8)
    masks = np.zeros((MEMORIES, size, size), np.float32)
    for slot, frame in enumerate(frames):
        mask = shot.labels[frame] == name
        window = Window.around(box_of(mask), rng.uniform(1.4, 2.0), mask.shape, size)
        windows[slot] = through_a_camera(window.cut(shot.images[frame]), rng)
        masks[slot] = window.cut(lightly_damaged(mask, rng) if rng.random() < 0.5 else mask.astype(np.float32))
    return windows, masks


def _rivals(labels: np.ndarray, name: int, window: Window, cells: int, rng: np.random.Generator) -> np.ndarray:
    """(cells, cells) float32: the masks of some other objects, carried here like this one's."""
    others = [other for other in _objects(labels) if other != name and rng.random() < 0.8]
    mask = np.isin(labels, others)
    return window.cut(lightly_damaged(mask, rng), cells)


def _interior(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(x, y) on a mask (H, W) bool: its most interior point, or any that is not at its edge."""
    depth = cv2.distanceTransform(np.pad(mask.astype(np.uint8), 1), cv2.DIST_L2, 3)[1:-1, 1:-1]
    if rng.random() < 0.4:
        y, x = np.unravel_index(depth.argmax(), depth.shape)
    else:
        y, x = rng.choice(np.argwhere(depth >= 0.3 * depth.max()), 1)[0]
    return np.array([x, y], float)


def _spread(mask: np.ndarray, rng: np.random.Generator, count: int) -> np.ndarray:
    """(count, 2) xy on a mask, far from each other, as medoids are."""
    inside = np.argwhere(mask)[:, ::-1].astype(float)
    candidates = inside[rng.integers(len(inside), size=64)]
    chosen = [candidates[0]]
    distance = np.full(len(candidates), np.inf)
    for _ in range(count - 1):
        distance = np.minimum(distance, np.linalg.norm(candidates - chosen[-1], axis=1))
        chosen.append(candidates[distance.argmax()])
    return np.array(chosen) * 0.85 + np.mean(candidates, axis=0) * 0.15 if count > 3 else np.array(chosen)


def _off(labels: np.ndarray, name: int, rng: np.random.Generator, most: int) -> np.ndarray:
    """Up to `most` xy (n, 2) off the object."""
    outside = np.stack([rng.integers(length, size=20 * most) for length in labels.shape[::-1]], axis=1)
    here = labels[outside[:, 1], outside[:, 0]]
    return outside[(here != name) & (here != _VOID)][: int(rng.integers(1, most + 1))].astype(float)
