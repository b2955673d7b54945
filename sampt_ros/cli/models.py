"""`sampt models`: list, fetch and verify published weights."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from sampt_ros.cli import common
from sampt_ros.errors import CheckpointError
from sampt_ros.weights import registry


def add(commands: Any) -> None:
    """Add the command to a parser's subcommands."""
    parser = common.add_command(
        commands,
        "models",
        _list,
        "list, fetch and verify published weights",
        """
        Fetched files are kept in one folder, which the environment variable SAMPT_CACHE can change. A checkpoint
        parameter that is empty uses its file from there. Tracking itself never downloads anything. You can also put
        a file there by hand, under the name that `models list` shows.

        If the SHA-256 of a model is not published in full, that of the first file is pinned beside it, in .sha256.json.
        """,
    )
    actions = parser.add_subparsers(title="actions", dest="action", required=True)
    common.add_command(actions, "list", _list, "list all models, and which of them have been fetched", "")
    fetch = common.add_command(
        actions,
        "fetch",
        _fetch,
        "download models that have not been fetched, and verify them",
        "A proxy in HTTPS_PROXY is used.",
    )
    fetch.add_argument("names", nargs="+", metavar="NAME", help="as shown by `sampt models list`")
    verify = common.add_command(
        actions,
        "verify",
        _verify,
        "check the fetched files",
        "The exit status is 0 if all files verify, else 1.",
    )
    verify.add_argument("names", nargs="*", metavar="NAME", help="only these, which must be fetched (default: all)")


def _list(parsed: argparse.Namespace) -> int:
    head = ("name", "size", "licence", "SHA-256", "file")
    rows = [head, *(_row(model) for model in registry.MODELS.values())]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print(f"folder: {registry.cache_folder()} (the environment variable {registry.CACHE_VARIABLE} names another)")
    return 0


def _row(model: registry.Model) -> tuple[str, ...]:
    known = "published" if not model.is_pinned else "first 8 digits" if model.sha256 else "not published"
    pinned = ", pinned" if registry.pin_path(model).is_file() else ""
    file = registry.path(model)
    place = str(file) if file.is_file() else f"not here ({model.file})"
    return model.name, _size(model), model.licence, known + pinned, place


def _size(model: registry.Model) -> str:
    return f"{model.megabytes:.0f} MB" if model.megabytes < 1000 else f"{model.megabytes / 1000:.2f} GB"


def _fetch(parsed: argparse.Namespace) -> int:
    for model in [registry.named(name) for name in parsed.names]:
        answer = registry.fetch(model)
        print(f"{model.name}: {registry.path(model)}: {answer}")
        if model.warning:
            print(f"{model.name}: note that {model.warning}", file=sys.stderr)
    return 0


def _verify(parsed: argparse.Namespace) -> int:
    chosen = [registry.named(name) for name in parsed.names]
    chosen = chosen or [model for model in registry.MODELS.values() if registry.path(model).is_file()]
    if not chosen:
        print(f"none of the models is in {registry.cache_folder()}")
    failed = 0
    for model in chosen:
        try:
            print(f"{model.name}: {registry.verify(model)}")
        except CheckpointError as error:
            print(f"{model.name}: {error}", file=sys.stderr)
            failed += 1
    return 1 if failed else 0
