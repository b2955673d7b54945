"""Weights from files. torch is imported where a file is one of torch's own."""

from __future__ import annotations

import logging
import pickle
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from sampt_ros.errors import CheckpointError
from sampt_ros.weights import git_lfs, registry
from sampt_ros.weights.random_weights import are_random

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

# What torch.load and safetensors raise for damaged files.
_UNREADABLE = (
    pickle.UnpicklingError,
    struct.error,
    RuntimeError,
    EOFError,
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
)


_logger = logging.getLogger(__name__)
_told: set[str] = set()  # Models whose licence was told.


def read_weights(
    option: str, checkpoint: str, model: str, expected: Mapping[str, Tensor], entry: str | None = None
) -> dict[str, Tensor]:
    """The state dict in the file `checkpoint`, the value of the parameter `option`; empty: the published file of the
    architecture `model`, if it is in the cache (see registry.py).

    entry: the file holds a dict with the state dict under this key. Raises CheckpointError unless there is a file, and
    the state dict in it has the names and shapes of `expected`.
    """
    import torch

    if are_random():
        return dict(expected)
    path = _file(option, checkpoint, model)
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except _UNREADABLE as error:
        # The message of torch is left out, since it would advise to load the file unsafely.
        raise CheckpointError(
            f"{path} is not a readable checkpoint: truncated, corrupt, or of more than tensors ({type(error).__name__})"
        ) from None
    if entry is not None:
        if not isinstance(weights, dict) or entry not in weights:
            raise CheckpointError(f"{path} does not hold {model}: expected a dict with {entry!r}")
        weights = weights[entry]
    if not isinstance(weights, dict):
        raise CheckpointError(f"{path}: expected a state dict of {model}, got {type(weights).__name__}")
    _check(weights, path, model, expected)
    return weights


def read_safetensors(
    option: str,
    checkpoint: str,
    model: str,
    expected: Mapping[str, np.ndarray],
    ignored: tuple[str, ...] = (),
    renamed: Mapping[str, str] | None = None,
) -> dict[str, np.ndarray]:
    """As `read_weights`, from a .safetensors file, as arrays; they get the precision of `expected`.

    ignored: how the names of tensors begin that the file may hold beside the expected ones
    renamed: parts of the names in the file, and what is expected in their place
    """
    if are_random():
        return dict(expected)
    path = _file(option, checkpoint, model)
    try:
        weights = load_file(path)
    except (SafetensorError, *_UNREADABLE) as error:
        raise CheckpointError(f"{path} is not a readable safetensors file: {error}") from None
    weights = {_renamed(name, renamed or {}): array for name, array in weights.items()}
    known = {name: array for name, array in weights.items() if name in expected or not name.startswith(ignored)}
    _check(known, path, model, expected)
    return {name: weights[name].astype(array.dtype, copy=False) for name, array in expected.items()}


def load_safetensors(
    network: Module,
    option: str,
    checkpoint: str,
    model: str,
    ignored: tuple[str, ...] = (),
    renamed: Mapping[str, str] | None = None,
) -> None:
    """Give a network the weights of a .safetensors file; see `read_safetensors`."""
    import torch

    expected = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    weights = read_safetensors(option, checkpoint, model, expected, ignored, renamed)
    network.load_state_dict({name: torch.tensor(array) for name, array in weights.items()})


def _renamed(name: str, parts: Mapping[str, str]) -> str:
    """The name of a tensor with these parts of it replaced."""
    for old, new in parts.items():
        name = name.replace(old, new)
    return name


def _file(option: str, checkpoint: str, model: str) -> Path:
    """The given file; for an empty `checkpoint` the published one, if it was fetched: nothing is downloaded here."""
    expected = f"{option}: expected the path of a {model} checkpoint"
    published = registry.for_option(option, model)
    _tell_licence(published)
    if checkpoint:
        path = Path(checkpoint).expanduser()
        if not path.is_file():
            raise CheckpointError(f"{expected}, got {checkpoint!r}, not a file")
        if git_lfs.is_pointer_file(path):
            raise CheckpointError(f"{expected}, got {checkpoint!r}, {git_lfs.POINTER}")
        return path
    if published is None:
        raise CheckpointError(f"{expected}, got ''")
    path = registry.path(published)
    if not path.is_file():
        raise CheckpointError(
            f"{expected}, got '', and {path} is missing; get it with: {registry.advice(published)}, or give a path"
        )
    registry.check(published)
    return path


def _tell_licence(model: registry.Model | None) -> None:
    """Warn once, whatever is built how often, where the licence of weights forbids commercial use."""
    if model is not None and model.warning and model.name not in _told:
        _told.add(model.name)
        _logger.warning("%s", model.warning)


def _check(weights: Mapping[str, Any], path: Path, model: str, expected: Mapping[str, Any]) -> None:
    """Raise CheckpointError unless the names and shapes are the expected ones."""
    missing, extra = sorted(set(expected) - set(weights)), sorted(set(weights) - set(expected), key=str)
    if missing or extra:
        raise CheckpointError(
            f"{path} does not hold {model}: {len(missing)} tensors missing (first: {missing[:1]}), "
            f"{len(extra)} unknown (first: {extra[:1]})"
        )
    other = [name for name, tensor in expected.items() if getattr(weights[name], "shape", None) != tensor.shape]
    if other:
        raise CheckpointError(
            f"{path} does not hold {model}: {len(other)} tensors of another shape (first: {other[:1]})"
        )
