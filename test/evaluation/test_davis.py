from __future__ import annotations

import numpy as np
import pytest
from davis_folders import davis_folder, moving_squares, square

from sampt_ros.errors import SourceError
from sampt_ros.evaluation.davis import Annotation, davis_sequences
from sampt_ros.io.label_images import write_labels


def annotation(folder, labels):
    write_labels(folder / "labels.png", labels.astype(np.uint8))
    return Annotation.read(folder / "labels.png")


def test_an_annotation_of_0_and_255_is_one_object(tmp_path):
    read = annotation(tmp_path, 255 * square(20, 20))
    assert list(read.masks) == [1]
    np.testing.assert_array_equal(read.masks[1], square(20, 20))
    assert not read.void.any()


def test_beside_object_ids_255_is_void(tmp_path):
    read = annotation(tmp_path, 3 * square(20, 20) + 255 * square(50, 30))
    assert list(read.masks) == [3]
    np.testing.assert_array_equal(read.masks[3], square(20, 20))
    np.testing.assert_array_equal(read.void, square(50, 30))


def test_an_empty_annotation_has_one_object_that_is_not_to_be_seen(tmp_path):
    read = annotation(tmp_path, np.zeros((48, 64)))
    assert list(read.masks) == [1]
    assert not read.masks[1].any()


def test_sequences_are_chosen_by_name(tmp_path):
    for name in ("a", "b", "c"):
        davis_folder(tmp_path, moving_squares((20, 20)), name)
    assert [sequence.name for sequence in davis_sequences(tmp_path)] == ["a", "b", "c"]
    assert [sequence.name for sequence in davis_sequences(tmp_path, ["c", "a"])] == ["c", "a"]
    with pytest.raises(SourceError, match="unknown sequences d; expected some of a, b, c"):
        davis_sequences(tmp_path, ["a", "d"])


def test_folders_in_another_layout_are_refused(tmp_path):
    with pytest.raises(SourceError, match=r"JPEGImages/480p and Annotations/480p .* NN\.jpg and NN_mask\.png"):
        davis_sequences(tmp_path)
    davis_folder(tmp_path, moving_squares((20, 20)))
    (tmp_path / "Annotations/480p/seq/00003.png").unlink()
    with pytest.raises(SourceError, match=r"an annotation for every frame; there is no .*00003\.png"):
        davis_sequences(tmp_path)


def test_two_frames_are_too_few(tmp_path):
    with pytest.raises(SourceError, match="at least 3 frames"):
        davis_sequences(davis_folder(tmp_path, moving_squares((20, 20))[:2]))


def test_real_sequences_are_read(shared_folder):
    sequences = davis_sequences(shared_folder / "data/davis")
    assert len(sequences) == 15
    for sequence in sequences:
        assert list(Annotation.read(sequence.annotations[0]).masks) == [1]
