from __future__ import annotations

from dataclasses import replace

import pytest

from sampt_ros.config.core import PointsConfig, ReinitConfig, SamPtConfig
from sampt_ros.config.options import require_live_change, updated, walk
from sampt_ros.config.presets import load_preset, preset_names
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


def test_every_parameter_has_a_dotted_name_and_a_description():
    parameters = {name: limits for name, _, limits in walk(SamPtConfig())}
    assert {"seed", "reinit.horizon", "prompting.carry_mask"} <= set(parameters)
    assert all(limits.description for limits in parameters.values())


def test_every_default_may_be_given_explicitly():
    defaults = {name: value for name, value, _ in walk(SamPtConfig())}
    assert updated(SamPtConfig(), defaults) == SamPtConfig()


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_loads(name):
    assert isinstance(load_preset(name), SamPtConfig)


@pytest.mark.parametrize(
    ("name", "segmenter", "refinements", "policy", "negative"),
    [
        ("mobile_sam", "mobile_sam", 3, "never", 1),
        ("sam_vit_b", "sam", 12, "never", 1),
        ("sam_vit_l", "sam", 12, "never", 1),
        ("sam_vit_h", "sam", 12, "never", 1),
        ("sam_vit_h_reinit", "sam", 12, "horizon", 72),
        ("sam_hq_vit_h", "sam_hq", 12, "never", 1),
    ],
)
def test_the_papers_presets_have_its_settings(name, segmenter, refinements, policy, negative):
    config = load_preset(name)
    assert (config.segmenter, config.point_tracker) == (segmenter, "pips")
    assert config.points == PointsConfig(8, negative, "k_medoids", "mixed")
    assert (config.prompting.refinements, config.prompting.carry_mask) == (refinements, False)
    assert config.reinit == ReinitConfig(policy, 8)
    if "vit" in name:
        assert f"vit_{getattr(config, segmenter).model[-1]}" in name


def test_changes_go_on_top_of_a_preset(tmp_path):
    preset = tmp_path / "mine.yaml"
    preset.write_text("seed: 5\nreinit:\n  horizon: 4\n  policy: never\n")
    config = load_preset(str(preset), {"reinit.horizon": 6})
    assert (config.seed, config.reinit) == (5, ReinitConfig("never", 6))


def test_an_empty_preset_file_means_the_defaults(tmp_path):
    preset = tmp_path / "empty.yaml"
    preset.write_text("# nothing\n")
    assert load_preset(str(preset)) == SamPtConfig()


def test_an_unknown_preset_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"'no_such'; expected one of .*default"):
        load_preset("no_such")


@pytest.mark.parametrize(
    "content",
    [
        b"reinit: [",  # not YAML
        b"- seed",  # a list
        b"sede: 3",  # an unknown name
        b"\xff\xfe\x00",  # not text
    ],
)
def test_a_bad_preset_file_is_refused(tmp_path, content):
    preset = tmp_path / "bad.yaml"
    preset.write_bytes(content)
    with pytest.raises(ConfigError):
        load_preset(str(preset))


def test_a_missing_preset_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"missing\.yaml"):
        load_preset(str(tmp_path / "missing.yaml"))


def test_live_parameters_may_change_while_running():
    config = SamPtConfig()
    require_live_change(config, updated(config, {"points.positive": 3, "prompting.refinements": 0, "max_objects": 2}))


@pytest.mark.parametrize("changes", [{"seed": 1}, {"reinit.horizon": 9}, {"segmenter": "grabcut"}])
def test_other_parameters_may_not_and_are_named(changes):
    config = SamPtConfig(points=PointsConfig(positive=3))
    with pytest.raises(ConfigError, match=f"{next(iter(changes))}: .*while running"):
        require_live_change(config, updated(config, {"points.positive": 4, **changes}))
