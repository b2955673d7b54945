"""The architectures of the published Cutie, built with the rf-cutie package; weights come later."""

from __future__ import annotations

import importlib
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sampt_ros.errors import CheckpointError

TESTED = "1.0"  # The version of rf-cutie that the names of its parts here were tested with.
LEAST_PLACES = 30  # Cutie reads so many places of its memory for each pixel, so that a frame must have as many.
_MEMORY_EVERY = 5  # frames, as in the published evaluation


def cutie(model: str) -> tuple[Any, Any]:
    """A `cutie.model.cutie.CUTIE`, base or small, and its configuration.

    Raises CheckpointError without rf-cutie, or with one whose parts have other names.
    """
    network = part("cutie.model.cutie")
    config = configuration(model)
    try:
        with _no_download():
            return network.CUTIE(config).eval(), config
    except AttributeError as error:
        raise CheckpointError(f"mask propagator cutie: expected the parts of rf-cutie {TESTED}: {error}") from None


def configuration(model: str) -> Any:
    """The package's own configuration, with what it leaves to its evaluation scripts."""
    settings = part("omegaconf").OmegaConf
    folder = Path(part("cutie").__path__[0]) / "config"
    config = settings.load(folder / "eval_config.yaml")
    del config["defaults"], config["hydra"], config["datasets"]
    networks = settings.load(folder / "model/base.yaml")
    if model == "small":
        small = settings.load(folder / "model/small.yaml")
        del small["defaults"]
        networks = settings.merge(networks, small)
    config.model = networks
    # A memory of the last frames alone is bounded; what the object looked like at first stays in it.
    config.use_long_term, config.mem_every = False, _MEMORY_EVERY
    return config


def part(name: str) -> Any:
    """An imported module that Cutie needs; raises CheckpointError with what to install if it is missing."""
    level = logging.getLogger().level
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(name)
    except (ImportError, RuntimeError) as error:  # RuntimeError: a torchvision made for another torch
        raise CheckpointError(
            f"mask propagator cutie needs the package rf-cutie (pip install 'sampt_ros[cutie]'): {error}"
        ) from None
    finally:
        logging.getLogger().setLevel(level)


@contextmanager
def _no_download() -> Iterator[None]:
    """Inside, the package's encoders are built without the weights of ImageNet, which it would download."""
    encoders = part("cutie.model.utils.resnet")
    published = {name: getattr(encoders, name) for name in ("resnet18", "resnet50")}
    for name, build in published.items():
        setattr(encoders, name, _untrained(build))
    try:
        yield
    finally:
        for name, build in published.items():
            setattr(encoders, name, build)


def _untrained(build: Callable[..., Any]) -> Callable[..., Any]:
    """A builder of encoders that takes what the package gives it, but no weights."""

    def encoder(pretrained: bool = True, extra_dim: int = 0, model_dir: str | None = None) -> Any:
        return build(pretrained=False, extra_dim=extra_dim)

    return encoder
