"""All parameters of a running node, under one set of names."""

from __future__ import annotations

import pytest

from sampt_ros.config.live import Settings
from sampt_ros.config.node import NodeConfig
from sampt_ros.config.options import walk
from sampt_ros.config.presets import load_preset, preset_names
from sampt_ros.errors import ConfigError


@pytest.fixture
def settings() -> Settings:
    made = Settings()
    made.load_preset()
    return made


def test_the_names_are_the_nodes_and_the_cores(settings):
    names = [name for config in (NodeConfig(), load_preset()) for name, _, _ in walk(config)]
    assert settings.names == set(names)
    assert len(settings.names) == len(names)  # none means two things


def test_the_preset_gives_the_cores_defaults(settings):
    assert settings.core == load_preset("default")


def test_parameters_of_both_change_together(settings):
    settings.change({"history": 2.0, "reinit.horizon": 4})
    assert (settings.node.history, settings.core.reinit.horizon) == (2.0, 4)


@pytest.mark.parametrize(
    "bad", [{"reinit.horizon": 0}, {"history": -1.0}, {"unheard.of": 1}], ids=["core", "node", "unknown"]
)
def test_one_bad_value_and_nothing_changes(settings, bad):
    before = settings.node, settings.core
    with pytest.raises(ConfigError):
        settings.change({"clicks": "last_object", "points.positive": 3, **bad})
    assert (settings.node, settings.core) == before


def test_while_running_only_live_parameters_change(settings):
    settings.change({"history": 2.0, "points.positive": 3}, running=True)
    assert (settings.node.history, settings.core.points.positive) == (2.0, 3)
    for name, value in (("reinit.horizon", 4), ("image_transport", "compressed")):
        with pytest.raises(ConfigError, match=f"{name}: cannot change while running"):
            settings.change({name: value}, running=True)


def test_an_unknown_preset_is_bad_and_the_default_one_stands_in():
    settings = Settings()
    settings.change({"preset": "magic"})
    settings.load_preset()
    assert settings.core == load_preset()
    with pytest.raises(ConfigError, match=f"unknown preset 'magic'; expected one of {', '.join(preset_names())}"):
        settings.require_good()


def test_a_good_value_takes_the_blame_away(settings):
    settings.bad = {"seed": "seed: expected at least 0", "history": "history: expected 0 to 30"}
    settings.change({"seed": 1})
    with pytest.raises(ConfigError, match=r"^history: expected 0 to 30$"):
        settings.require_good()
    settings.change({"history": 1.0})
    settings.require_good()
