"""docs/models.md names every model with its weights and their licence, and every preset."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sampt_ros.config.presets import load_preset, preset_names
from sampt_ros.descriptors import DESCRIPTORS
from sampt_ros.mask_propagators import MASK_PROPAGATORS
from sampt_ros.point_trackers import POINT_TRACKERS
from sampt_ros.segmenters import ONE_SHOTS, SEGMENTERS
from sampt_ros.weights.registry import MODELS

ROOT = Path(__file__).resolve().parents[2]
if not (ROOT / "docs/models.md").is_file():
    pytest.skip("the documentation is not part of an installed package", allow_module_level=True)
PAGE = (ROOT / "docs/models.md").read_text()
TABLES = {"Point trackers": POINT_TRACKERS, "Segmenters": SEGMENTERS, "Mask propagators": MASK_PROPAGATORS}
ALL_TABLES = {**TABLES, "Descriptors": DESCRIPTORS, "One-shot methods": ONE_SHOTS}


def rows(heading: str, page: str = PAGE) -> dict[str, list[str]]:
    """The cells of every row of the first table under a heading, by the name in its first cell."""
    section = page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| `")]
    return {cells[0].strip("`"): cells for cells in lines}


def names(cell: str) -> list[str]:
    return re.findall(r"`(\w+)`", cell)


@pytest.mark.parametrize("heading", ALL_TABLES)
def test_every_model_has_a_row_with_its_weights_and_their_licence(heading):
    found = rows(heading)
    assert sorted(found) == sorted(ALL_TABLES[heading])
    for name, cells in found.items():
        published = [model for model in MODELS.values() if model.option == f"{name}.checkpoint"]
        assert names(cells[2]) == [model.name for model in published]
        if published:
            assert {cells[3]} == {model.licence for model in published}


def test_every_preset_is_recommended_for_some_machine():
    section = PAGE.partition("\n## Which preset\n")[2].partition("\n## ")[0]
    told = [name for line in section.splitlines() if line.startswith("| ") for name in names(line.split(" | ")[1])]
    assert sorted(told) == preset_names()


def test_the_readme_names_every_preset_once_for_some_machine_of_the_page():
    def by_machine(page: str) -> dict[str, list[str]]:
        table = page.partition("\n| machine | preset |")[2].partition("\n\n")[0]
        cells = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")]
        return {machine: names(presets) for machine, presets, *_ in cells if machine != "why"}

    told = by_machine((ROOT / "README.md").read_text())
    assert sorted(name for named in told.values() for name in named) == preset_names()
    for machine, named in by_machine(PAGE).items():
        known = next(presets for other, presets in told.items() if machine.startswith(other.partition(",")[0]))
        assert set(named) <= set(known), machine


def test_the_times_are_the_last_column_of_every_table_of_models():
    for heading in TABLES:
        section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
        lines = [line for line in section.splitlines() if line.startswith("|")]
        assert lines[0].endswith("| ms a frame here |")
        assert {line.count("|") for line in lines} == {lines[0].count("|")}


def test_every_preset_is_in_the_table_of_presets_with_its_tracker():
    page = (ROOT / "docs/parameters.md").read_text()
    section = page.partition("\n## Presets\n")[2].partition("\n## ")[0]
    found = {}
    for line in section.splitlines():
        if line.startswith("| `"):
            cells = line.strip("| ").split(" | ")
            found |= dict.fromkeys(names(cells[0]), names(cells[2])[0])
    assert found == {name: load_preset(name).point_tracker for name in preset_names()}
