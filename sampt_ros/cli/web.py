"""`sampt web`: a web page that shows a video or a camera, to click objects in."""

from __future__ import annotations

import argparse
import contextlib
import logging
import threading
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from sampt_ros.cli import common
from sampt_ros.config.options import updated, walk
from sampt_ros.config.web import TOKEN_VARIABLE, WebConfig, with_token
from sampt_ros.errors import ConfigError
from sampt_ros.io.video import open_source
from sampt_ros.tracking.sam_pt import SamPt

_ADVICE = "pip install 'sampt_ros[web]'"


def add(commands: Any) -> None:
    """Add the command to a parser's subcommands."""
    parser = common.add_command(
        commands,
        "web",
        _run,
        "show a video, image folder or camera in the browser, and track what is clicked",
        f"""
        Prints the address of a web page. On it, a click starts an object, a click with the right button or with shift
        removes a part from an object's mask, and dragging draws a box around a new object. Several browsers can watch.

        By default only this machine can open the page. With --host 0.0.0.0 others can too, if they know the token,
        which is part of the printed address; the environment variable {TOKEN_VARIABLE} sets it. The connection is not
        encrypted: over a network that you do not trust, leave the host as it is and use
        `ssh -L 8080:localhost:8080 MACHINE`.

        examples:
          sampt web 0
          sampt web cups.mp4 --once
          sampt web cups.mp4 --host 0.0.0.0 --port 9000
        """,
    )
    argument = parser.add_argument
    argument(
        "source", type=common.source, metavar="SOURCE", help="video file, image folder or pattern, or camera number"
    )
    argument("--once", action="store_true", help="stop at the end of a video instead of starting it again")
    for item in fields(WebConfig):
        if item.name != "token":  # every user of the machine can read command lines
            option = item.metadata["option"]
            unit = f", {option.unit}" if option.unit else ""
            argument(
                f"--{item.name.replace('_', '-')}",
                type=type(item.default),
                default=item.default,
                metavar=item.name.rpartition("_")[2].upper(),
                help=f"{_as_in_a_list(option.description)} (default: {item.default}{unit})",
            )
    common.add_config(parser)


def _as_in_a_list(sentence: str) -> str:
    """The sentence without its capital, unless that begins an abbreviation."""
    return sentence if sentence[1].isupper() else f"{sentence[0].lower()}{sentence[1:]}"


def _run(parsed: argparse.Namespace) -> int:
    try:
        from sampt_ros.web.player import Player
        from sampt_ros.web.server import WebServer
    except ImportError as error:
        raise ConfigError(f"expected aiohttp for the page ({_ADVICE}); {error}") from None
    given = {name: getattr(parsed, name) for name, _, _ in walk(WebConfig()) if name != "token"}
    page = with_token(updated(WebConfig(), given))
    with _informed(), open_source(parsed.source) as source:
        player = Player(source, SamPt(common.config(parsed)), parsed.source, parsed.preset, loop=not parsed.once)
        with player, WebServer(player, page) as server, contextlib.suppress(KeyboardInterrupt):
            print(f"sampt: {parsed.source} is at {server.url} (Ctrl-C ends it)", flush=True)
            threading.Event().wait()
    return 0


@contextlib.contextmanager
def _informed() -> Iterator[None]:
    """Let the log tell in a block what viewers ask for, and what comes of it."""
    logger = logging.getLogger("sampt_ros")
    before = logger.level
    logger.setLevel(min(logging.INFO, logger.getEffectiveLevel()))
    try:
        yield
    finally:
        logger.setLevel(before)
