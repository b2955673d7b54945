"""The core's parameters."""

import re

import pytest

from sampt_ros.config.core import SamPtConfig
from sampt_ros.config.node import NodeConfig, VideoPublisherConfig
from sampt_ros.config.options import updated, walk
from sampt_ros.config.segmenters import NanoConfig
from sampt_ros.errors import ConfigError


def test_every_parameter_has_a_dotted_name_and_a_description():
    parameters = {name: limits for name, _, limits in walk(SamPtConfig())}
    assert {"seed", "reinit.horizon", "prompting.carry_mask"} <= set(parameters)
    assert all(limits.description for limits in parameters.values())


def test_every_default_may_be_given_explicitly():
    defaults = {name: value for name, value, _ in walk(SamPtConfig())}
    assert updated(SamPtConfig(), defaults) == SamPtConfig()


def test_the_window_must_suit_the_network():
    with pytest.raises(ConfigError, match="window: expected a multiple of 32, got 250"):
        NanoConfig(window=250)


@pytest.mark.parametrize(
    "config", [SamPtConfig(), NodeConfig(), VideoPublisherConfig()], ids=lambda c: type(c).__name__
)
def test_every_description_stands_alone(config):
    descriptions = [limits.description for _, _, limits in walk(config)]
    refers_to_another = re.compile("likewise|the same as|see above", re.IGNORECASE)
    assert [text for text in descriptions if refers_to_another.search(text) or len(text) < 20] == []
