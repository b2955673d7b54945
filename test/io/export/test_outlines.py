"""Masks as run lengths and polygons, and back."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from synthetic import disk

from sampt_ros.io.export.outlines import outline, run_lengths

RING = disk((80, 60), 40) & ~disk((85, 60), 20)
TWO = disk((40, 40), 20) | disk((120, 90), 15)
EVERYTHING = np.ones((5, 7), bool)
PIXEL = np.zeros((5, 7), bool)
PIXEL[2, 3] = True
CORNER = np.zeros((5, 7), bool)
CORNER[:2, :3] = True
MASKS = {
    "disk": disk((70, 50), 30),
    "ring": RING,
    "two parts": TWO,
    "everything": EVERYTHING,
    "pixel": PIXEL,
    "corner": CORNER,
}
ALL = pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)


@ALL
def test_run_lengths_give_the_mask_back(mask):
    lengths = run_lengths(mask)
    values = np.arange(len(lengths)) % 2
    assert (np.repeat(values, lengths).reshape(mask.shape, order="F") == mask).all()
    assert (lengths[1:] > 0).all()


@ALL
def test_a_filled_outline_is_the_mask_but_for_bridges(mask):
    polygon = outline(mask)
    assert len(polygon) >= 3
    filled = cv2.fillPoly(np.zeros(mask.shape, np.uint8), [polygon.astype(np.int32)], 1) > 0
    assert (filled | ~mask).all()
    if mask is TWO:  # the bridge over the background between its parts
        assert 0 < (filled & ~mask).sum() < 120
    else:
        assert (filled == mask).all()
