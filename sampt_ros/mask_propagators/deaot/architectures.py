"""The architectures of the published DeAOT, built with the deaotpy package; weights come later."""

from __future__ import annotations

import importlib
import warnings
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

from sampt_ros.errors import CheckpointError
from sampt_ros.weights.packages import DEAOT

TESTED = "1.11"  # The version of deaotpy that the names of its parts here were tested with.
_NAMES = {
    "tiny": "deaott",
    "small": "deaots",
    "base": "deaotb",
    "large": "deaotl",
    "r50_large": "r50_deaotl",
    "swin_b_large": "swinb_deaotl",
}


def deaot(model: str) -> Any:
    """A `aot.networks.models.DeAOT` of one of the published sizes.

    Raises CheckpointError without deaotpy, or with one whose parts have other names.
    """
    networks, configs = part("aot.networks.models"), part("aot.configs.default")
    try:
        config = configs.DefaultEngineConfig(model=_NAMES[model])
        # The package prints what it does without, once a layer.
        with redirect_stdout(StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return networks.build_vos_model(config.MODEL_VOS, config).eval()
    except AttributeError as error:
        raise CheckpointError(f"mask propagator deaot: expected the parts of deaotpy {TESTED}: {error}") from None


def part(name: str) -> Any:
    """An imported module that DeAOT needs; raises CheckpointError with what to install if it is missing."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(name)
    except ImportError as error:
        raise CheckpointError(f"mask propagator deaot needs the package deaotpy ({DEAOT}): {error}") from None
