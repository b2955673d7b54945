"""Prints the section of CHANGELOG.md about a version, for its release; fails if tag, package.xml and it disagree.

python tools/release_notes.py v0.1.0
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[1]


def notes(tag: str, version: str, changelog: str) -> str:
    """The section of a changelog about a version, without its heading; raises ValueError if something disagrees.

    tag        tag of the release, such as v0.1.0
    version    version in package.xml
    changelog  text with a heading such as "## 0.1.0 (2026-01-31)" for each version, the newest one first
    """
    if tag != f"v{version}":
        raise ValueError(f"expected the tag v{version}, since package.xml has the version {version}; got {tag!r}")
    heading, _, rest = changelog.partition("\n## ")[2].partition("\n")
    if not re.fullmatch(rf"{re.escape(version)} \(\d{{4}}-\d\d-\d\d\)", heading):
        raise ValueError(f"expected '## {version} (YYYY-MM-DD)' at the top of CHANGELOG.md; got '## {heading}'")
    return rest.partition("\n## ")[0].strip() + "\n"


def main(tag: str) -> None:
    """Print the notes of a tag, or end with the reason why there are none."""
    version = ElementTree.parse(ROOT / "package.xml").findtext("version") or ""
    try:
        print(notes(tag, version, (ROOT / "CHANGELOG.md").read_text()), end="")
    except ValueError as error:
        sys.exit(f"tools/release_notes.py: {error}")


if __name__ == "__main__":
    main(*sys.argv[1:])
