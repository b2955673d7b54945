"""GrabCut (Rother et al., SIGGRAPH 2004) as a promptable segmenter: no weights, colours only.

With a mask prompt it searches a narrow band around that mask's contour, with the colours that it remembers of the
object. Without one it searches at the points or in the box (see click_candidates).
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from sampt_ros.config.segmenters import GrabCutConfig
from sampt_ros.data_types import NEGATIVE, POSITIVE, Frame, LocalMask
from sampt_ros.geometry.crops import Crop
from sampt_ros.segmenters.base import MaskDecoded, Prompts, Segmenter
from sampt_ros.segmenters.grabcut.click_candidates import find_object
from sampt_ros.segmenters.grabcut.color_memory import ColorMemory
from sampt_ros.segmenters.grabcut.graph_cut import graph_cut

_MIN_AREA = 16  # A mask of fewer pixels counts as no mask.
_MAX_SHAPE_ODDS = 6.0  # The shape of the mask prompt counts for so many log odds at most.
_POINT_ODDS = 3.0  # A point adds so many log odds around it.
_POINT_RADIUS = 0.06  # A point counts within this share of the square root of the object's area.
_RIVAL_ODDS = 3.0  # Another object's mask prompt takes away so many log odds.
_LEARNING_RATE = 0.2  # Weight of the newest frame in the recent colours.
_FIRST_WEIGHT = 0.5  # Weight of the colours at the object's start against the recent ones.
_CUT_WEIGHT = 20.0  # Weight of the evidence against the image's edges.
# Predicted IoU is colour similarity times confidence, scaled and shifted: a least-squares fit on DAVIS sequences.
_SCORE = (1.24, -0.25)


class GrabCut(Segmenter[Frame, ColorMemory]):
    """Cuts each object out by its remembered colours and by the shape of its mask prompt."""

    remembers = True
    adapts_detail = True

    def __init__(self, config: GrabCutConfig | None = None) -> None:
        self._config = config or GrabCutConfig()

    def encode(self, frame: Frame) -> Frame:
        return frame

    def decode(self, embedding: Frame, prompts: Prompts[ColorMemory], ambiguous: bool = False) -> MaskDecoded:
        logits, scores = zip(*(self._decode_one(embedding, prompts, row) for row in range(len(prompts))))
        return MaskDecoded(np.stack(logits), np.array(scores, np.float32))

    def mask_prompt(self, embedding: Frame, masks: Sequence[LocalMask | None]) -> np.ndarray:
        missing = np.full(embedding.size, np.nan, np.float32)
        return np.stack([missing if mask is None else 2 * mask.soft() - 1 for mask in masks])

    def remember(self, embedding: Frame, mask: LocalMask, memory: ColorMemory | None) -> ColorMemory | None:
        if mask.area < _MIN_AREA:
            return memory
        crop = Crop.around(mask, self._config.margin, self._config.work_size)
        lab, inside = self._lab(embedding, crop), crop.cut_mask(mask) > 0.5
        if not inside.any():  # The mask is too thin for the crop's scale.
            return memory
        return ColorMemory.start(lab, inside) if memory is None else memory.learned(lab, inside, _LEARNING_RATE)

    def _decode_one(self, frame: Frame, prompts: Prompts[ColorMemory], row: int) -> tuple[np.ndarray, float]:
        """Logits (H, W) float32 and score of one object."""
        positive, negative = (prompts.xy[row][prompts.labels[row] == label] for label in (POSITIVE, NEGATIVE))
        if prompts.logits is None or np.isnan(prompts.logits[row, 0, 0]):
            box = None if prompts.boxes is None or np.isnan(prompts.boxes[row]).any() else prompts.boxes[row]
            return find_object(frame.image, positive, negative, box)
        mask_prompt = prompts.logits[row]
        if np.count_nonzero(mask_prompt > 0) < _MIN_AREA:
            return np.full(frame.size, -1, np.float32), 0.0
        rivals = _rivals(prompts, prompts.logits, row)
        memory = prompts.memories[row] if prompts.memories else None
        side = max(1, round(self._config.work_size * prompts.detail**0.5))
        crop = Crop.around(LocalMask.of(mask_prompt > 0), self._config.margin, side)
        return self._refine(frame, crop, mask_prompt, positive, negative, rivals, memory)

    def _refine(
        self,
        frame: Frame,
        crop: Crop,
        mask_prompt: np.ndarray,
        positive: np.ndarray,
        negative: np.ndarray,
        rivals: Sequence[np.ndarray],
        memory: ColorMemory | None,
    ) -> tuple[np.ndarray, float]:
        """Logits (H, W) float32 and score of the object near its mask prompt.

        crop                where it is looked for
        mask_prompt         (H, W) float32 -1..1, nearer to 0 where it is less sure
        positive, negative  (n, 2) and (m, 2) pixel xy: points on and off the object
        rivals              other objects' mask prompts: what they cover is less likely this object's
        """
        lab, shape = self._lab(frame, crop), crop.cut(mask_prompt)
        inside: np.ndarray = shape > 0
        memory = memory or ColorMemory.start(lab, inside)
        probability = np.clip(memory.probability(lab, _FIRST_WEIGHT), 0.02, 0.98)
        evidence = self._config.color_weight * np.log(probability / (1 - probability))

        # The mask prompt's shape counts more with the distance to its contour, and less where the prompt is less sure.
        diameter = max(float(np.count_nonzero(inside)), 1.0) ** 0.5
        distance = _signed_distance(inside)
        evidence += np.abs(shape) * np.clip(
            distance / (self._config.contour_sigma * diameter), -_MAX_SHAPE_ODDS, _MAX_SHAPE_ODDS
        )
        point_evidence = np.zeros(inside.shape, np.float32)
        for points, point_odds in ((positive, _POINT_ODDS), (negative, -_POINT_ODDS)):
            for x, y in np.rint(crop.to_crop(points)).astype(int).tolist():
                cv2.circle(point_evidence, (x, y), max(1, int(_POINT_RADIUS * diameter)), point_odds, cv2.FILLED)
        evidence += point_evidence
        for rival in rivals:
            evidence -= _RIVAL_ODDS * (crop.cut(rival) > 0)
        evidence[distance < -self._config.band * diameter] = -np.inf

        mask = _large_parts(graph_cut(evidence, lab, _CUT_WEIGHT), self._config.smallest_part)
        if not mask.any():
            return np.full(frame.size, -1, np.float32), 0.0
        quality = memory.similarity(lab, mask) * float(probability[mask].mean())
        soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 0.7)
        return crop.paste(2 * soft - 1, frame.size), float(np.clip(_SCORE[0] * quality + _SCORE[1], 0, 1))

    def _lab(self, frame: Frame, crop: Crop) -> np.ndarray:
        """(h, w, 3) uint8 CIE Lab of a crop."""
        lab: np.ndarray = cv2.cvtColor(crop.cut(frame.image), cv2.COLOR_RGB2LAB)
        return lab


def _rivals(prompts: Prompts[ColorMemory], masks: np.ndarray, row: int) -> list[np.ndarray]:
    """The mask prompts (H, W) float32 of an object's rivals, and those of its wholes, but only outside its own.

    masks: (B, H, W) float32, the mask prompts of all objects, NaN where one has none
    """
    own, wholes, no_rivals = masks[row] > 0, prompts.wholes_only(row), prompts.no_rivals(row)
    known = [other for other in range(len(masks)) if other not in no_rivals and not np.isnan(masks[other, 0, 0])]
    return [np.where(own, -1, masks[other]) if other in wholes else masks[other] for other in known]


def _large_parts(mask: np.ndarray, smallest: float) -> np.ndarray:
    """A mask (h, w) bool without the parts whose area is below `smallest` of the largest one's."""
    _, parts, statistics, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8))
    areas = statistics[:, cv2.CC_STAT_AREA]
    areas[0] = 0  # Part 0 is the background.
    large: np.ndarray = mask & (areas >= smallest * areas.max())[parts]
    return large


def _signed_distance(inside: np.ndarray) -> np.ndarray:
    """(h, w) float32: distance to the contour of a mask (h, w) bool, pixels, positive inside."""
    mask = inside.astype(np.uint8)
    far = float(sum(mask.shape))  # Where there is no contour, OpenCV gives 3e38.
    within, beyond = (np.minimum(cv2.distanceTransform(side, cv2.DIST_L2, 3), far) for side in (mask, 1 - mask))
    distance: np.ndarray = within - beyond
    return distance
