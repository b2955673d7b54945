"""The parameters of the web page: of `sampt web`, and of the node `web`."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from typing import TypeVar

from sampt_ros.config.options import Section, option
from sampt_ros.errors import ConfigError

TOKEN_VARIABLE = "SAMPT_WEB_TOKEN"  # An environment variable, which other users cannot read, unlike a command line.

_W = TypeVar("_W", bound="WebConfig")


@dataclass(frozen=True)
class WebConfig(Section):
    """How the page is served; all fixed at start."""

    host: str = option(
        "127.0.0.1",
        "Address that the page is served at; 0.0.0.0: all of this machine's. On all but 127.0.0.1 the token is needed",
        fixed=True,
    )
    port: int = option(8080, "Port that the page is served at; 0: any free one", minimum=0, maximum=65535, fixed=True)
    token: str = option(
        "",
        "Token that viewers must know, 8 characters or more; empty: that of the environment variable "
        f"{TOKEN_VARIABLE}, or else none on 127.0.0.1, and a random one on other addresses",
        fixed=True,
    )
    viewers: int = option(8, "Number of viewers at once; more are turned away", minimum=1, maximum=64, fixed=True)
    rate: float = option(
        15.0, "Largest rate of pictures sent to a viewer", unit="frames/s", minimum=0.1, maximum=120, fixed=True
    )
    picture_size: int = option(
        1280,
        "Longer side of the pictures sent; larger images are scaled down for them",
        unit="pixels",
        minimum=64,
        maximum=8192,
        fixed=True,
    )
    quality: int = option(80, "JPEG quality of the pictures sent", minimum=1, maximum=100, fixed=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.token and not re.fullmatch(r"[\w.~-]{8,}", self.token, re.ASCII):
            raise ConfigError("token: expected at least 8 letters, digits and -._~; got another one")


@dataclass(frozen=True)
class WebNodeConfig(WebConfig):
    """The node `web`: how the page is served, and where its images come from; all fixed at start."""

    image_transport: str = option(
        "raw",
        "Transport of the images; compressed: the topic is `<image>/compressed`",
        choices=("raw", "compressed"),
        fixed=True,
    )


def with_token(config: _W) -> _W:
    """The configuration with the token of the environment variable, unless it has one; raises ConfigError."""
    return config if config.token else replace(config, token=os.environ.get(TOKEN_VARIABLE, ""))
