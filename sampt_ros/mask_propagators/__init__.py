"""Masks from frame to frame: a mask propagator is a file or folder here, and a line in the table MASK_PROPAGATORS."""

from __future__ import annotations

from collections.abc import Callable

from sampt_ros.config.core import SamPtConfig
from sampt_ros.config.mask_propagators import NONE
from sampt_ros.config.options import chosen
from sampt_ros.mask_propagators.base import MaskPropagator
from sampt_ros.weights.random_weights import random_weights


def _cutie(config: SamPtConfig) -> MaskPropagator:
    from sampt_ros.mask_propagators.cutie.propagator import Cutie

    return Cutie.from_checkpoint(config.cutie, config.device)


def _deaot(config: SamPtConfig) -> MaskPropagator:
    from sampt_ros.mask_propagators.deaot.propagator import Deaot

    return Deaot.from_checkpoint(config.deaot, config.device)


def _sam2(config: SamPtConfig) -> MaskPropagator:
    from sampt_ros.mask_propagators.sam2.propagator import Sam2Video

    return Sam2Video.sam2(config.sam2, config.device)


def _edgetam(config: SamPtConfig) -> MaskPropagator:
    from sampt_ros.mask_propagators.sam2.propagator import Sam2Video

    return Sam2Video.edgetam(config.edgetam, config.device)


MASK_PROPAGATORS: dict[str, Callable[[SamPtConfig], MaskPropagator]] = {
    "cutie": _cutie,
    "deaot": _deaot,
    "sam2": _sam2,
    "edgetam": _edgetam,
}


def build_mask_propagator(config: SamPtConfig) -> MaskPropagator | None:
    """The propagator that `config.mask_propagator` names; None for "none".

    Raises ConfigError with the choices, CheckpointError if its weights cannot be loaded.
    """
    if config.mask_propagator == NONE:
        return None
    build = chosen(MASK_PROPAGATORS, "mask_propagator", config.mask_propagator, NONE)
    with random_weights(config.random_weights):
        return build(config)
