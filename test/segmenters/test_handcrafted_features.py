"""What cells of an image look like without a network."""

import numpy as np
import pytest

from sampt_ros.segmenters.handcrafted_features import colors_and_gradients


def test_colors_and_gradients_tell_colours_and_directions_apart():
    image = np.full((96, 128, 3), 128, np.uint8)
    image[:, 32:64] = (200, 30, 30)
    image[:, 64::4] = 255  # upright lines
    image[48::4, 96:] = 255
    feature_map = colors_and_gradients(image)
    assert feature_map.shape == (6, 8, 27)
    assert np.linalg.norm(feature_map, axis=2) == pytest.approx(1, abs=1e-3)
    assert feature_map[1, 0] @ feature_map[4, 0] > 0.99
    assert feature_map[1, 0] @ feature_map[1, 2] < 0.8
    assert feature_map[1, 5] @ feature_map[5, 7] < 0.98
