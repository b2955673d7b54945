"""A minimum cut with given evidence."""

import numpy as np

from sampt_ros.segmenters.grabcut.graph_cut import graph_cut


def two_halves():
    """A CIE Lab image (24, 48, 3) with an edge in the middle."""
    lab = np.full((24, 48, 3), 128, np.uint8)
    lab[:, :24, 0] = 60
    lab[:, 24:, 0] = 190
    return lab


def test_the_cut_moves_to_the_edge_of_the_image():
    evidence = np.full((24, 48), -1, np.float32)
    evidence[:, :21] = 1  # Three pixels short of the edge.
    evidence[:, 21:24] = -0.1
    mask = graph_cut(evidence, two_halves(), weight=20.0)
    assert mask[:, :24].all()
    assert not mask[:, 24:].any()


def test_what_is_surely_background_stays_so():
    evidence = np.full((24, 48), 3, np.float32)
    evidence[8:16, 8:16] = -np.inf
    mask = graph_cut(evidence, two_halves(), weight=20.0)
    assert not mask[8:16, 8:16].any()


def test_evidence_of_one_sign_alone_needs_no_cut():
    assert graph_cut(np.ones((4, 4), np.float32), np.zeros((4, 4, 3), np.uint8), 20.0).all()
    assert not graph_cut(-np.ones((4, 4), np.float32), np.zeros((4, 4, 3), np.uint8), 20.0).any()
