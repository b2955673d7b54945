"""The object at a click or in a box, by GrabCut: of several sizes the one with its contour on edges, and support."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from sampt_ros.geometry.crops import Crop

_RADII = tuple(0.03 * 1.25**step for step in range(12))  # of the image's shorter side: how large the object may be
_ALIKE = 0.7  # IoU over which two candidates are the same object
_SURROUNDINGS = 2.2  # radii around the click that are looked at
_WORK_SIZE = 128
_ITERATIONS = 3
_SMALLEST, _LARGEST = 12, 0.9  # pixels, and share of the crop, that a candidate may have


def find_object(image: np.ndarray, on: np.ndarray, off: np.ndarray, box: np.ndarray | None) -> tuple[np.ndarray, float]:
    """The object that points and box name in an image (H, W, 3) uint8 RGB.

    on, off  (n, 2), (m, 2) float32 pixel xy; box (4,) x_min, y_min, x_max, y_max or None; on or box is given
    Returns logits (H, W) float32, negative everywhere if nothing is found, and a score 0..1: how well the contour lies
    on edges, and how many of the sizes lead to this mask.
    """
    candidates = []
    for crop, trimap in _trimaps(image.shape[:2], on, off, box):
        lab = cv2.cvtColor(crop.cut(image), cv2.COLOR_RGB2LAB)
        mask = _grabcut(lab, trimap)
        mask = _connected_to(mask, crop.to_crop(on)) if len(on) else mask
        if _SMALLEST <= np.count_nonzero(mask) <= _LARGEST * mask.size:
            logits = crop.paste(2 * mask.astype(np.float32) - 1, image.shape[:2])
            candidates.append((logits, _contour_rank(lab, mask)))
    if not candidates:
        return np.full(image.shape[:2], -1, np.float32), 0.0
    support = _support([logits[::2, ::2] > 0 for logits, _ in candidates])
    scores = np.array([rank for _, rank in candidates]) * support**0.25
    best = int(np.argmax(scores))
    return candidates[best][0], float(scores[best])


def _support(masks: list[np.ndarray]) -> np.ndarray:
    """(n,) float: the share of the masks that are nearly the same as each, itself included."""
    flat = np.stack([mask.ravel() for mask in masks]).astype(np.float32)
    both = flat @ flat.T
    area = both.diagonal()
    alike = both >= _ALIKE * (area[:, None] + area - both)
    return alike.mean(axis=1)


def _trimaps(
    shape: tuple[int, int], on: np.ndarray, off: np.ndarray, box: np.ndarray | None
) -> Iterator[tuple[Crop, np.ndarray]]:
    """Crops with GrabCut's four labels (h, w) uint8: one for a box, one per assumed radius for points."""
    if box is not None:
        inside = np.zeros(shape, np.uint8)
        left, top, right, bottom = np.rint(box).astype(int)
        inside[max(0, top) : bottom + 1, max(0, left) : right + 1] = 1
        crop = Crop.around(inside.astype(bool), 0.35, _WORK_SIZE)
        trimap = np.where(crop.cut_mask(inside), cv2.GC_PR_FGD, cv2.GC_BGD).astype(np.uint8)
        _mark(trimap, crop, on, off, 2)
        yield crop, trimap
        return
    center = np.clip(on.mean(axis=0), 0, [shape[1] - 1, shape[0] - 1])
    spread = np.linalg.norm(on - center, axis=1).max()
    for radius in (share * min(shape) + spread for share in _RADII):
        looked_at = np.zeros(shape, np.uint8)
        reach = _SURROUNDINGS * radius
        left, top = np.floor(np.maximum(center - reach, 0)).astype(int)
        right, bottom = np.ceil(center + reach).astype(int)
        looked_at[top : bottom + 1, left : right + 1] = 1
        crop = Crop.around(looked_at.astype(bool), 0, _WORK_SIZE)
        middle, scale = crop.to_crop(center[None])[0], crop.size[0] / (crop.window[2] - crop.window[0])
        y, x = np.ogrid[: crop.size[1], : crop.size[0]]
        distance = np.hypot(x - middle[0], y - middle[1]) / (radius * scale)
        trimap = np.select([distance < 1, distance < 2], [cv2.GC_PR_FGD, cv2.GC_PR_BGD], cv2.GC_BGD).astype(np.uint8)
        _mark(trimap, crop, on, off, max(1, int(0.25 * (radius - spread) * scale)))
        yield crop, trimap


def _mark(trimap: np.ndarray, crop: Crop, on: np.ndarray, off: np.ndarray, radius: int) -> None:
    """Write what is certain around the points into a trimap."""
    for points, label in ((on, cv2.GC_FGD), (off, cv2.GC_BGD)):
        for x, y in np.rint(crop.to_crop(points)).astype(int).tolist():
            cv2.circle(trimap, (x, y), radius, label, cv2.FILLED)


def _grabcut(lab: np.ndarray, trimap: np.ndarray) -> np.ndarray:
    """(h, w) bool; nothing where object or background have too few pixels to learn their colours from."""
    object_pixels = np.count_nonzero(trimap & 1)
    if not _SMALLEST <= object_pixels <= trimap.size - _SMALLEST:
        return np.zeros(trimap.shape, bool)
    cv2.setRNGSeed(0)  # its k-means draws from OpenCV's global generator
    cv2.grabCut(lab, trimap, None, np.zeros((1, 65)), np.zeros((1, 65)), _ITERATIONS, cv2.GC_INIT_WITH_MASK)
    return (trimap & 1) > 0


def _connected_to(mask: np.ndarray, xy: np.ndarray) -> np.ndarray:
    """The parts of a mask (h, w) bool that hold one of the points (n, 2), with their holes filled."""
    _, parts = cv2.connectedComponents(mask.view(np.uint8))
    x, y = np.clip(np.rint(xy).astype(int), 0, [mask.shape[1] - 1, mask.shape[0] - 1]).T
    held = np.isin(parts, parts[y, x]) & mask
    outlines, _ = cv2.findContours(held.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros(mask.shape, np.uint8)
    cv2.drawContours(filled, outlines, -1, 1, cv2.FILLED)
    return filled > 0


def _contour_rank(lab: np.ndarray, mask: np.ndarray) -> float:
    """0..1: the mean rank of the contour's gradients among all of the crop's."""
    smooth = cv2.GaussianBlur(lab.astype(np.float32), (0, 0), 1)
    gradient = np.sqrt(
        (cv2.Sobel(smooth, cv2.CV_32F, 1, 0) ** 2 + cv2.Sobel(smooth, cv2.CV_32F, 0, 1) ** 2).sum(axis=2)
    )
    kernel = np.ones((3, 3), np.uint8)
    binary = mask.astype(np.uint8)
    contour = cv2.dilate(binary, kernel) != cv2.erode(binary, kernel, borderValue=1)
    return float(np.searchsorted(np.sort(gradient, axis=None), gradient[contour]).mean() / gradient.size)
