"""When fresh points are drawn, and from which mask (Rajič et al., section 3.4 and appendix).

All policies are causal: they look back over the past horizon only, and only at accepted masks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from sampt_ros.config.core import ReinitConfig
from sampt_ros.errors import ConfigError


@dataclass(frozen=True, eq=False)
class AcceptedMask:
    """A published mask (H, W) bool of frame `index`, with its area in pixels."""

    index: int
    mask: np.ndarray
    area: int


@dataclass(eq=False)
class MaskHistory:
    """What a policy may know of one object.

    started_area  pixels of the mask that the object began with; 0 before it is found by a picture
    since         index of the newest frame when its points were last drawn
    accepted      its accepted masks, oldest first, as far back as the policy looks
    """

    started_area: int
    since: int
    accepted: deque[AcceptedMask] = field(default_factory=deque)


class ReinitPolicy(ABC):
    """Chooses, after every frame, the objects that get fresh points and the masks to draw them from."""

    memory = 1  # accepted masks that it looks back on

    def __init__(self, horizon: int) -> None:
        self.horizon = horizon

    @abstractmethod
    def choose(self, now: int, histories: Mapping[int, MaskHistory]) -> dict[int, AcceptedMask]:
        """The mask to start again from, by object id; `now` is the index of the newest frame."""

    def _due(self, now: int, history: MaskHistory) -> bool:
        return now - history.since >= self.horizon

    def _recent(self, now: int, history: MaskHistory) -> list[AcceptedMask]:
        """Accepted masks of the past horizon, newest first, so that the newest wins a tie."""
        start = max(history.since, now - self.horizon)
        return [mask for mask in reversed(history.accepted) if mask.index > start]


class Never(ReinitPolicy):
    """Plain SAM-PT: the first points are kept for good."""

    def choose(self, now: int, histories: Mapping[int, MaskHistory]) -> dict[int, AcceptedMask]:
        return {}


class Horizon(ReinitPolicy):
    """The current masks, all objects together, as soon as one that is due has an accepted mask."""

    def choose(self, now: int, histories: Mapping[int, MaskHistory]) -> dict[int, AcceptedMask]:
        current = {name: h.accepted[-1] for name, h in histories.items() if h.accepted and h.accepted[-1].index == now}
        return current if any(self._due(now, histories[name]) for name in current) else {}


class _LooksBack(ReinitPolicy):
    def __init__(self, horizon: int) -> None:
        super().__init__(horizon)
        self.memory = horizon


class MedianArea(_LooksBack):
    """Each object for itself: the past mask whose area is nearest to the median of the past horizon."""

    def choose(self, now: int, histories: Mapping[int, MaskHistory]) -> dict[int, AcceptedMask]:
        chosen = {}
        for name, history in histories.items():
            recent = self._recent(now, history)
            if recent and self._due(now, history):
                median = float(np.median([mask.area for mask in recent]))
                chosen[name] = min(recent, key=lambda mask: abs(mask.area - median))
        return chosen


class SimilarArea(_LooksBack):
    """Each object for itself: the past mask whose area is nearest to the one it started with."""

    def choose(self, now: int, histories: Mapping[int, MaskHistory]) -> dict[int, AcceptedMask]:
        return {
            name: min(recent, key=lambda mask: _area_change(mask, history))
            for name, history in histories.items()
            if self._due(now, history) and (recent := self._recent(now, history))
        }


class SimilarAreaTogether(_LooksBack):
    """All objects together: the past frame in which their areas are, in sum, nearest to those they started with.

    Objects without an accepted mask in the past horizon do not take part.
    """

    def choose(self, now: int, histories: Mapping[int, MaskHistory]) -> dict[int, AcceptedMask]:
        recent = {name: {mask.index: mask for mask in self._recent(now, h)} for name, h in histories.items()}
        recent = {name: masks for name, masks in recent.items() if masks}
        if not any(self._due(now, histories[name]) for name in recent):
            return {}
        common = set.intersection(*(set(masks) for masks in recent.values()))
        if not common:
            return {}
        best = min(
            sorted(common, reverse=True), key=lambda i: sum(_area_change(m[i], histories[n]) for n, m in recent.items())
        )
        return {name: masks[best] for name, masks in recent.items()}


def _area_change(mask: AcceptedMask, history: MaskHistory) -> float:
    return abs(mask.area - history.started_area) / history.started_area


REINIT_POLICIES: dict[str, Callable[[int], ReinitPolicy]] = {
    "never": Never,
    "horizon": Horizon,
    "median_area": MedianArea,
    "similar_area": SimilarArea,
    "similar_area_together": SimilarAreaTogether,
}


def build_reinit_policy(config: ReinitConfig) -> ReinitPolicy:
    """The policy that `config.policy` names; raises ConfigError with the choices."""
    if config.policy not in REINIT_POLICIES:
        raise ConfigError(f"reinit.policy: expected one of {', '.join(REINIT_POLICIES)}, got {config.policy!r}")
    return REINIT_POLICIES[config.policy](config.horizon)
