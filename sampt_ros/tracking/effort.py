"""How much work goes into a frame: all of it, or less where frames would otherwise come late."""

from __future__ import annotations

from dataclasses import dataclass, replace

# One of so many frames has the tracker's masks, where that is enough and where it is not.
_SOME_CARRIED, _MANY_CARRIED = 3, 2
# Share of the pixels that are looked at with less detail. Of nano's windows with 256 pixels a side it leaves 192, which
# takes 0.7 of the time; half of the pixels would leave 160, with masks that are clearly worse. Where masks are carried
# on some frames it is no further step: a mask may spill over onto what is beside its object, and stay so.
_LESS_DETAIL = 0.6
_FEWER_REFINEMENTS = 1 / 3  # Share of the refinement passes that are made where they are fewer.


@dataclass(frozen=True)
class Effort:
    """How much work goes into a frame; what is left as it is here is the full effort.

    detail         share of the usual pixels that the segmenter looks at, over 0 and at most 1; see Prompts.detail
    refinements    share of the configured refinement passes, 0..1, rounded down
    carried_every  on every n-th frame, n >= 2, the segmenter does not work, and masks are those that the tracker moved
                   along; 0: on none
    """

    detail: float = 1.0
    refinements: float = 1.0
    carried_every: int = 0

    @property
    def carries(self) -> bool:
        """Whether there are frames on which the segmenter does not work."""
        return self.carried_every > 0

    def runs_network(self, index: int) -> bool:
        """Whether the segmenter works on the frame with this index."""
        return not self.carries or (index + 1) % self.carried_every != 0

    def passes(self, refinements: int) -> int:
        """How many refinement passes are made where so many are configured."""
        return int(self.refinements * refinements)

    def __str__(self) -> str:
        """For people."""
        parts = (
            (f"{self.refinements:.0%} of the refinements", self.refinements < 1),
            (f"the network on {self.carried_every - 1} of {self.carried_every} frames", self.carries),
            (f"{self.detail:.0%} of the pixels", self.detail < 1),
        )
        return ", ".join(text for text, is_less in parts if is_less) or "full effort"


def efforts(adapts_detail: bool, refinements: int, carries_masks: bool) -> tuple[Effort, ...]:
    """The full effort and the lesser ones, each less than the one before; steps that would save nothing are left out.

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
