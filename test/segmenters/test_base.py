"""Prompts of several objects in one batch, and masks as full-resolution logits."""

import numpy as np

from sampt_ros.data_types import NEGATIVE, POSITIVE
from sampt_ros.segmenters.base import PADDING, MaskDecoded, Prompts


def test_pack_puts_positive_points_first_and_pads_the_rest():
    two, one, none = np.array([(8, 8), (7, 5)], np.float32), np.array([(18, 7)], np.float32), np.zeros((0, 2))
    prompts = Prompts.pack([two, one], [one, none])
    assert prompts.labels.tolist() == [[POSITIVE, POSITIVE, NEGATIVE], [POSITIVE, PADDING, PADDING]]
    assert prompts.xy[0].tolist() == [[8, 8], [7, 5], [18, 7]]
    assert len(prompts) == 2


def test_boxes_are_those_of_the_masks_and_nan_where_one_is_empty():
    logits = np.full((2, 10, 20), -1, np.float32)
    logits[0, 2:5, 3:9] = 1
    boxes = MaskDecoded(logits, np.ones(2, np.float32)).boxes()
    assert boxes[0].tolist() == [3, 2, 8, 4]
    assert np.isnan(boxes[1]).all()


def test_wholes_have_parts_and_objects_on_the_same_thing_are_parts_of_each_other():
    nothing = [np.zeros((0, 2))] * 4
    alone = Prompts.pack(nothing, nothing)
    assert [alone.no_rivals(row) for row in range(4)] == [[0], [1], [2], [3]]
    assert [alone.wholes_only(row) for row in range(4)] == [[]] * 4
    prompts = Prompts.pack(nothing, nothing, wholes=[[], [0], [3], [2]])
    assert [prompts.no_rivals(row) for row in range(4)] == [[0, 1], [1], [2, 3], [3, 2]]
    assert [prompts.wholes_only(row) for row in range(4)] == [[], [0], [], []]
