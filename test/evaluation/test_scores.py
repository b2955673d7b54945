from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from sampt_ros.evaluation.scores import Column, Score, Table


@dataclass(frozen=True)
class CupScore(Score):
    """With a value of every kind."""

    columns = (
        Column("cups", "cups", "{}", "cups", total=True),
        Column("height", "height", "{:.1f}", "height_cm"),
        Column("by_trial", "try {}", "{:.2f}", "tries"),
        Column("by_color", "{} cups", "{:.0%}", "colors"),
        Column("heights", total=True),
        Column("tallest", json="tallest"),
    )

    cups: int
    height: float | None
    by_trial: tuple[float, ...]
    by_color: Mapping[str, float]
    heights: tuple[float, ...] = ()

    @property
    def tallest(self):
        return max(self.heights, default=None)


ONE = CupScore(1, 2.0, (0.5, 1.0), {"red": 0.25}, (2.0,))
TWO = CupScore(2, 4.0, (0.0, 0.5), {"red": 0.75}, (3.0, 5.0))


def test_a_table_has_the_columns_of_its_scores_and_one_for_each_part():
    table = Table([ONE])
    assert table.heading == "  cups  height   try 1   try 2  red cups"
    assert table.row(ONE) == "     1     2.0    0.50    1.00       25%"


def test_columns_are_as_wide_as_the_scores_need():
    table = Table([ONE, CupScore(1, 1e9, (0.0, 0.0), {"red": 1.0})])
    assert table.heading.split() == Table([ONE]).heading.split()
    assert len(table.row(ONE)) == len(table.heading) == len(Table([ONE]).heading) + len("1000000000.0") - len("height")


def test_a_score_without_a_part_that_others_have_has_an_empty_cell():
    blue = CupScore(1, 2.0, (0.5, 1.0), {"blue": 1.0})
    table = Table([ONE, blue])
    assert table.heading.endswith("red cups  blue cups")
    assert table.row(blue).split()[-2:] == ["1.00", "100%"]
    assert len(table.row(blue)) == len(table.row(ONE)) == len(table.heading)


def test_a_table_may_have_some_columns_only():
    assert Table([ONE], CupScore.columns[:1]).row(ONE).split() == ["1"]


def test_the_mean_has_means_of_parts_and_totals():
    assert CupScore.mean([ONE, TWO]) == CupScore(3, 3.0, (0.25, 0.75), {"red": 0.5}, (2.0, 3.0, 5.0))
    assert CupScore.mean([ONE, TWO]).tallest == 5


@pytest.mark.parametrize(("known", "mean"), [([2.0, None, 4.0], 3.0), ([None, None], None)])
def test_what_was_not_to_be_had_is_left_out_of_the_mean(known, mean):
    assert CupScore.mean([CupScore(1, height, (), {}) for height in known]).height == mean


def test_what_was_not_to_be_had_is_nan_in_a_table_and_null_in_json():
    score = CupScore(1, None, (), {})
    assert Table([score]).row(score).split() == ["1", "nan"]
    assert json.loads(json.dumps(score.as_json()))["height_cm"] is None


def test_json_has_the_fields_that_columns_name():
    assert json.loads(json.dumps(TWO.as_json())) == {
        "cups": 2,
        "height_cm": 4.0,
        "tries": [0.0, 0.5],
        "colors": {"red": 0.75},
        "tallest": 5.0,
    }


def test_a_field_without_a_column_has_no_mean():
    @dataclass(frozen=True)
    class WithMore(CupScore):
        more: float = 0.0

    with pytest.raises(KeyError, match="more"):
        WithMore.mean([WithMore(1, 2.0, (), {})])
