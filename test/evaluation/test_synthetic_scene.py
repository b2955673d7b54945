from __future__ import annotations

import numpy as np
import pytest

from sampt_ros.errors import SamPtError
from sampt_ros.evaluation.synthetic_scene import Scene


@pytest.mark.parametrize("objects", [1, 2, 5, 16])
def test_objects_of_a_scene_stay_apart_and_in_view(objects):
    scene = Scene((160, 120), objects)
    for index in (0, 7, 50):
        masks = scene.masks(index)
        assert len({int(mask.sum()) for mask in masks}) == 1  # nowhere cut off
        assert np.sum(masks, axis=0).max() == 1


def test_a_scene_without_room_is_refused():
    with pytest.raises(SamPtError, match="expected room for 16 objects of 16 pixels; got 60x60"):
        Scene((60, 60), 16)


def test_a_scene_moves_and_repeats_exactly():
    scene, again = Scene((160, 120), 2), Scene((160, 120), 2)
    assert scene.image(3).shape == (120, 160, 3)
    np.testing.assert_array_equal(scene.image(3), again.image(3))
    assert (scene.image(3) != scene.image(9)).mean() > 0.5
