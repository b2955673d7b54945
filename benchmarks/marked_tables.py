"""Makes Markdown tables, and puts text between a program's markers in a page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows of cells as a Markdown table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def between_markers(document: str, program: str, text: str) -> str:
    """A document whose text between a program's markers is replaced by `text`; raises ValueError without markers."""
    opening, closing = f"<!-- {program} begins -->", f"<!-- {program} ends -->"
    before, begin, rest = document.partition(opening)
    _, end, after = rest.partition(closing)
    if not begin or not end:
        raise ValueError(f"expected the lines {opening} and {closing}")
    return f"{before}{opening}\n\n{text}\n\n{closing}{after}"
