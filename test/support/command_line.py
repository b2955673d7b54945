"""`sampt`, run in the process of the tests."""

from __future__ import annotations

from sampt_ros.cli import main as cli


def run(*arguments: object) -> int:
    """The exit status of `sampt ARGUMENTS`."""
    return cli.main([str(argument) for argument in arguments])
