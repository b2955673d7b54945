from __future__ import annotations

import numpy as np
import pytest
from davis_folders import square

from sampt_ros.errors import SourceError
from sampt_ros.evaluation.layouts.sequences import (
    AnnotatedSequence,
    Annotation,
    ListedObject,
    chosen_folders,
    frames_and_annotations,
)
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


def test_in_a_sequence_of_several_objects_255_alone_is_void(tmp_path):
    labels = [np.zeros((48, 64)), 3 * square(20, 20), 255 * square(50, 30), np.zeros((48, 64))]
    for index, each in enumerate(labels):
        write_labels(tmp_path / f"{index}.png", each.astype(np.uint8))
    files = {index: tmp_path / f"{index}.png" for index in range(4)}
    sequence = AnnotatedSequence("several", (), files)
    assert [list(sequence.truth(index).masks) for index in range(4)] == [[], [3], [], []]
    assert sequence.truth(2).void.any()
    single = AnnotatedSequence("single", (), {2: files[2], 3: files[3]})
    assert [list(single.truth(index).masks) for index in (2, 3)] == [[1], [1]]


def test_255_alone_is_void_also_before_the_first_labels(tmp_path):
    labels = [255 * square(50, 30), 255 * square(50, 30), square(20, 20) + 255 * square(50, 30)]
    for index, each in enumerate(labels):
        write_labels(tmp_path / f"{index}.png", each.astype(np.uint8))
    sequence = AnnotatedSequence("late", (), {index: tmp_path / f"{index}.png" for index in range(3)})
    assert [list(sequence.truth(index).masks) for index in range(3)] == [[], [], [1]]
    assert sequence.truth(0).void.any()


def test_with_16_bits_255_is_an_object_and_65535_void(tmp_path):
    labels = 255 * square(20, 20) + 65535 * square(50, 30)
    write_labels(tmp_path / "labels.png", labels.astype(np.uint16))
    read = Annotation.read(tmp_path / "labels.png")
    assert list(read.masks) == [255]
    np.testing.assert_array_equal(read.void, square(50, 30))


def test_listed_objects_alone_count_from_their_first_frames_on():
    listed = {1: ListedObject(0), 2: ListedObject(5, "seen")}
    sequence = AnnotatedSequence("listed", (), {}, listed, later_objects=True)
    assert [sequence.counts(1, 0), sequence.counts(2, 0), sequence.counts(2, 5), sequence.counts(3, 5)] == [
        True,
        False,
        True,
        False,
    ]
    assert [sequence.split(1), sequence.split(2)] == ["", "seen"]
    assert AnnotatedSequence("all", (), {}, later_objects=True).counts(3, 5)


def test_folders_are_chosen_by_name(tmp_path):
    with pytest.raises(SourceError, match=r"a folder per sequence in .*; got none"):
        chosen_folders(tmp_path)
    for name in ("b", "a", ".hidden"):
        (tmp_path / name).mkdir()
    assert chosen_folders(tmp_path) == ["a", "b"]
    assert chosen_folders(tmp_path, ["b"]) == ["b"]
    with pytest.raises(SourceError, match="unknown sequences c; expected some of a, b"):
        chosen_folders(tmp_path, ["c"])


def test_annotations_of_some_frames_are_found_by_their_names(tmp_path):
    images, annotations = tmp_path / "images", tmp_path / "annotations"
    images.mkdir()
    annotations.mkdir()
    for name in ("00000", "00005", "00010"):
        (images / f"{name}.jpg").touch()
    with pytest.raises(SourceError, match=r"expected annotations of .*images, PNG files, in .*; got none"):
        frames_and_annotations(images, annotations)
    (annotations / "00005.png").touch()
    frames, found = frames_and_annotations(images, annotations)
    assert [frame.name for frame in frames] == ["00000.jpg", "00005.jpg", "00010.jpg"]
    assert found == {1: annotations / "00005.png"}
    (annotations / "00007.png").touch()
    with pytest.raises(SourceError, match=r"an image for every annotation; there is none for .*00007\.png"):
        frames_and_annotations(images, annotations)
