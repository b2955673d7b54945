"""Writes the parts of the documentation that are made from the code: tables, message definitions and example programs.

With `--check` it changes nothing, and only says whether the pages are up to date.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from sampt_ros.config.node import NodeConfig, VideoPublisherConfig
from sampt_ros.config.options import Option, Section, walk
from sampt_ros.config.presets import load_preset
from sampt_ros.config.web import WebNodeConfig
from sampt_ros.messages.topics import ENDPOINTS

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "sampt_ros"
# In the order of imports: each package imports only from those after it.
PACKAGES = (
    *("cli", "fleet", "ros", "bags", "web", "messages", "streaming", "evaluation", "tracking"),
    *("segmenters", "point_trackers", "mask_propagators", "descriptors", "io"),
    *("geometry", "weights", "config", "utils"),
)


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    columns = list(header)
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def packages() -> str:
    """A table of all packages with their docstrings and modules; exits with a message if PACKAGES lacks one."""
    found = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    if found != set(PACKAGES):
        sys.exit(f"tools/docs_tables.py: PACKAGES and sampt_ros/ differ by {', '.join(sorted(found ^ set(PACKAGES)))}")
    rows = (
        [f"[`{name}`](../sampt_ros/{name})", docstring(PACKAGE / name), modules(PACKAGE / name)] for name in PACKAGES
    )
    return table(["package", "in one sentence", "modules"], rows)


def docstring(package: Path) -> str:
    """The first line of a package's docstring."""
    return (ast.get_docstring(ast.parse((package / "__init__.py").read_text())) or "").partition("\n")[0]


def modules(package: Path) -> str:
    """The names of a package's modules, and of the packages in it with their modules."""
    names = [f"`{path.stem}`" for path in sorted(package.glob("*.py")) if path.stem != "__init__"]
    folders = sorted(path.parent for path in package.glob("*/__init__.py"))
    return ", ".join(names + [f"`{folder.name}/` ({modules(folder)})" for folder in folders])


def endpoints(direction: str) -> str:
    """A table of the inputs, outputs or services; direction: in, out or service."""
    rows = ([f"`{item.name}`", item.type, item.meaning] for item in ENDPOINTS if item.direction == direction)
    return table(["name", "type", "what"], rows)


def messages() -> str:
    """The definition of every message and service."""
    files = [*sorted((ROOT / "msg").glob("*.msg")), *sorted((ROOT / "srv").glob("*.srv"))]
    return "\n\n".join(f"### sampt_ros/{path.stem}\n\n```text\n{path.read_text().strip()}\n```" for path in files)


def parameters(options: Iterable[tuple[str, Any, Option]]) -> str:
    """A table of parameters as `walk` yields them, with their values as defaults."""
    rows = []
    for name, value, option in options:
        change = "live" if option.live else "at start" if option.fixed else "when configured"
        allowed = ", ".join(filter(None, [option.unit, option.range()]))
        rows.append(
            [
                f"`{name}`",
                type(value).__name__,
                f"`{shown(value)}`",
                allowed,
                change,
                option.description.replace("<", "&lt;"),
            ]
        )
    return table(["name", "type", "default", "unit, range", "changes", "what"], rows)


def core_parameters() -> str:
    """The core's parameters in the default preset: a table for those without a section, then one for each section."""
    core = load_preset()
    ungrouped = [option for option in walk(core) if "." not in option[0]]
    return "\n\n".join([parameters(ungrouped), *section_tables(core)])


def section_tables(config: Section) -> Iterator[str]:
    """A heading, the section's docstring and its parameters, for every section of a configuration."""
    for item in fields(config):  # type: ignore[arg-type]
        section = getattr(config, item.name)
        if is_dataclass(section):
            options = walk(section, f"{item.name}.")  # type: ignore[arg-type]
            yield f"### {item.name}\n\n{section.__doc__}\n\n{parameters(options)}"


def shown(value: Any) -> str:
    """A default as it is written in YAML."""
    if isinstance(value, tuple):
        return str(list(value))
    return str(value).lower() if isinstance(value, bool) else repr(value) if value == "" else str(value)


def filled(page: str, tables: dict[str, str]) -> str:
    """The text of a page with up-to-date tables between its markers; exits with a message if a marker is missing."""
    text = (ROOT / page).read_text()
    for name, content in tables.items():
        pattern = rf"(<!-- {name}: made by tools/docs_tables.py -->\n)(.*?)(<!-- end -->)"
        places = re.findall(pattern, text, re.DOTALL)
        if len(places) != 1:
            sys.exit(f"{page}: expected one place for the table of {name}, found {len(places)}")
        ((start, _, end),) = places
        text = re.sub(pattern, lambda found: f"{start}\n{content}\n\n{end}", text, flags=re.DOTALL)  # noqa: B023
    return text


def with_examples(page: str) -> str:
    """The text of a page in which each code block after the name of a file in examples/ holds that file's code."""

    def current(block: re.Match[str]) -> str:
        return f"{block[1]}{(ROOT / block[2]).read_text()}```\n"

    pattern = r"(\((?:\.\./)?(examples/\w+\.py)\):\n\n```python\n).*?```\n"
    return re.sub(pattern, current, (ROOT / page).read_text(), flags=re.DOTALL)


def pages() -> dict[str, str]:
    """The up-to-date text of every page that contains parts made from the code, by its path in the repository."""
    interface = {
        "inputs": endpoints("in"),
        "outputs": endpoints("out"),
        "services": endpoints("service"),
        "messages": messages(),
    }
    options = {
        "node": parameters(walk(NodeConfig())),
        "core": core_parameters(),
        "video_publisher": parameters(walk(VideoPublisherConfig())),
        "web": parameters(walk(WebNodeConfig())),
    }
    return {
        "README.md": with_examples("README.md"),
        "docs/recipes.md": with_examples("docs/recipes.md"),
        "docs/architecture.md": filled("docs/architecture.md", {"packages": packages()}),
        "docs/ros_interface.md": filled("docs/ros_interface.md", interface),
        "docs/parameters.md": filled("docs/parameters.md", options),
    }


def main() -> None:
    """Update or check the pages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit with status 1 if a page is not current")
    check = parser.parse_args().check
    for page, text in pages().items():
        if not check:
            (ROOT / page).write_text(text)
        elif (ROOT / page).read_text() != text:
            sys.exit(f"{page} is not current: run python tools/docs_tables.py")


if __name__ == "__main__":
    main()
