"""What images look like: a descriptor is a file here, and a line in the table DESCRIPTORS."""

from __future__ import annotations

from collections.abc import Callable

from sampt_ros.config.core import SamPtConfig
from sampt_ros.config.descriptors import OF_SEGMENTER
from sampt_ros.config.options import chosen
from sampt_ros.descriptors.base import Descriptor
from sampt_ros.weights.random_weights import random_weights


def _dinov2(config: SamPtConfig) -> Descriptor:
    from sampt_ros.descriptors.dinov2 import DinoV2

    return DinoV2.from_checkpoint(config.dinov2, config.device)


DESCRIPTORS: dict[str, Callable[[SamPtConfig], Descriptor]] = {"dinov2": _dinov2}


def build_descriptor(config: SamPtConfig) -> Descriptor | None:
    """The descriptor that `config.descriptor` names; None for "segmenter".

    Raises ConfigError with the choices, CheckpointError if its weights cannot be loaded.
    """
    if config.descriptor == OF_SEGMENTER:
        return None
    build = chosen(DESCRIPTORS, "descriptor", config.descriptor, OF_SEGMENTER)
    with random_weights(config.random_weights):
        return build(config)
