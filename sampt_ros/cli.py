"""The `sampt` command: the tracker on files and cameras, without ROS."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from sampt_ros.commands import bag, benchmark, doctor, evaluate, models, track
from sampt_ros.errors import SamPtError

_ERROR, _INTERRUPTED = 2, 130  # exit statuses


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `sampt` with these arguments (default: the command line's) and return its exit status."""
    parsed = _parser().parse_args(arguments)
    try:
        return parsed.run(parsed)
    except SamPtError as error:
        print(f"sampt: error: {' '.join(str(error).split())}", file=sys.stderr)
        return _ERROR
    except ImportError as error:  # what only some presets need
        print(f"sampt: error: {error}; `sampt doctor` says what to install", file=sys.stderr)
        return _ERROR
    except KeyboardInterrupt:
        print("sampt: interrupted", file=sys.stderr)
        return _INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sampt", description="Point at an object, get its mask in every frame of a video. No ROS needed."
    )
    commands = parser.add_subparsers(title="commands", dest="command", required=True)
    for command in (track, bag, evaluate, benchmark, models, doctor):
        command.add(commands)
    return parser
