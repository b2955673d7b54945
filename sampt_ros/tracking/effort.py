"""The work per frame: the full effort, or a reduced one if frames would otherwise come late."""

from __future__ import annotations

from dataclasses import dataclass, replace

# One of this many frames uses the masks moved by the tracker: in the first such step, and in the second.
_SOME_CARRIED, _MANY_CARRIED = 3, 2
# Fraction of the pixels used with less detail. It reduces nano's windows from 256 to 192 pixels a side, which takes 0.7
# of the time; half of the pixels would reduce them to 160, with clearly worse masks. It is not combined with moved
# masks, because a mask may then spill over onto what is beside its object, and stay so.
_LESS_DETAIL = 0.6
_FEWER_REFINEMENTS = 1 / 3  # Fraction of the refinement passes that are made with reduced effort.


@dataclass(frozen=True)
class Effort:
    """The work per frame; the defaults are the full effort.

    detail         fraction of the usual pixels that the segmenter uses, over 0 and at most 1; see Prompts.detail
    refinements    fraction of the configured refinement passes, 0..1, rounded down
    carried_every  on every n-th frame, n >= 2, the segmenter does not run, and the masks are those that the tracker has
                   moved along; 0: never
    """

    detail: float = 1.0
    refinements: float = 1.0
    carried_every: int = 0

    @property
    def carries(self) -> bool:
        """Whether there are frames on which the segmenter does not run."""
        return self.carried_every > 0

    def runs_network(self, index: int) -> bool:
        """Whether the segmenter runs on the frame with this index."""
        return not self.carries or (index + 1) % self.carried_every != 0

    def passes(self, refinements: int) -> int:
        """The number of refinement passes, given the configured number."""
        return int(self.refinements * refinements)

    def __str__(self) -> str:
        """The effort in words."""
        parts = (
            (f"{self.refinements:.0%} of the refinements", self.refinements < 1),
            (f"the network on {self.carried_every - 1} of {self.carried_every} frames", self.carries),
            (f"{self.detail:.0%} of the pixels", self.detail < 1),
        )
        return ", ".join(text for text, is_less in parts if is_less) or "full effort"


def efforts(adapts_detail: bool, refinements: int, carries_masks: bool) -> tuple[Effort, ...]:
    """The full effort and the reduced ones, in decreasing order; steps that would save nothing are left out.

    adapts_detail: whether the segmenter is faster with less detail; refinements: the configured number of passes;
    carries_masks: whether the tracker can move masks along
    """
    steps = [Effort()]
    if refinements > 0:
        steps.append(replace(steps[-1], refinements=_FEWER_REFINEMENTS))
    if carries_masks:
        steps += [replace(steps[-1], carried_every=every) for every in (_SOME_CARRIED, _MANY_CARRIED)]
    elif adapts_detail:
        steps.append(replace(steps[-1], detail=_LESS_DETAIL))
    return tuple(steps)
