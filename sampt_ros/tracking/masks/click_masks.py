"""Masks from user prompts: an object's first mask, and its correction by clicks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sampt_ros.data_types import Frame, LocalMask
from sampt_ros.errors import QueryError
from sampt_ros.tracking.frame_segmenter import FrameSegmenter
from sampt_ros.tracking.mask_decoding import ObjectPrompt
from sampt_ros.tracking.object_state import TrackedObject
from sampt_ros.tracking.queries import Query


@dataclass(frozen=True, eq=False)
class CorrectedMask:
    """A corrected mask of bool, its predicted IoU, and whether the object is restarted from it."""

    mask: LocalMask
    score: float
    starts_anew: bool


def first_mask(
    segmenter: FrameSegmenter[Any, Any], query: Query, frame: Frame, refinements: int
) -> tuple[LocalMask, float]:
    """The first mask, of bool, of an object on `frame`, and its predicted IoU; a seed mask is used unchanged.

    Raises QueryError if the segmenter finds nothing at the prompts.
    """
    if query.mask is not None:
        return LocalMask.of(query.mask).trimmed(), 1.0
    is_single_click = len(query.xy) == 1 and query.box is None
    prompt = ObjectPrompt[Any](query.positive, query.negative, box=query.box)
    mask, score = segmenter.masks(frame, [prompt], refinements, is_single_click)[0]
    if not mask.area:
        raise QueryError("expected prompts on an object; the segmenter finds nothing there")
    return mask, score


def corrected_mask(
    segmenter: FrameSegmenter[Any, Any],
    tracked: TrackedObject,
    rival_points: np.ndarray,
    mask_prompt: LocalMask,
    frame: Frame,
    refinements: int,
) -> CorrectedMask:
    """The mask of an object with new clicks on `frame`, from the clicks and its previous mask.

    rival_points  (k, 2) float32 pixel xy: the visible positive points of its rivals
    mask_prompt   its previous mask, moved to this frame
    """
    # The segmenter's memory, and the points sampled from masks, may stem from the wrong mask.
    prompt = replace(tracked.prompt(rival_points, mask_prompt, clicks_only=True), memory=None)
    # Refined at least once: the corrected mask is a better prompt than the wrong one was.
    mask, score = segmenter.masks(frame, [prompt], max(1, refinements))[0]
    corrected = CorrectedMask(mask, score, starts_anew=False)
    if not len(prompt.positive):
        return corrected
    # The previous mask may be too wrong to be corrected; then the clicks alone do better.
    mask, score = segmenter.masks(frame, [replace(prompt, mask=None)], refinements)[0]
    anew = CorrectedMask(mask, score, starts_anew=True)
    return min(corrected, anew, key=lambda each: (tracked.violated_clicks(each.mask), -each.score))
