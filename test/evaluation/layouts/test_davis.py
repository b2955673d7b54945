from __future__ import annotations

import pytest
from davis_folders import davis_folder, moving_squares

from sampt_ros.errors import SourceError
from sampt_ros.evaluation.layouts.davis import davis_sequences


def test_sequences_are_chosen_by_name(tmp_path):
    for name in ("a", "b", "c"):
        davis_folder(tmp_path, moving_squares((20, 20)), name)
    assert [sequence.name for sequence in davis_sequences(tmp_path)] == ["a", "b", "c"]
    assert [sequence.name for sequence in davis_sequences(tmp_path, ["c", "a"])] == ["c", "a"]
    with pytest.raises(SourceError, match="unknown sequences d; expected some of a, b, c"):
        davis_sequences(tmp_path, ["a", "d"])


def test_without_names_those_of_the_validation_set_are_taken(tmp_path):
    for name in ("a", "b", "c"):
        davis_folder(tmp_path, moving_squares((20, 20)), name)
    (tmp_path / "ImageSets/2017").mkdir(parents=True)
    (tmp_path / "ImageSets/2017/val.txt").write_text("c\na\n")
    assert [sequence.name for sequence in davis_sequences(tmp_path)] == ["c", "a"]
    assert [sequence.name for sequence in davis_sequences(tmp_path, ["b"])] == ["b"]
    (tmp_path / "ImageSets/2017/val.txt").write_text("c\nx\n")
    with pytest.raises(SourceError, match=r"sequences that .*val\.txt names in .*; there is no x \(--sequences"):
        davis_sequences(tmp_path)


def test_objects_of_the_first_frame_alone_count_and_the_last_frame_is_not_scored(tmp_path):
    (sequence,) = davis_sequences(davis_folder(tmp_path, moving_squares((20, 20))))
    assert (sequence.later_objects, sequence.scores_last) == (False, False)
    assert sequence.counts(1, 0)
    assert not sequence.counts(2, 3)


def test_folders_in_another_layout_are_refused(tmp_path):
    with pytest.raises(SourceError, match=r"JPEGImages/480p and Annotations/480p .*MOSE.* NN\.jpg and NN_mask\.png"):
        davis_sequences(tmp_path)
    davis_folder(tmp_path, moving_squares((20, 20)))
    (tmp_path / "Annotations/480p/seq/00003.png").unlink()
    with pytest.raises(SourceError, match=r"an annotation for every frame; there is no .*00003\.png"):
        davis_sequences(tmp_path)


@pytest.mark.parametrize("number", [0, 3, 5])
def test_an_annotation_whose_image_is_missing_is_refused(tmp_path, number):
    davis_folder(tmp_path, moving_squares((20, 20)))
    (tmp_path / f"JPEGImages/480p/seq/{number:05d}.jpg").unlink()
    with pytest.raises(SourceError, match=rf"an image for every annotation; there is none for .*{number:05d}\.png"):
        davis_sequences(tmp_path)


def test_two_frames_are_too_few(tmp_path):
    with pytest.raises(SourceError, match="at least 3 frames"):
        davis_sequences(davis_folder(tmp_path, moving_squares((20, 20))[:2]))


def test_real_sequences_are_read(shared_folder):
    sequences = davis_sequences(shared_folder / "data/davis")
    assert len(sequences) == 15
    for sequence in sequences:
        assert list(sequence.truth(0).masks) == [1]
