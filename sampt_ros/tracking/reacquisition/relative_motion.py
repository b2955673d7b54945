"""Measures how fast an object moves relative to its surroundings; a mask on the background does not move."""

from __future__ import annotations

import cv2
import numpy as np

from sampt_ros.data_types import LocalMask
from sampt_ros.geometry.crops import resized

# Lengths are in pixels of the scaled images, unless it says otherwise.
_SIDE = 480  # Images are scaled so that their longer side is at most this long ...
_CROP_SIDE = 240  # ... and that of the crop around the mask at most this long.
_REACH = 0.6  # On each side, the crop is wider than the mask by this share of the mask's longer side, ...
_MIN_REACH = 20  # ... and at least by this many pixels of an image whose longer side is _SIDE.
_GAP = 3  # The surroundings begin at this distance from the mask.
_CORNERS_INSIDE, _CORNERS_OUTSIDE = 24, 40  # Largest number of corners that are tracked ...
_MIN_INSIDE, _MIN_OUTSIDE = 4, 6  # ... and smallest number.
_CORNER_QUALITY, _CORNER_DISTANCE = 0.01, 4  # See cv2.goodFeaturesToTrack.
_WINDOW = 15  # Side of the window around a corner that the tracker compares.
_LEVELS = 3  # Number of halved images that the tracker uses besides the full one.
_MAX_ROUND_TRIP = 1.0  # A corner tracked to the frame before and back must return to within this distance.
_INLIER_DISTANCE = 1.0  # The surroundings' common motion must explain a corner to within this distance, ...
_MIN_INLIERS = 0.3  # ... for at least this share of their corners.


def relative_motion(previous: np.ndarray, newest: np.ndarray, mask: LocalMask) -> float | None:
    """How far a mask moved since the frame before, relative to its surroundings, as a share of the image's longer side.

    previous, newest  (H, W) uint8 luminance of the frame before and of this one
    mask              with at least one pixel, on this frame

    It is the median over the mask's corners of how far each is from where the motion of the surroundings, a similarity
    transform, would put it. None if too few corners can be tracked.
    """
    left, top, right, bottom = mask.box.astype(int)
    longest = max(mask.image_size)
    reach = max(round(_REACH * max(right - left, bottom - top)), round(_MIN_REACH * longest / _SIDE))
    part = np.s_[max(top - reach, 0) : bottom + 1 + reach, max(left - reach, 0) : right + 1 + reach]
    scale = min(1.0, _SIDE / longest, _CROP_SIDE / max(newest[part].shape))
    before, now = (_scaled(each[part], scale) for each in (previous, newest))
    inside = _scaled(mask.on_object.part(*part).view(np.uint8), scale)
    outside = (cv2.dilate(inside, np.ones((2 * _GAP + 1, 2 * _GAP + 1), np.uint8)) == 0).view(np.uint8)
    corners, corners_before = _tracked(
        now, before, _corners(now, inside, _CORNERS_INSIDE) + _corners(now, outside, _CORNERS_OUTSIDE)
    )
    x, y = np.rint(corners).astype(int).T
    is_own = inside[y, x] > 0
    if np.count_nonzero(is_own) < _MIN_INSIDE or np.count_nonzero(~is_own) < _MIN_OUTSIDE:
        return None
    motion, inliers = cv2.estimateAffinePartial2D(
        corners[~is_own], corners_before[~is_own], method=cv2.RANSAC, ransacReprojThreshold=_INLIER_DISTANCE
    )
    if motion is None or inliers.mean() < _MIN_INLIERS:
        return None
    expected = corners[is_own] @ motion[:, :2].T + motion[:, 2]
    return float(np.median(np.linalg.norm(corners_before[is_own] - expected, axis=1)) / (scale * longest))


def _scaled(image: np.ndarray, scale: float) -> np.ndarray:
    if scale == 1:
        return image
    height, width = (max(1, round(length * scale)) for length in image.shape)
    return resized(image, (width, height))


def _corners(image: np.ndarray, where: np.ndarray, count: int) -> list[np.ndarray]:
    """At most `count` corners of an image, (1, 2) float32 pixel xy each, where `where` (h, w) uint8 is not 0."""
    corners = cv2.goodFeaturesToTrack(image, count, _CORNER_QUALITY, _CORNER_DISTANCE, mask=where)
    return [] if corners is None else list(corners)


def _tracked(now: np.ndarray, before: np.ndarray, corners: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The corners that are found in the frame before: their positions now and before, (n, 2) float32 pixel xy each."""
    if not corners:
        return np.zeros((0, 2), np.float32), np.zeros((0, 2), np.float32)
    start, options = np.stack(corners), {"winSize": (_WINDOW, _WINDOW), "maxLevel": _LEVELS}
    found, is_found, _ = cv2.calcOpticalFlowPyrLK(now, before, start, None, **options)
    back, is_back, _ = cv2.calcOpticalFlowPyrLK(before, now, found, None, **options)
    is_good = (is_found & is_back).ravel().astype(bool)
    is_good &= np.linalg.norm((back - start)[:, 0], axis=1) < _MAX_ROUND_TRIP
    return start[is_good, 0], found[is_good, 0]
