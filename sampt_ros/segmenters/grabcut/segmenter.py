"""GrabCut (Rother et al., SIGGRAPH 2004) as a promptable segmenter: no weights, colours only.

With a mask prompt it looks in a narrow band around that mask's contour, with the colours that it remembers of the
object. Without one it looks for the object at the points or in the box (see click_candidates).
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from sampt_ros.config.core import GrabCutConfig
from sampt_ros.data_types import NEGATIVE, POSITIVE, Frame
from sampt_ros.geometry.crops import Crop
from sampt_ros.segmenters.base import MaskDecoded, Prompts, Segmenter
from sampt_ros.segmenters.grabcut.click_candidates import find_object
from sampt_ros.segmenters.grabcut.color_memory import ColorMemory
from sampt_ros.segmenters.grabcut.graph_cut import graph_cut

_SMALLEST = 16  # pixels; less is no mask
_CERTAIN = 6.0  # log odds at most that the shape of the mask prompt gives
_POINT_ODDS = 3.0  # log odds that a point adds around it
_POINT_RADIUS = 0.06  # of the square root of the object's area
_RIVAL_ODDS = 3.0  # log odds that another object's mask prompt takes away
_LEARNING_RATE = 0.2
_FIRST_WEIGHT = 0.5
_CUT_WEIGHT = 20.0
# Predicted IoU from colour likeness times confidence: least squares on DAVIS sequences.
_SCORE = (1.24, -0.25)


class GrabCut(Segmenter):
    """Minimum cuts of remembered colours and the carried shape; remembers what each object looked like."""

    remembers = True

    def __init__(self, config: GrabCutConfig | None = None) -> None:
        self._config = config or GrabCutConfig()

    def encode(self, frame: Frame) -> Frame:
        return frame

    def decode(self, embedding: Frame, prompts: Prompts, ambiguous: bool = False) -> MaskDecoded:
        found = [self._decode_one(embedding, prompts, row) for row in range(len(prompts))]
        logits, scores = zip(*found)
        return MaskDecoded(np.stack(logits), np.array(scores, np.float32))

    def mask_prompt(self, embedding: Frame, masks: Sequence[np.ndarray | None]) -> np.ndarray:
        missing = np.full(embedding.size, np.nan, np.float32)
        return np.stack([missing if mask is None else 2 * mask - 1 for mask in masks])

    def remember(self, embedding: Frame, mask: np.ndarray, memory: ColorMemory | None) -> ColorMemory | None:
        if np.count_nonzero(mask) < _SMALLEST:
            return memory
        crop = Crop.around(mask, self._config.margin, self._config.work_size)
        lab, inside = self._lab(embedding, crop), crop.cut_mask(mask)
        if not inside.any():  # too thin for the crop's scale
            return memory
        return ColorMemory.start(lab, inside) if memory is None else memory.learned(lab, inside, _LEARNING_RATE)

    def _decode_one(self, frame: Frame, prompts: Prompts, row: int) -> tuple[np.ndarray, float]:
        """Logits (H, W) float32 and score of one object."""
        on, off = (prompts.xy[row][prompts.labels[row] == label] for label in (POSITIVE, NEGATIVE))
        prior = None if prompts.logits is None else prompts.logits[row]
        if prior is None or np.isnan(prior[0, 0]):
            box = None if prompts.boxes is None or np.isnan(prompts.boxes[row]).any() else prompts.boxes[row]
            return find_object(frame.image, on, off, box)
        if np.count_nonzero(prior > 0) < _SMALLEST:
            return np.full(frame.size, -1, np.float32), 0.0
        rivals = [other for i, other in enumerate(prompts.logits) if i != row and not np.isnan(other[0, 0])]
        return self._refine(frame, prior, on, off, rivals, prompts.memories[row] if prompts.memories else None)

    def _refine(
        self,
        frame: Frame,
        prior: np.ndarray,
        on: np.ndarray,
        off: np.ndarray,
        rivals: Sequence[np.ndarray],
        memory: ColorMemory | None,
    ) -> tuple[np.ndarray, float]:
        """The object near a mask prompt; `prior` (H, W) is -1..1, nearer to 0 where it is less sure.

        rivals  the other objects' mask prompts: what they cover is less likely this object's
        """
        crop = Crop.around(prior > 0, self._config.margin, self._config.work_size)
        lab, shape = self._lab(frame, crop), crop.cut(prior)
        inside: np.ndarray = shape > 0
        memory = memory or ColorMemory.start(lab, inside)
        odds = np.clip(memory.probability(lab, _FIRST_WEIGHT), 0.02, 0.98)
        evidence = self._config.color_weight * np.log(odds / (1 - odds))

        # The carried shape counts with the distance to its contour, and less where motion did not explain the image.
        diameter = max(float(np.count_nonzero(inside)), 1.0) ** 0.5
        distance = _signed_distance(inside)
        evidence += np.abs(shape) * np.clip(distance / (self._config.contour_sigma * diameter), -_CERTAIN, _CERTAIN)
        pointed_at = np.zeros(inside.shape, np.float32)
        for points, odds_there in ((on, _POINT_ODDS), (off, -_POINT_ODDS)):
            for x, y in np.rint(crop.to_crop(points)).astype(int).tolist():
                cv2.circle(pointed_at, (x, y), max(1, int(_POINT_RADIUS * diameter)), odds_there, cv2.FILLED)
        evidence += pointed_at
        for rival in rivals:
            evidence -= _RIVAL_ODDS * (crop.cut(rival) > 0)
        evidence[distance < -self._config.band * diameter] = -np.inf

        mask = _large_parts(graph_cut(evidence, lab, _CUT_WEIGHT), self._config.smallest_part)
        if not mask.any():
            return np.full(frame.size, -1, np.float32), 0.0
        quality = memory.likeness(lab, mask) * float(odds[mask].mean())
        soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 0.7)
        return crop.paste(2 * soft - 1, frame.size), float(np.clip(_SCORE[0] * quality + _SCORE[1], 0, 1))

    def _lab(self, frame: Frame, crop: Crop) -> np.ndarray:
        return cv2.cvtColor(crop.cut(frame.image), cv2.COLOR_RGB2LAB)


def _large_parts(mask: np.ndarray, smallest: float) -> np.ndarray:
    """A mask (h, w) bool without the parts whose area is below `smallest` of the largest one's."""
    _, parts, statistics, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8))
    areas = statistics[:, cv2.CC_STAT_AREA]
    areas[0] = 0  # the background
    return mask & (areas >= smallest * areas.max())[parts]


def _signed_distance(inside: np.ndarray) -> np.ndarray:
    """(h, w) float32 pixels to the contour, positive inside."""
    mask = inside.astype(np.uint8)
    far = float(sum(mask.shape))  # OpenCV says 3e38 where there is no contour
    within, beyond = (np.minimum(cv2.distanceTransform(side, cv2.DIST_L2, 3), far) for side in (mask, 1 - mask))
    return within - beyond
