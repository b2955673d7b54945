"""The object at a click or in a box, by GrabCut.

A click does not say how large the object is. So several sizes are tried, and the best candidate is the one whose
contour lies on edges of the image, and which many of the sizes lead to.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from sampt_ros.data_types import LocalMask
from sampt_ros.geometry.crops import Crop

_RADII = tuple(0.03 * 1.25**step for step in range(12))  # Assumed radii of the object, as shares of the shorter side.
_SAME_IOU = 0.7  # Candidates that overlap by at least this IoU are the same object.
_SURROUNDINGS = 2.2  # The crop around the click reaches so many assumed radii in each direction.
_WORK_SIZE = 128  # Crops are scaled down to an area of at most so many pixels squared.
_ITERATIONS = 3  # Of GrabCut.
_FEW_COLORS = 16  # A crop with no more colours, as of a drawing, gets some noise: many equal cuts take GrabCut seconds.
_BRIGHTEST = 255
_MIN_AREA = 12  # A candidate of fewer pixels is dropped.
_MAX_SHARE = 0.9  # A candidate that fills a larger share of the crop is dropped.


def find_object(
    image: np.ndarray, positive: np.ndarray, negative: np.ndarray, box: np.ndarray | None
) -> tuple[np.ndarray, float]:
    """The object that points or a box are on in an image (H, W, 3) uint8 RGB.

    positive  (n, 2) float32 pixel xy: points on the object; at least one where there is no box
    negative  (m, 2) float32 pixel xy: points off it
    box       (4,) x_min, y_min, x_max, y_max, or None

    Returns logits (H, W) float32, negative everywhere if nothing is found, and a score 0..1: how well the contour lies
    on edges, and how many of the sizes lead to this mask.
    """
    candidates = []
    for crop, trimap in _trimaps(image.shape[:2], positive, negative, box):
        lab = cv2.cvtColor(crop.cut(image), cv2.COLOR_RGB2LAB)
        mask = _grabcut(lab, trimap)
        mask = _connected_to(mask, crop.to_crop(positive)) if len(positive) else mask
        if _MIN_AREA <= np.count_nonzero(mask) <= _MAX_SHARE * mask.size:
            logits = crop.paste(2 * mask.astype(np.float32) - 1, image.shape[:2])
            candidates.append((logits, _contour_rank(lab, mask)))
    if not candidates:
        return np.full(image.shape[:2], -1, np.float32), 0.0
    support = _support([logits[::2, ::2] > 0 for logits, _ in candidates])
    scores = np.array([rank for _, rank in candidates]) * support**0.25
    best = int(np.argmax(scores))
    return candidates[best][0], float(scores[best])


def _support(masks: list[np.ndarray]) -> np.ndarray:
    """(n,) float: for each of n masks, the share of the masks that are nearly the same, itself included."""
    flat = np.stack([mask.ravel() for mask in masks]).astype(np.float32)
    intersection = flat @ flat.T
    area = intersection.diagonal()
    is_same = intersection >= _SAME_IOU * (area[:, None] + area - intersection)
    support: np.ndarray = is_same.mean(axis=1)
    return support


def _trimaps(
    shape: tuple[int, int], positive: np.ndarray, negative: np.ndarray, box: np.ndarray | None
) -> Iterator[tuple[Crop, np.ndarray]]:
    """Crops with GrabCut's four labels (h, w) uint8: one for a box, one per assumed radius for points."""
    if box is not None:
        inside = np.zeros(shape, bool)
        left, top, right, bottom = np.rint(box).astype(int)
        inside[max(0, top) : bottom + 1, max(0, left) : right + 1] = True
        box_mask = LocalMask.of(inside)
        crop = Crop.around(box_mask, 0.35, _WORK_SIZE)
        trimap = np.where(crop.cut_mask(box_mask) > 0.5, cv2.GC_PR_FGD, cv2.GC_BGD).astype(np.uint8)
        _mark(trimap, crop, positive, negative, 2)
        yield crop, trimap
        return
    center = np.clip(positive.mean(axis=0), 0, [shape[1] - 1, shape[0] - 1])
    spread = np.linalg.norm(positive - center, axis=1).max()
    for radius in (share * min(shape) + spread for share in _RADII):
        surroundings = np.zeros(shape, bool)
        reach = _SURROUNDINGS * radius
        left, top = np.floor(np.maximum(center - reach, 0)).astype(int)
        right, bottom = np.ceil(center + reach).astype(int)
        surroundings[top : bottom + 1, left : right + 1] = True
        crop = Crop.around(LocalMask.of(surroundings), 0, _WORK_SIZE)
        middle, scale = crop.to_crop(center[None])[0], crop.size[0] / (crop.window[2] - crop.window[0])
        y, x = np.ogrid[: crop.size[1], : crop.size[0]]
        distance = np.hypot(x - middle[0], y - middle[1]) / (radius * scale)
        trimap = np.select([distance < 1, distance < 2], [cv2.GC_PR_FGD, cv2.GC_PR_BGD], cv2.GC_BGD).astype(np.uint8)
        _mark(trimap, crop, positive, negative, max(1, int(0.25 * (radius - spread) * scale)))
        yield crop, trimap


def _mark(trimap: np.ndarray, crop: Crop, positive: np.ndarray, negative: np.ndarray, radius: int) -> None:
    """Label the pixels within `radius` of the points in a trimap: they are surely on or off the object."""
    for points, label in ((positive, cv2.GC_FGD), (negative, cv2.GC_BGD)):
        for x, y in np.rint(crop.to_crop(points)).astype(int).tolist():
            cv2.circle(trimap, (x, y), radius, label, cv2.FILLED)


def _grabcut(lab: np.ndarray, trimap: np.ndarray) -> np.ndarray:
    """The object's mask (h, w) bool, empty if object or background have too few pixels to learn their colours from.

    It is empty too where all pixels are of one colour, as of a covered camera: no cut is better than another there, and
    GrabCut takes seconds to choose one.

    lab: (h, w, 3) uint8 CIE Lab; trimap: (h, w) uint8, GrabCut's four labels, which is overwritten
    """
    object_pixels = np.count_nonzero(trimap & 1)
    if not _MIN_AREA <= object_pixels <= trimap.size - _MIN_AREA or (lab == lab[0, 0]).all():
        return np.zeros(trimap.shape, bool)
    if len(np.unique(lab.reshape(-1, 3), axis=0)) <= _FEW_COLORS:
        lab = lab + np.random.default_rng(0).integers(0, 2, lab.shape, np.uint8) * (lab < _BRIGHTEST)
    cv2.setRNGSeed(0)  # GrabCut's k-means draws from OpenCV's global generator.
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
    """0..1: the mean rank of the gradients along a mask's contour among all gradients of the crop."""
    smooth = cv2.GaussianBlur(lab.astype(np.float32), (0, 0), 1)
    gradient = np.sqrt(
        (cv2.Sobel(smooth, cv2.CV_32F, 1, 0) ** 2 + cv2.Sobel(smooth, cv2.CV_32F, 0, 1) ** 2).sum(axis=2)
    )
    kernel = np.ones((3, 3), np.uint8)
    binary = mask.astype(np.uint8)
    contour = cv2.dilate(binary, kernel) != cv2.erode(binary, kernel, borderValue=1)
    return float(np.searchsorted(np.sort(gradient, axis=None), gradient[contour]).mean() / gradient.size)
