"""Presets: named YAML files of parameters."""

import pytest

from sampt_ros.config.core import PointsConfig, ReinitConfig, SamPtConfig
from sampt_ros.config.presets import load_preset, preset_names
from sampt_ros.errors import ConfigError


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


@pytest.mark.parametrize("name", ["sam_vit_h", "mobile_sam"])
def test_a_preset_with_tapir_differs_by_the_tracker_alone(name):
    assert load_preset(f"{name}_tapir") == load_preset(name, {"point_tracker": "tapir"})


@pytest.mark.parametrize("name", ["sam2_tiny", "edgetam"])
def test_the_presets_of_sam2_differ_from_mobile_sams_by_the_segmenter_alone(name):
    expected = load_preset("mobile_sam_tapir", {"segmenter": name.removesuffix("_tiny"), "sam2.model": "tiny"})
    assert load_preset(name) == expected


def test_the_preset_of_persam_differs_by_how_objects_known_from_a_picture_are_found():
    assert load_preset("persam") == load_preset("sam_vit_h_tapir", {"one_shot": "persam"})


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
        b"seed: 2024-13-45",  # no date
        b"seed: !!bool maybe",
        b"seed: !!timestamp soon",
        b"seed: 0x_",
        b"seed: " + b"[" * 3000,
    ],
)
def test_a_bad_preset_file_is_refused(tmp_path, content):
    preset = tmp_path / "bad.yaml"
    preset.write_bytes(content)
    with pytest.raises(ConfigError, match=r"bad\.yaml|sede"):
        load_preset(str(preset))


def test_a_missing_preset_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"missing\.yaml"):
        load_preset(str(tmp_path / "missing.yaml"))


def test_a_parameter_that_comes_twice_in_a_preset_is_an_error(tmp_path):
    (tmp_path / "mine.yaml").write_text("segmenter: grabcut\nreinit: {horizon: 8}\nsegmenter: nano\n")
    with pytest.raises(ConfigError, match=r"cannot read preset .*expected each key once; got 'segmenter' 2 times"):
        load_preset(str(tmp_path / "mine.yaml"))
