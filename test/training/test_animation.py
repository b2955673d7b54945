"""Photographs with outlines are brought to life: training/nano/pictures and animation."""

from __future__ import annotations

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from training_samples import scene


def test_outlines_become_labels_and_small_objects_are_left_out(stills):
    tiny = (np.array([[5, 5], [9, 5], [9, 9]], np.float32),)
    still = replace(stills[0], outlines=(tiny, *stills[0].outlines))
    labels = still.labels(240, 320)
    assert set(np.unique(labels)) == {0, 1}
    assert labels[110, 150] == 1
    assert labels[6, 7] == 0


def test_a_polygon_needs_three_points(tmp_path):
    from training.nano.pictures.stills import read_stills

    entry = {"file": "a.jpg", "source": "ours", "licence": "CC0", "all_objects_labelled": True}
    (tmp_path / "stills.json").write_text(json.dumps([entry | {"objects": [{"polygons": [[1, 2, 3, 4]]}]}]))
    with pytest.raises(ValueError, match="3 points"):
        read_stills(tmp_path)


def test_animated_masks_lie_on_what_they_name(stills):
    from training.nano.animation.animate import Animator
    from training.nano.animation.stage import Props

    # A flat red object before flat grey: wherever it has moved and bent to, the label must be where the red is.
    flat = np.full((240, 320, 3), 90, np.uint8)
    flat[stills[0].labels(240, 320) > 0] = (220, 30, 30)
    plain = [replace(still, path=still.path.with_suffix(".png")) for still in stills]
    for still in plain:
        cv2.imwrite(str(still.path), cv2.cvtColor(flat, cv2.COLOR_RGB2BGR))
    animate = Animator(plain, Props(plain, []))
    agreements = []
    for seed in range(12):
        sequence = animate(np.random.default_rng(seed))
        for image, labels in zip(sequence.images, sequence.labels):
            # Blur and light change the colour, and posts of grey may cover it: compare where it is surely red.
            red = image[..., 0].astype(int) - image[..., 1] > 60
            if red.sum() > 300:
                agreements.append((labels[red] > 0).mean())
    assert len(agreements) > 30
    assert np.median(agreements) > 0.95


def test_equal_seeds_animate_equally(animate):
    one, other = (animate(np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(one.images, other.images)
    np.testing.assert_array_equal(one.labels, other.labels)
    assert one.twins == other.twins


def test_a_sequence_comes_back_from_its_file(tmp_path):
    from training.nano.sequence import read_sequence, write_sequence

    sequence = scene()._replace(complete=False, twins=((1, 4),))
    write_sequence(tmp_path / "a.npz", sequence)
    whole, some = read_sequence(tmp_path / "a.npz"), read_sequence(tmp_path / "a.npz", [3, 1])
    np.testing.assert_array_equal(whole.labels, sequence.labels)
    np.testing.assert_array_equal(some.labels, [sequence.labels[3], sequence.labels[1]])
    assert np.abs(np.array(whole.images, int) - sequence.images).mean() < 12  # JPEG
    assert (whole.complete, whole.twins) == (False, ((1, 4),))


def test_something_leaves_the_view_and_mostly_comes_back():
    from training.nano.animation.motion import Span, object_motion

    view, centre = np.array([400, 300]), np.array([100.0, 150.0])
    left = returned = 0
    for seed in range(20):
        motion = object_motion(np.random.default_rng(seed), Span(48, 0.2), 60, centre, view, "leaves")
        places = centre + motion.shift
        outside = ((places < -20) | (places > view + 20)).any(1)
        left += outside.any()
        returned += outside.any() and not outside[-1]
    assert left >= 15
    assert returned >= 5
