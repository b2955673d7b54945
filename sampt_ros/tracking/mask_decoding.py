"""Points to masks: the positive pass, the full pass and the refinement passes of SAM-PT (section 3.3).

Rajič et al., "Segment Anything Meets Point Tracking", arXiv 2307.01197.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Generic

import numpy as np

from sampt_ros.data_types import LocalMask
from sampt_ros.segmenters.base import Decoded, Embedding, Memory, Prompts, Segmenter


def _no_points() -> np.ndarray:
    return np.zeros((0, 2), np.float32)


@dataclass(frozen=True, eq=False)
class ObjectPrompt(Generic[Memory]):
    """What is known of one object in one frame, pixel xy.

    positive  (n, 2) float32: visible points on it; own_negative (m, 2): visible points off it
    others    (k, 2) float32: the visible positive points of its rivals (see ObjectTable.rivals)
    mask      the last accepted mask moved to this frame, or None
    box       (x_min, y_min, x_max, y_max) as the user drew it, or None
    memory    what the segmenter remembers of it, or None
    id        its id; wholes: ids of the objects of which it is a part, see Prompts.wholes
    """

    positive: np.ndarray
    own_negative: np.ndarray = field(default_factory=_no_points)
    others: np.ndarray = field(default_factory=_no_points)
    mask: LocalMask | None = None
    box: tuple[float, float, float, float] | None = None
    memory: Memory | None = None
    id: int = 0
    wholes: frozenset[int] = frozenset()


def segment(
    segmenter: Segmenter[Embedding, Memory],
    embedding: Embedding,
    objects: Sequence[ObjectPrompt[Memory]],
    refinements: int,
    ambiguous: bool = False,
    detail: float = 1.0,
) -> Decoded:
    """Masks of B >= 1 objects, all in one decoder batch per pass.

    refinements: passes after the first ones that add the box of the current mask
    ambiguous: the prompt is a single click; see Segmenter.decode
    detail: share of the usual pixels that is looked at; see Prompts.detail
    """
    # Positive pass; an object with no negative points of its own gets everything at once instead.
    twice = [row for row, prompt in enumerate(objects) if len(prompt.own_negative)]
    first = _pack(segmenter, embedding, [_positive_only(p) if len(p.own_negative) else p for p in objects], detail)
    decoded = segmenter.decode(embedding, first, ambiguous)
    if not twice and refinements == 0:
        return decoded

    # Full pass: all points, and the first pass's mask. The propagated masks have done their part.
    objects = [replace(prompt, mask=None) for prompt in objects]
    prompts = _pack(segmenter, embedding, objects, detail)
    if len(twice) == len(objects):
        decoded = segmenter.decode(embedding, replace(prompts, logits=decoded.logits))
    elif twice:
        full = _pack(segmenter, embedding, [objects[row] for row in twice], detail)
        full = replace(full, logits=decoded.logits_of(twice))
        decoded = decoded.updated(twice, segmenter.decode(embedding, full))

    # Refinement: all points, the current mask, and its box.
    return segmenter.refine(embedding, prompts, decoded, refinements)


def _positive_only(prompt: ObjectPrompt[Memory]) -> ObjectPrompt[Memory]:
    return replace(prompt, own_negative=_no_points(), others=_no_points())


def _pack(
    segmenter: Segmenter[Embedding, Memory],
    embedding: Embedding,
    objects: Sequence[ObjectPrompt[Memory]],
    detail: float,
) -> Prompts[Memory]:
    """One batch from many objects' prompts."""
    boxes = None
    if any(prompt.box is not None for prompt in objects):
        boxes = np.array([prompt.box or (np.nan,) * 4 for prompt in objects], np.float32)
    logits = None
    if any(prompt.mask is not None for prompt in objects):
        logits = segmenter.mask_prompt(embedding, [prompt.mask for prompt in objects])
    return Prompts.pack(
        [prompt.positive for prompt in objects],
        [np.concatenate([prompt.own_negative, prompt.others]) for prompt in objects],
        boxes,
        logits,
        [prompt.memory for prompt in objects],
        detail,
        [[row for row, other in enumerate(objects) if other.id in prompt.wholes] for prompt in objects],
    )
