from __future__ import annotations

import json

import pytest
from davis_folders import moving_squares, vos_folder

from sampt_ros.errors import SourceError
from sampt_ros.evaluation.layouts.sequences import ListedObject
from sampt_ros.evaluation.layouts.youtube_vos import youtube_vos_sequences

LABELS = moving_squares((20, 20), ids=(1,))
CAT = {"category": "cat", "frames": ["00000", "00015"]}
OWL = {"category": "owl", "frames": ["00015"]}


def meta(folder, objects, name="video"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "meta.json").write_text(json.dumps({"videos": {name: {"objects": objects}}}))


@pytest.fixture
def folder(tmp_path):
    meta(vos_folder(tmp_path / "valid", {0: LABELS[0], 3: LABELS[3]}), {"1": CAT, "4": OWL})
    return tmp_path / "valid"


def test_objects_and_their_first_frames_are_those_of_meta_json(folder):
    (sequence,) = youtube_vos_sequences(folder)
    assert sequence.objects == {1: ListedObject(0), 4: ListedObject(3)}
    assert sorted(sequence.annotations) == [0, 3]
    assert (sequence.later_objects, sequence.scores_last) == (True, True)


def test_categories_of_the_training_set_are_seen(folder):
    meta(folder.parent / "train", {"1": CAT}, "another")
    (sequence,) = youtube_vos_sequences(folder)
    assert sequence.objects == {1: ListedObject(0, "seen"), 4: ListedObject(3, "unseen")}


def test_without_categories_objects_are_not_told_apart(folder):
    meta(folder.parent / "train", {"1": CAT}, "another")
    meta(folder, {"1": {"frames": ["00000"]}})
    (sequence,) = youtube_vos_sequences(folder)
    assert sequence.objects == {1: ListedObject(0)}


def test_a_validation_set_without_its_annotations_is_refused(folder):
    meta(folder, {"1": {"category": "cat", "frames": ["00000", "00005", "00015"]}})
    with pytest.raises(SourceError, match=r"every frame that meta\.json lists; there is none of video/00005 .*server"):
        youtube_vos_sequences(folder)


def test_a_video_that_is_not_listed_is_refused(folder):
    vos_folder(folder, {0: LABELS[0]}, "other")
    with pytest.raises(SourceError, match=r"an entry for every video in .*meta\.json; there is none for other"):
        youtube_vos_sequences(folder)
    assert [sequence.name for sequence in youtube_vos_sequences(folder, ["video"])] == ["video"]


@pytest.mark.parametrize(
    "text",
    [
        "no JSON",
        "[]",
        "{}",
        '{"videos": {"video": {"objects": {"one": {"frames": ["00000"]}}}}}',
        '{"videos": {"video": {"objects": {"1": {"frames": []}}}}}',
        '{"videos": {"video": {"objects": {"1": {}}}}}',
        '{"videos": {"video": {"objects": [1]}}}',
    ],
)
def test_another_meta_json_is_refused_with_what_was_expected(folder, text):
    (folder / "meta.json").write_text(text)
    with pytest.raises(SourceError, match=r"expected .*VIDEO.*objects.*category.*frames.* in .*meta\.json"):
        youtube_vos_sequences(folder)
