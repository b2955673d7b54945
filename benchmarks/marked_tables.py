"""Tables in Markdown, and the place that a page has for those of a program."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows of cells as a Markdown table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def between_markers(document: str, program: str, text: str) -> str:
    """A document with `text` in place of what is between a program's markers; raises ValueError if it has none."""
    opening, closing = f"<!-- {program} begins -->", f"<!-- {program} ends -->"
    before, begin, rest = document.partition(opening)
    _, end, after = rest.partition(closing)
    if not begin or not end:
        raise ValueError(f"expected the lines {opening} and {closing}")
    return f"{before}{opening}\n\n{text}\n\n{closing}{after}"
