"""Options: what is refused, and what may change while running."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sampt_ros.config.core import PointsConfig, ReinitConfig, SamPtConfig
from sampt_ros.config.options import require_live_change, updated
from sampt_ros.errors import ConfigError


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        # a misspelt name, with the known ones
        ({"segmentor": "sam"}, "unknown parameter segmentor.*segmenter"),
        # a misspelt name in a section, dotted and nested
        ({"reinit.horzion": 4}, r"unknown parameter reinit\.horzion.*horizon"),
        ({"reinit": {"horzion": 4}}, r"unknown parameter reinit\.horzion.*horizon"),
        # a section is not a value, a value is not a section
        ({"reinit": 4}, "unknown parameter reinit"),
        ({"seed.value": 4}, r"unknown parameter seed\.value"),
        # a section without parameters
        ({"reinit": None}, r"reinit: expected parameters of this section \(policy, horizon.*\); got none"),
        # dotted and nested at once, in either order
        ({"reinit": {"horizon": 3}, "reinit.horizon": 5}, r"reinit\.horizon: expected each parameter once"),
        ({"reinit.horizon": 5, "reinit": {"horizon": 3}}, r"reinit\.horizon: expected each parameter once"),
        # not one of the choices
        ({"reinit.policy": "sometimes"}, r"reinit\.policy: expected one of never, horizon, .*'sometimes'"),
        # out of range on either side, and where there is only one side
        ({"points.positive": 0}, r"points\.positive: expected 1 to 256, got 0"),
        ({"points.positive": 257}, r"points\.positive: expected 1 to 256, got 257"),
        ({"seed": -1}, "seed: expected at least 0, got -1"),
        # NaN compares as neither under nor over
        ({"prompting.iou_threshold": float("nan")}, r"prompting\.iou_threshold: expected 0 to 1, got nan"),
        # of another type: a bool is no int, a float is no int, a number is no string
        ({"points.positive": True}, r"points\.positive: expected int, got True \(bool\)"),
        ({"points.positive": 8.0}, r"points\.positive: expected int, got 8.0 \(float\)"),
        ({"visibility.border": False}, r"visibility\.border: expected float, got False \(bool\)"),
        ({"segmenter": 3}, r"segmenter: expected str, got 3 \(int\)"),
    ],
)
def test_a_bad_change_is_refused_with_what_is_allowed(changes, complaint):
    with pytest.raises(ConfigError, match=complaint):
        updated(SamPtConfig(), changes)


def test_a_section_checks_itself():
    with pytest.raises(ConfigError, match="horizon: expected 1 to 256, got 0"):
        ReinitConfig(horizon=0)


def test_an_int_will_do_for_a_float():
    threshold = updated(SamPtConfig(), {"prompting.iou_threshold": 1}).prompting.iou_threshold
    assert (threshold, type(threshold)) == (1.0, float)


def test_dotted_and_nested_names_mean_the_same():
    dotted = updated(SamPtConfig(), {"reinit.horizon": 4, "reinit.policy": "never", "seed": 3})
    nested = updated(SamPtConfig(), {"reinit": {"horizon": 4, "policy": "never"}, "seed": 3})
    mixed = updated(SamPtConfig(), {"reinit": {"horizon": 4}, "reinit.policy": "never", "seed": 3})
    assert dotted == nested == mixed == replace(SamPtConfig(), seed=3, reinit=ReinitConfig("never", 4))


def test_a_change_leaves_the_original_alone():
    config = SamPtConfig()
    updated(config, {"points.positive": 3})
    assert config == SamPtConfig()


def test_live_parameters_may_change_while_running():
    config = SamPtConfig()
    require_live_change(config, updated(config, {"points.positive": 3, "prompting.refinements": 0, "max_objects": 2}))


@pytest.mark.parametrize("changes", [{"seed": 1}, {"reinit.horizon": 9}, {"segmenter": "grabcut"}])
def test_other_parameters_may_not_and_are_named(changes):
    config = SamPtConfig(points=PointsConfig(positive=3))
    with pytest.raises(ConfigError, match=f"{next(iter(changes))}: .*while running"):
        require_live_change(config, updated(config, {"points.positive": 4, **changes}))
