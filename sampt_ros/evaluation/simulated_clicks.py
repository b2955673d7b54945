"""Simulates the clicks of a careful user, from the true mask."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from sampt_ros.data_types import NEGATIVE, POSITIVE, ObjectResult
from sampt_ros.errors import QueryError
from sampt_ros.evaluation.layouts.sequences import Annotation
from sampt_ros.tracking.sam_pt import SamPt


def most_interior_point(mask: np.ndarray) -> tuple[int, int]:
    """The pixel (x, y) of a mask (H, W) bool that is farthest from any pixel outside it, the first if several are.

    Beyond the image border counts as outside. The mask must not be empty.
    """
    padded = np.pad(mask.astype(np.uint8), 1)
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    # Squares of distances are whole numbers; OpenCV's roots of equal ones differ, in another way each time.
    y, x = np.unravel_index(np.rint(distance.astype(float) ** 2).argmax(), distance.shape)
    return int(x), int(y)


def start_objects(sam_pt: SamPt, truth: Annotation, clicks: int) -> None:
    """Start the objects of the newest frame from their true masks if `clicks` is 0, or else from that many clicks each.

    Raises QueryError for an object whose true mask is empty or of another size than the frame; with clicks, an object
    with an empty mask is left out.
    """
    if clicks:
        click_objects(sam_pt, truth, clicks)
        return
    for object_id, mask in truth.masks.items():
        sam_pt.add_object(mask=mask, object_id=object_id)


def click_objects(sam_pt: SamPt, truth: Annotation, clicks: int) -> None:
    """Start the objects of the newest frame with at most `clicks` clicks each (see `click_object`).

    An object whose true mask is empty is left out.
    """
    for object_id, mask in truth.masks.items():
        if mask.any():
            click_object(sam_pt, object_id, mask, truth.void, clicks)


@dataclass(frozen=True, eq=False)
class Click:
    """A click and its result.

    xy      the clicked pixel
    label   POSITIVE (on the object) or NEGATIVE (off it)
    answer  the object after the click, or None if the segmenter found nothing
    """

    xy: tuple[int, int]
    label: int
    answer: ObjectResult | None


def click_object(sam_pt: SamPt, object_id: int, mask: np.ndarray, void: np.ndarray, clicks: int) -> list[Click]:
    """Start an object of the newest frame with at most `clicks` clicks, and return them.

    The first click is on the most interior point of the true mask. Each later one is on the most interior point of the
    largest region where the current mask is wrong: positive where it misses the object, negative where it covers
    something else. It stops early if nothing is wrong. An object that the segmenter never finds is not tracked.

    mask  (H, W) bool: the true mask, not empty
    void  (H, W) bool: pixels where the mask may be wrong
    """
    made: list[Click] = []
    found = np.zeros_like(mask)
    for _ in range(clicks):
        error = _largest_region((mask ^ found) & ~void)
        if not error.any():
            break
        x, y = most_interior_point(error if made else mask)
        label = POSITIVE if mask[y, x] else NEGATIVE
        answer = None
        try:
            if object_id in sam_pt.object_ids:
                answer = sam_pt.add_points(object_id, [(x, y)], [label])
            else:
                points, labels = [click.xy for click in made], [click.label for click in made]
                answer = sam_pt.add_object([*points, (x, y)], [*labels, label], object_id=object_id)
        except QueryError:
            pass
        found = answer.mask if answer else np.zeros_like(mask)
        made.append(Click((x, y), label, answer))
    return made


def _largest_region(mask: np.ndarray) -> np.ndarray:
    """(H, W) bool: the largest connected region of a mask (H, W) bool; empty if the mask is."""
    _, regions, statistics, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8))
    areas = statistics[1:, cv2.CC_STAT_AREA]
    return regions == 1 + areas.argmax() if len(areas) else mask
