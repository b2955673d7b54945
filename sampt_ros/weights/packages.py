"""The packages that published networks are built with, imported where one is built."""

from __future__ import annotations

import importlib
import warnings
from types import ModuleType
from typing import Any

from sampt_ros.errors import CheckpointError

# How to install what has no extra: one package's licence forbids it, the other one asks for a package that has to be
# compiled, and does without it.
COTRACKER = "pip install git+https://github.com/facebookresearch/co-tracker, for non-commercial use only"
DEAOT = "pip install --no-deps deaotpy==1.11.0"
TESTED = "5.24"  # The version of transformers that the names of its parts were tested with, wherever they are used.


class Library:
    """An imported package whose parts are its attributes; one that it does not have raises CheckpointError."""

    def __init__(self, module: ModuleType, part: str, advice: str) -> None:
        """part: what needs the package, in words; advice: how to install a version that has all parts"""
        self._module, self._part, self._advice = module, part, advice

    def __getattr__(self, name: str) -> Any:
        try:
            return getattr(self._module, name)
        except (AttributeError, ImportError, RuntimeError) as error:  # transformers imports a part when asked for it.
            raise CheckpointError(
                f"{self._part}: expected the parts of {self._module.__name__} {TESTED} ({self._advice}): {error}"
            ) from None


def transformers(part: str, extra: str) -> Library:
    """The transformers package; see `package`."""
    return Library(package(part, "transformers", extra), part, install_extras(extra))


def package(part: str, name: str, extra: str) -> Any:
    """An imported package; raises CheckpointError with what to install if it is missing.

    part: what needs it, in words; extra: the extra that brings it
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # timm uses old names of other packages.
            return importlib.import_module(name)
    except (ImportError, RuntimeError) as error:  # RuntimeError: a torchvision made for another torch
        raise CheckpointError(f"{part} needs the package {name} ({install_extras(extra)}): {error}") from None


def install_extras(*extras: str) -> str:
    """The command that installs some extras."""
    return f"pip install 'sampt_ros[{','.join(extras)}]'"
