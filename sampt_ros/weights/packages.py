"""The packages that published networks are built with, imported where one is built."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

from sampt_ros.errors import CheckpointError

TESTED = "5.24"  # The version of transformers that the names of its parts were tested with, wherever they are used.


def package(part: str, name: str, extra: str) -> Any:
    """An imported package; raises CheckpointError with what to install if it is missing.

    part: what needs it, in words; extra: the extra that brings it
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # timm uses old names of other packages.
            return importlib.import_module(name)
    except (ImportError, RuntimeError) as error:  # RuntimeError: a torchvision made for another torch
        advice = f"pip install 'sampt_ros[{extra}]'"
        raise CheckpointError(f"{part} needs the package {name} ({advice}): {error}") from None
