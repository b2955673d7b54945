"""PIPS against reference numbers, and its stream against the network called on whole windows."""

from __future__ import annotations

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is missing", exc_type=ImportError)


@pytest.fixture(scope="module")
def golden(shared_folder) -> dict[str, np.ndarray]:
    """One window of the published implementation; weights made from names."""
    return dict(np.load(shared_folder / "golden/pips_window.npz"))


def call(network, images, xy, **options) -> list[np.ndarray]:
    """The network called on a window of images: trajectory, visibility logits, feature."""
    with torch.inference_mode():
        found = network(torch.from_numpy(np.stack(images)), torch.from_numpy(np.asarray(xy, np.float32)), **options)
    return [tensor.numpy() for tensor in found]


def test_tensors_have_the_names_and_shapes_of_the_published_checkpoint(pips_network, shared_folder):
    expected = json.loads((shared_folder / "golden/pips_state_dict.json").read_text())
    assert {name: list(tensor.shape) for name, tensor in pips_network.state_dict().items()} == expected


def test_a_window_gives_the_reference_numbers(pips_network, golden):
    trajectory, logits, feature = call(pips_network, golden["frames"], golden["query_xy"])
    np.testing.assert_allclose(trajectory, golden["trajectory"], rtol=0, atol=0.01)
    np.testing.assert_allclose(logits, golden["visibility_logits"], rtol=0, atol=0.02)
    np.testing.assert_allclose(feature, golden["feature"], rtol=0, atol=1e-3)
