"""Scores as rows of a table and as JSON.

A score is the result of a measurement for one sequence, object or case: a frozen dataclass derived from `Score` that
lists its `columns`. The table's heading and rows, the JSON fields and the mean of several scores follow from that list.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from functools import reduce
from statistics import fmean
from typing import Any, ClassVar, TypeVar

SomeScore = TypeVar("SomeScore", bound="Score")

_MIN_WIDTH = 6  # characters, so that most later rows fit under a heading that was printed before them


@dataclass(frozen=True)
class Column:
    """One value of a score.

    name     the attribute that holds it, a dataclass field or a property; a dotted path is allowed
    heading  its heading in a table; "" leaves it out of tables. With "{}" in it, the value is a tuple or a mapping, and
             each of its parts has its own column: "{}" is replaced by the part's number, from 1, or its key
    format   format of the value, or of each part, for `str.format`
    json     its field in JSON; "" leaves it out of JSON
    total    whether the mean of several scores has the sum (of tuples, the concatenation) of their values instead
    """

    name: str
    heading: str = ""
    format: str = "{:.3f}"
    json: str = ""
    total: bool = False

    def value(self, score: Score) -> Any:
        """The score's value in this column."""
        return operator.attrgetter(self.name)(score)


@dataclass(frozen=True)
class Score:
    """Base of all scores. A value of None is unknown: "nan" in tables, null in JSON, left out of means."""

    columns: ClassVar[Sequence[Column]] = ()

    @classmethod
    def mean(cls: type[SomeScore], scores: Sequence[SomeScore]) -> SomeScore:
        """The mean of at least one score, with equal weights; columns with `total` are summed instead.

        Raises KeyError if a dataclass field has no column.
        """
        columns = {column.name: column for column in cls.columns}
        names = [field.name for field in fields(cls)]
        values = {name: [getattr(score, name) for score in scores] for name in names}
        return replace(
            scores[0],
            **{name: (_sum if columns[name].total else _mean)(each) for name, each in values.items()},
        )

    def as_json(self) -> dict[str, Any]:
        """The score in a form that `json.dump` accepts."""
        return {column.json: _plain(column.value(self)) for column in self.columns if column.json}


class Table:
    """Lays out scores of one class as text: a heading, and a row for each.

    The columns are as wide as the scores given here require; rows of later scores may exceed them.
    """

    def __init__(self, scores: Sequence[Score], columns: Sequence[Column] | None = None) -> None:
        """Lay out at least one score, in these columns or else in those of its class."""
        columns = scores[0].columns if columns is None else columns
        self._cells = [(column, key) for column in columns if column.heading for key in _keys(column, scores)]
        headings = [column.heading.format(key) for column, key in self._cells]
        lines = [headings, *map(self._texts, scores)]
        self._widths = [max(_MIN_WIDTH, *map(len, texts)) for texts in zip(*lines)]
        self.heading = self._aligned(headings)

    def row(self, score: Score) -> str:
        """One line, with every value under its heading."""
        return self._aligned(self._texts(score))

    def _texts(self, score: Score) -> list[str]:
        return [_text(column, key, column.value(score)) for column, key in self._cells]

    def _aligned(self, texts: Sequence[str]) -> str:
        return "  ".join(text.rjust(width) for text, width in zip(texts, self._widths))


def _keys(column: Column, scores: Sequence[Score]) -> Iterable[Any]:
    """The keys of all parts that any score has in a column, or a single None if a value is one cell."""
    if "{}" not in column.heading:
        return [None]
    return dict.fromkeys(key for score in scores for key in _parts(column.value(score)))


def _parts(value: Any) -> Mapping[Any, Any]:
    return value if isinstance(value, Mapping) else dict(enumerate(value, 1))


def _text(column: Column, key: Any, value: Any) -> str:
    """The text of a cell; empty if this score has no such part."""
    if key is not None:
        parts = _parts(value)
        if key not in parts:
            return ""
        value = parts[key]
    return "nan" if value is None else column.format.format(value)


def _sum(values: Sequence[Any]) -> Any:
    return reduce(operator.add, values)


def _mean(values: Sequence[Any]) -> Any:
    """The mean of numbers, or part by part of tuples or mappings."""
    if isinstance(values[0], Mapping):
        return {key: _mean([value[key] for value in values]) for key in values[0]}
    if isinstance(values[0], tuple):
        return tuple(_mean(parts) for parts in zip(*values))
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _plain(value: Any) -> Any:
    """A value converted to JSON types: dicts with string keys, lists, numbers, None."""
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return value
