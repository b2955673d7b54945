"""Writes the README's tables of topics and parameters from the code; `--check` only says whether they are current."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sampt_ros.config.node import NodeConfig, VideoPublisherConfig
from sampt_ros.config.options import Section, walk
from sampt_ros.config.presets import load_preset
from sampt_ros.messages.topics import ENDPOINTS

README = Path(__file__).resolve().parents[1] / "README.md"


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    columns = list(header)
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def topics() -> str:
    """Every topic and service."""
    rows = ([item.direction, f"`{item.name}`", item.type, item.meaning] for item in ENDPOINTS)
    return table(["", "name", "type", "what"], rows)


def parameters(*configs: Section) -> str:
    """Every parameter of some configurations, with the values that they have there as defaults."""
    rows = []
    for config in configs:
        for name, value, option in walk(config):
            change = "live" if option.live else "at start" if option.fixed else "when configured"
            allowed = ", ".join(filter(None, [option.unit, option.range()]))
            kind = type(value).__name__
            rows.append([f"`{name}`", kind, f"`{shown(value)}`", allowed, change, option.description])
    return table(["name", "type", "default", "unit, range", "changes", "what"], rows)


def shown(value: Any) -> str:
    """A default as it is written in YAML."""
    return str(value).lower() if isinstance(value, bool) else repr(value) if value == "" else str(value)


def filled(text: str) -> str:
    """The README with current tables between its markers."""
    tables = {
        "topics": topics(),
        "parameters": parameters(NodeConfig(), load_preset()),
        "video_publisher": parameters(VideoPublisherConfig()),
    }
    for name, content in tables.items():
        pattern = rf"(<!-- {name}: made by tools/readme_tables.py -->\n).*?(<!-- end -->)"
        text, count = re.subn(pattern, lambda found: f"{found[1]}{content}\n{found[2]}", text, flags=re.DOTALL)  # noqa: B023
        if count != 1:
            sys.exit(f"README.md: expected one place for the table of {name}, found {count}")
    return text


def main() -> None:
    """Update or check the README."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit with status 1 if the README is not current")
    text = README.read_text()
    if parser.parse_args().check:
        sys.exit(0 if filled(text) == text else "README.md is not current: run python tools/readme_tables.py")
    README.write_text(filled(text))


if __name__ == "__main__":
    main()
