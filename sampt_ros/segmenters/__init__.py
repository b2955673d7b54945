"""Prompts to masks: a segmenter is a file or folder here, and a line in the table SEGMENTERS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sampt_ros.config.core import SamPtConfig
from sampt_ros.config.options import chosen
from sampt_ros.errors import ConfigError
from sampt_ros.segmenters.base import OneShot, Segmenter
from sampt_ros.utils.cpu_threads import thread_count
from sampt_ros.weights.random_weights import random_weights

NO_ONE_SHOT = "none"  # The value of the parameter `one_shot` for no method of its own.


def _sam(config: SamPtConfig) -> Segmenter[Any, Any]:
    from sampt_ros.segmenters.sam.segmenter import Sam

    return Sam.from_checkpoint(config.sam, config.device)


def _sam_hq(config: SamPtConfig) -> Segmenter[Any, Any]:
    from sampt_ros.segmenters.sam.hq import SamHq

    return SamHq.from_checkpoint(config.sam_hq, config.device)


def _mobile_sam(config: SamPtConfig) -> Segmenter[Any, Any]:
    from sampt_ros.segmenters.sam.mobile import MobileSam

    return MobileSam.from_checkpoint(config.mobile_sam, config.device)


def _sam2(config: SamPtConfig) -> Segmenter[Any, Any]:
    from sampt_ros.segmenters.sam2.segmenter import Sam2

    return Sam2.from_checkpoint(config.sam2, config.device)


def _edgetam(config: SamPtConfig) -> Segmenter[Any, Any]:
    from sampt_ros.segmenters.sam2.segmenter import EdgeTam

    return EdgeTam.from_checkpoint(config.edgetam, config.device)


def _seggpt(config: SamPtConfig) -> Segmenter[Any, Any]:
    from sampt_ros.segmenters.grabcut.segmenter import GrabCut
    from sampt_ros.segmenters.seggpt import SegGpt

    return SegGpt.from_checkpoint(config.seggpt, config.device, GrabCut(config.grabcut))


def _nano(config: SamPtConfig) -> Segmenter[Any, Any]:
    from sampt_ros.segmenters.nano.backend import build_backend
    from sampt_ros.segmenters.nano.segmenter import Nano

    threads = thread_count(config.cpu_threads)
    return Nano(config.nano, build_backend(config.nano, config.device, threads))


def _grabcut(config: SamPtConfig) -> Segmenter[Any, Any]:
    from sampt_ros.segmenters.grabcut.segmenter import GrabCut

    return GrabCut(config.grabcut)


SEGMENTERS: dict[str, Callable[[SamPtConfig], Segmenter[Any, Any]]] = {
    "sam": _sam,
    "sam_hq": _sam_hq,
    "mobile_sam": _mobile_sam,
    "sam2": _sam2,
    "edgetam": _edgetam,
    "seggpt": _seggpt,
    "nano": _nano,
    "grabcut": _grabcut,
}


def _persam(segmenter: Any) -> OneShot[Any, Any]:
    from sampt_ros.segmenters.sam.persam import PerSam

    return PerSam(segmenter)


# Methods that find an object known from a picture, on guidable segmenters.
ONE_SHOTS: dict[str, Callable[[Segmenter[Any, Any]], OneShot[Any, Any]]] = {"persam": _persam}


def build_segmenter(config: SamPtConfig) -> Segmenter[Any, Any]:
    """The segmenter that `config.segmenter` names.

    Raises ConfigError with the choices, CheckpointError if its weights cannot be loaded.
    """
    build = chosen(SEGMENTERS, "segmenter", config.segmenter)
    with random_weights(config.random_weights):
        return build(config)


def build_one_shot(config: SamPtConfig, segmenter: Segmenter[Any, Any]) -> OneShot[Any, Any] | None:
    """The method that `config.one_shot` names, on a segmenter; None for "none".

    Raises ConfigError with the choices, or where the segmenter is not like SAM.
    """
    if config.one_shot == NO_ONE_SHOT:
        return None
    build = chosen(ONE_SHOTS, "one_shot", config.one_shot, NO_ONE_SHOT)
    if not segmenter.guidable:
        raise ConfigError(
            f"one_shot: {config.one_shot} expected a segmenter like SAM (sam, sam_hq, mobile_sam, sam2, edgetam), "
            f"got {type(segmenter).__name__}"
        )
    return build(segmenter)
