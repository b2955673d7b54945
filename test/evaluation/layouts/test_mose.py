from __future__ import annotations

import pytest
from davis_folders import moving_squares, vos_folder

from sampt_ros.errors import SourceError
from sampt_ros.evaluation.layouts.mose import mose_sequences


def test_a_video_has_the_annotations_that_are_there(tmp_path):
    labels = moving_squares((20, 20), ids=(1,))
    vos_folder(tmp_path, {0: labels[0], 3: labels[3]}, "b")
    vos_folder(tmp_path, dict(enumerate(labels)), "a")
    dense, sparse = mose_sequences(tmp_path)
    assert (dense.name, sorted(dense.annotations)) == ("a", [0, 1, 2, 3, 4, 5])
    assert (sparse.name, sorted(sparse.annotations)) == ("b", [0, 3])
    assert [frame.name for frame in sparse.frames] == [f"{index:05d}.jpg" for index in range(0, 30, 5)]
    assert (sparse.later_objects, sparse.scores_last, sparse.objects) == (True, False, None)
    assert [sequence.name for sequence in mose_sequences(tmp_path, ["b"])] == ["b"]


def test_another_layout_is_refused(tmp_path):
    with pytest.raises(SourceError, match="expected JPEGImages/VIDEO and Annotations/VIDEO"):
        mose_sequences(tmp_path)
