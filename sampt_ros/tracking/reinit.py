"""Policies for re-initialisation: when fresh points are sampled, and from which mask (Rajič et al., section 3.4).

All policies are causal: they only use accepted masks of the past horizon.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from sampt_ros.config.core import ReinitConfig
from sampt_ros.data_types import LocalMask
from sampt_ros.errors import ConfigError


@dataclass(frozen=True, eq=False)
class AcceptedMask:
    """A published mask of bool of the frame with this index."""

    index: int
    mask: LocalMask

    @property
    def area(self) -> int:
        """Pixels in the mask."""
        return self.mask.area


@dataclass(eq=False)
class MaskHistory:
    """The information on one object that a policy uses.

    started_area  area of the object's first mask, pixels; 0 while it is known only from a reference picture
    since         index of the newest frame when its points were last sampled
    accepted      its accepted masks, oldest first, as many as the policy needs
    """

    started_area: int
    since: int
    accepted: deque[AcceptedMask] = field(default_factory=deque)

    def add(self, accepted: AcceptedMask) -> None:
        """Add the newest frame's mask; it replaces an earlier one of the same frame, which was corrected."""
        self.started_area = self.started_area or accepted.area
        if self.accepted and self.accepted[-1].index == accepted.index:
            self.accepted.pop()
        self.accepted.append(accepted)


class ReinitPolicy(ABC):
    """Chooses, after every frame, the objects that get fresh points and the masks to sample them from.

    lookback  number of an object's latest accepted masks that it chooses from
    """

    lookback = 1

    def __init__(self, horizon: int) -> None:
        self.horizon = horizon

    @abstractmethod
    def choose(self, now: int, histories: Mapping[int, MaskHistory]) -> dict[int, AcceptedMask]:
        """The mask to sample fresh points from, by object id, for those objects that get any.

        now: index of the newest frame; histories: of all objects, by id
        """

    def _is_due(self, now: int, history: MaskHistory) -> bool:
        return now - history.since >= self.horizon

    def _recent(self, now: int, history: MaskHistory) -> list[AcceptedMask]:
        """The accepted masks of the past horizon; the newest is first, so that it wins a tie."""
        start = max(history.since, now - self.horizon)
        return [mask for mask in reversed(history.accepted) if mask.index > start]


class Never(ReinitPolicy):
    """SAM-PT without re-initialisation: the first points are kept for good."""

    def choose(self, now: int, histories: Mapping[int, MaskHistory]) -> dict[int, AcceptedMask]:
        return {}


class Horizon(ReinitPolicy):
    """All objects together, from their current masks, as soon as one whose horizon has passed has an accepted mask."""

    def choose(self, now: int, histories: Mapping[int, MaskHistory]) -> dict[int, AcceptedMask]:
        newest = {object_id: history.accepted[-1] for object_id, history in histories.items() if history.accepted}
        current = {object_id: mask for object_id, mask in newest.items() if mask.index == now}
        return current if any(self._is_due(now, histories[object_id]) for object_id in current) else {}


class _LooksBack(ReinitPolicy):
    def __init__(self, horizon: int) -> None:
        super().__init__(horizon)
        self.lookback = horizon


class MedianArea(_LooksBack):
    """Each object separately: the past mask whose area is nearest to the median of the past horizon."""

    def choose(self, now: int, histories: Mapping[int, MaskHistory]) -> dict[int, AcceptedMask]:
        chosen = {}
        for object_id, history in histories.items():
            recent = self._recent(now, history)
            if recent and self._is_due(now, history):
                median = float(np.median([mask.area for mask in recent]))
                chosen[object_id] = min(recent, key=lambda mask: abs(mask.area - median))
        return chosen


class SimilarArea(_LooksBack):
    """Each object separately: the past mask whose area is nearest to that of its first mask."""

    def choose(self, now: int, histories: Mapping[int, MaskHistory]) -> dict[int, AcceptedMask]:
        return {
            object_id: min(recent, key=lambda mask: _area_change(mask, history))
            for object_id, history in histories.items()
            if self._is_due(now, history) and (recent := self._recent(now, history))
        }


class SimilarAreaTogether(_LooksBack):
    """All objects together: the past frame in which their areas are, in sum, nearest to those of their first masks.

    Objects without an accepted mask in the past horizon are ignored.
    """

    def choose(self, now: int, histories: Mapping[int, MaskHistory]) -> dict[int, AcceptedMask]:
        recent = {
            object_id: {mask.index: mask for mask in masks}
            for object_id, history in histories.items()
            if (masks := self._recent(now, history))
        }
        if not any(self._is_due(now, histories[object_id]) for object_id in recent):
            return {}
        common = set.intersection(*(set(masks) for masks in recent.values()))
        if not common:
            return {}

        def total_change(index: int) -> float:
            return sum(_area_change(masks[index], histories[object_id]) for object_id, masks in recent.items())

        best = min(sorted(common, reverse=True), key=total_change)
        return {object_id: masks[best] for object_id, masks in recent.items()}


def _area_change(mask: AcceptedMask, history: MaskHistory) -> float:
    """The relative difference of a mask's area from that of the object's first mask."""
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
