"""The network of the nano segmenter, with random weights."""

from dataclasses import replace

import pytest

pytest.importorskip("torch", reason="torch is missing, which the network runs on")

import torch

from sampt_ros.segmenters.nano.interface import PROMPT_CHANNELS
from sampt_ros.segmenters.nano.network import NanoNetwork


@pytest.mark.parametrize("side", [96, 256])
def test_the_network_takes_windows_of_any_size(side):
    network = NanoNetwork().eval()
    with torch.inference_mode():
        features = network.encode(torch.zeros(2, 3, side, side))
        memory = network.memorize(features, torch.ones(2, 1, side, side))
        logits, rating = network.decode(features, torch.zeros(2, PROMPT_CHANNELS, side // 4, side // 4), memory)
    assert logits.shape == (2, side // 2, side // 2)
    assert rating.shape == (2,)


def test_no_memory_is_as_a_memory_of_nothing():
    network = NanoNetwork().eval()
    with torch.inference_mode():
        features = network.encode(torch.rand(1, 3, 96, 96) * 255)
        empty = network.memorize(features, torch.ones(1, 1, 96, 96))
        empty = replace(empty, valid=torch.zeros_like(empty.valid))
        prompts = torch.zeros(1, PROMPT_CHANNELS, 24, 24)
        torch.testing.assert_close(network.decode(features, prompts, empty), network.decode(features, prompts))
