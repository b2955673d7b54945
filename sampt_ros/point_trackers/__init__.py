"""Points from frame to frame: a tracker is a file or folder here, and a line in the table POINT_TRACKERS."""

from __future__ import annotations

from collections.abc import Callable

from sampt_ros.config.core import SamPtConfig
from sampt_ros.config.options import chosen
from sampt_ros.point_trackers.base import PointTracker
from sampt_ros.weights.random_weights import random_weights


def _lucas_kanade(config: SamPtConfig) -> PointTracker:
    from sampt_ros.point_trackers.lucas_kanade import LucasKanade

    return LucasKanade(config.lucas_kanade)


def _dis_flow(config: SamPtConfig) -> PointTracker:
    from sampt_ros.point_trackers.dis_flow import DisFlow

    return DisFlow(config.dis_flow)


def _raft(config: SamPtConfig) -> PointTracker:
    from sampt_ros.point_trackers.raft import Raft

    return Raft.from_checkpoint(config.raft, config.device)


def _pips(config: SamPtConfig) -> PointTracker:
    from sampt_ros.point_trackers.pips.tracker import PipsTracker

    return PipsTracker.from_checkpoint(config.pips, config.device)


def _tapir(config: SamPtConfig) -> PointTracker:
    from sampt_ros.point_trackers.tapir.tracker import TapirTracker

    return TapirTracker.from_checkpoint(config.tapir, config.device)


def _superglue(config: SamPtConfig) -> PointTracker:
    from sampt_ros.point_trackers.matching.tracker import MatchingTracker

    return MatchingTracker.superglue(config.superglue, config.device)


def _lightglue(config: SamPtConfig) -> PointTracker:
    from sampt_ros.point_trackers.matching.tracker import MatchingTracker

    return MatchingTracker.lightglue(config.lightglue, config.device)


def _cotracker(config: SamPtConfig) -> PointTracker:
    from sampt_ros.point_trackers.cotracker.tracker import CoTracker

    return CoTracker.from_checkpoint(config.cotracker, config.device)


POINT_TRACKERS: dict[str, Callable[[SamPtConfig], PointTracker]] = {
    "lucas_kanade": _lucas_kanade,
    "dis_flow": _dis_flow,
    "raft": _raft,
    "pips": _pips,
    "tapir": _tapir,
    "superglue": _superglue,
    "lightglue": _lightglue,
    "cotracker": _cotracker,
}


def build_point_tracker(config: SamPtConfig) -> PointTracker:
    """The tracker that `config.point_tracker` names.

    Raises ConfigError with the choices, CheckpointError if its weights cannot be loaded.
    """
    build = chosen(POINT_TRACKERS, "point_tracker", config.point_tracker)
    with random_weights(config.random_weights):
        return build(config)
