"""Measures how fast an object moves relative to its surroundings; a mask on the background does not move."""

from __future__ import annotations

import cv2
import numpy as np

from sampt_ros.geometry.crops import box_of, resized

_SIDE = 480  # Images are compared at this many pixels of their longest side at most, ...
_CROP_SIDE = 240  # ... and the part around the mask at so many.
_REACH = 0.6  # On every side, that part is longer than the mask by this share of the mask's longer side, ...
_MIN_REACH = 20  # ... and by so many pixels of the image at least.
_GAP = 3  # Surroundings begin so many pixels from the mask.
_CORNERS_INSIDE, _CORNERS_OUTSIDE = 24, 40  # Corners that are tracked, at most ...
_MIN_INSIDE, _MIN_OUTSIDE = 4, 6  # ... and at least.
_CORNER_QUALITY, _CORNER_DISTANCE = 0.01, 4
_WINDOW = 15  # Pixels a side that are compared around a corner.
_LEVELS = 3  # Halvings of the image in which corners are looked for.
_MAX_ROUND_TRIP = 1.0  # A corner that is tracked there and back comes back to within so many pixels.
_INLIER_DISTANCE = 1.0  # Surroundings move together within so many pixels ...
_MIN_INLIERS = 0.3  # ... with this share of their corners at least, or else nothing is known.


def relative_motion(previous: np.ndarray, image: np.ndarray, mask: np.ndarray) -> float | None:
    """How far a mask's corners moved since the frame before, beyond what the motion of its surroundings tells of them.

    previous, image  (H, W, 3) uint8 RGB, the frame before and this one
    mask             (H, W) bool with at least one pixel, on this one

    In shares of the image's longer side, the median. None where too few corners can be tracked.
    """
    left, top, right, bottom = box_of(mask).astype(int)
    longest = max(mask.shape)
    reach = max(round(_REACH * max(right - left, bottom - top)), round(_MIN_REACH * longest / _SIDE))
    part = np.s_[max(top - reach, 0) : bottom + 1 + reach, max(left - reach, 0) : right + 1 + reach]
    scale = min(1.0, _SIDE / longest, _CROP_SIDE / max(mask[part].shape))
    before, now = (_scaled(cv2.cvtColor(each[part], cv2.COLOR_RGB2GRAY), scale) for each in (previous, image))
    inside = _scaled(mask[part].view(np.uint8), scale)
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
    """At most so many corners of an image, (1, 2) float32 pixel xy each, where `where` (h, w) uint8 is not 0."""
    corners = cv2.goodFeaturesToTrack(image, count, _CORNER_QUALITY, _CORNER_DISTANCE, mask=where)
    return [] if corners is None else list(corners)


def _tracked(now: np.ndarray, before: np.ndarray, corners: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Those of an image's corners that are found in another, (n, 2) float32 pixel xy in either."""
    if not corners:
        return np.zeros((0, 2), np.float32), np.zeros((0, 2), np.float32)
    start, options = np.stack(corners), {"winSize": (_WINDOW, _WINDOW), "maxLevel": _LEVELS}
    found, is_found, _ = cv2.calcOpticalFlowPyrLK(now, before, start, None, **options)
    back, is_back, _ = cv2.calcOpticalFlowPyrLK(before, now, found, None, **options)
    is_good = (is_found & is_back).ravel().astype(bool)
    is_good &= np.linalg.norm((back - start)[:, 0], axis=1) < _MAX_ROUND_TRIP
    return start[is_good, 0], found[is_good, 0]
