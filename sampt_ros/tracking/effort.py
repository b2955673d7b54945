"""How much work goes into a frame: all of it, or less where frames would otherwise come late."""

from __future__ import annotations

from dataclasses import dataclass, replace

_LESS_DETAIL = 0.5  # Share of the pixels that are looked at with less detail.
_FEWER_REFINEMENTS = 1 / 3  # Share of the refinement passes that are made where they are fewer.


@dataclass(frozen=True)
class Effort:
    """How much work goes into a frame; what is left as it is here is the full effort.

    detail         share of the usual pixels that the segmenter looks at, over 0 and at most 1; see Prompts.detail
    refinements    share of the configured refinement passes, 0..1, rounded down
    network_every  the segmenter works on every n-th frame; in between, masks are those that the tracker moved along
    """

    detail: float = 1.0
    refinements: float = 1.0
    network_every: int = 1

    def runs_network(self, index: int) -> bool:
        """Whether the segmenter works on the frame with this index."""
        return index % self.network_every == 0

    def passes(self, refinements: int) -> int:
        """How many refinement passes are made where so many are configured."""
        return int(self.refinements * refinements)

    def __str__(self) -> str:
        """For people."""
        parts = (
            (f"{self.detail:.0%} of the pixels", self.detail < 1),
            (f"{self.refinements:.0%} of the refinements", self.refinements < 1),
            (f"the network on one of {self.network_every} frames", self.network_every > 1),
        )
        return ", ".join(text for text, is_less in parts if is_less) or "full effort"


def efforts(adapts_detail: bool, refinements: int, carries_masks: bool) -> tuple[Effort, ...]:
    """The full effort and the lesser ones, each less than the one before; steps that would save nothing are left out.

    adapts_detail: whether the segmenter is faster with less detail; refinements: the configured number of passes;
    carries_masks: whether the tracker can move masks along
    """
    steps = [Effort()]
    if adapts_detail:
        steps.append(replace(steps[-1], detail=_LESS_DETAIL))
    if refinements > 0:
        steps.append(replace(steps[-1], refinements=_FEWER_REFINEMENTS))
    if carries_masks:
        steps.append(replace(steps[-1], network_every=2))
    return tuple(steps)
