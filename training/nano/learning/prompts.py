"""What the segmenter is told of an object in training: clicks as people make them, boxes, tracked points."""

from __future__ import annotations

import cv2
import numpy as np

from sampt_ros.geometry.crops import Window, box_of, draw_box, draw_points
from sampt_ros.segmenters.nano.interface import BOX, HAS_MASK, MASK, NEGATIVE, POSITIVE, PROMPT_CHANNELS, RIVALS
from training.nano.learning.damage import lightly_damaged
from training.nano.sequence import VOID

LEAST_AREA = 120  # pixels, of an object that is clicked or followed
_SMALLEST_SHARE = 0.11  # of the window, for a clicked object's longer side


def areas(labels: np.ndarray) -> dict[int, int]:
    """The area in pixels of every object of a label image (H, W) uint8 that has LEAST_AREA or more."""
    counts = np.bincount(labels.ravel(), minlength=256)
    return {name: int(counts[name]) for name in range(1, VOID) if counts[name] >= LEAST_AREA}


def click_on(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(x, y) on a mask (H, W) bool where a person might click: in its middle, anywhere, near its border, at an end."""
    depth = _depth(mask)
    kind, deepest = rng.random(), float(depth.max())
    if kind < 0.3:
        return _deepest(depth)
    if kind < 0.75:  # anywhere that is not at its very edge
        places = np.argwhere(depth >= min(0.25 * deepest, 4.0))
    elif kind < 0.9:  # near its border
        places = np.argwhere((depth >= min(1.5, deepest)) & (depth <= max(0.25 * deepest, 2.5)))
    else:  # at one of its ends, or on a part that sticks out
        places = np.argwhere(depth >= min(1.5, deepest))
        far = np.linalg.norm(places - places.mean(0), axis=1)
        places = places[far >= np.quantile(far, 0.85)]
    y, x = places[rng.integers(len(places))]
    return np.array([x, y], float)


def correction(found: np.ndarray, truth: np.ndarray, void: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
    """(x, y) where a person clicks next: on the largest region where a mask is wrong, all (H, W) bool; or None."""
    wrong = (found != truth) & ~void
    if not wrong.any():
        return None
    region = largest_part(wrong)
    return middle(region) if rng.random() < 0.5 else click_on(region, rng)


def middle(mask: np.ndarray) -> np.ndarray:
    """(x, y) of the pixel of a mask (H, W) bool that is farthest from its border."""
    return _deepest(_depth(mask))


def _depth(mask: np.ndarray) -> np.ndarray:
    """(H, W) float32: the distance in pixels from the border of a mask (H, W) bool, 0 outside it."""
    depth: np.ndarray = cv2.distanceTransform(np.pad(mask.view(np.uint8), 1), cv2.DIST_L2, 3)[1:-1, 1:-1]
    return depth


def _deepest(depth: np.ndarray) -> np.ndarray:
    y, x = np.unravel_index(depth.argmax(), depth.shape)
    return np.array([x, y], float)


def spread(mask: np.ndarray, rng: np.random.Generator, count: int) -> np.ndarray:
    """(count, 2) xy on a mask, far from each other, as medoids are."""
    inside = np.argwhere(mask)[:, ::-1].astype(float)
    candidates = inside[rng.integers(len(inside), size=64)]
    chosen = [candidates[0]]
    distance = np.full(len(candidates), np.inf)
    for _ in range(count - 1):
        distance = np.minimum(distance, np.linalg.norm(candidates - chosen[-1], axis=1))
        chosen.append(candidates[distance.argmax()])
    return np.array(chosen) * 0.85 + np.mean(candidates, axis=0) * 0.15 if count > 3 else np.array(chosen)


def off(labels: np.ndarray, names: tuple[int, ...], rng: np.random.Generator, most: int) -> np.ndarray:
    """Up to `most` xy (n, 2) off the object."""
    outside = np.stack([rng.integers(length, size=20 * most) for length in labels.shape[::-1]], axis=1)
    here = labels[outside[:, 1], outside[:, 0]]
    return outside[~np.isin(here, names) & (here != VOID)][: int(rng.integers(1, most + 1))].astype(float)


def largest_part(mask: np.ndarray) -> np.ndarray:
    """The largest connected part (H, W) bool of a mask (H, W) bool that is not empty."""
    _, parts, statistics, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8))
    largest: np.ndarray = parts == 1 + statistics[1:, cv2.CC_STAT_AREA].argmax()
    return largest


def search_window(
    centre: np.ndarray, longest: float, image_size: tuple[int, int], size: int, rng: np.random.Generator
) -> Window:
    """A window around a click that knows nothing of the object's size, which is `longest` pixels."""
    share = np.exp(rng.uniform(np.log(_SMALLEST_SHARE), np.log(0.9)))
    if rng.random() < 0.2:  # as much of the image as a window can show
        share = min(share, longest / max(image_size))
    moved = centre + rng.uniform(-0.4, 0.4, 2) * longest * rng.integers(2)
    return Window.centred(moved, longest / share, image_size, size)


def part_in_a_box(mask: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A box around a part of a mask (H, W) bool, and the mask of that part: a half or more, cut off across."""
    box = box_of(mask)
    part = box.copy()
    side = int(rng.integers(4))
    length = box[2 + side % 2] - box[side % 2]
    part[side] += (1 if side < 2 else -1) * rng.uniform(0.25, 0.6) * length
    inside = np.zeros_like(mask)
    left, top, right, bottom = np.rint(part).astype(int)
    inside[top : bottom + 1, left : right + 1] = True
    seen = mask & inside
    return (box_of(seen), seen) if np.count_nonzero(seen) >= LEAST_AREA else (box, mask)


def clicked(window: Window, on: np.ndarray, negative: np.ndarray, box: np.ndarray | None, cells: int) -> np.ndarray:
    """(6, cells, cells) float32: points on it (n, 2) and off it (m, 2), and a box."""
    prompts = np.zeros((PROMPT_CHANNELS, cells, cells), np.float32)
    prompts[POSITIVE] = draw_points(window.to_window(on, cells), cells)
    prompts[NEGATIVE] = draw_points(window.to_window(negative, cells), cells)
    if box is not None:
        prompts[BOX] = draw_box(window.to_window(box.reshape(2, 2), cells).ravel(), cells)
    return prompts


def followed(window: Window, carried: np.ndarray, on: np.ndarray, negative: np.ndarray, cells: int) -> np.ndarray:
    """(6, cells, cells) float32: the mask (H, W) float32 0..1 carried here, tracked points on it and off it."""
    prompts = clicked(window, on, negative, None, cells)
    # As the segmenter has it: logits of -3..3 become -0.9..0.9.
    prompts[MASK] = np.tanh(window.cut(3 * (2 * carried - 1), cells) / 2)
    prompts[HAS_MASK] = 1
    return prompts


def add_rivals(
    prompts: np.ndarray, labels: np.ndarray, names: tuple[int, ...], window: Window, rng: np.random.Generator
) -> None:
    """Add the masks of some other objects, carried here like this one's, to prompts (6, cells, cells), in place."""
    others = [other for other in areas(labels) if other not in names and rng.random() < 0.8]
    prompts[RIVALS] = window.cut(lightly_damaged(np.isin(labels, others), rng), prompts.shape[-1])
