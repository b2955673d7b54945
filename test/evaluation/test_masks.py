from __future__ import annotations

import json
import time
from dataclasses import replace

import cv2
import numpy as np
import pytest
from davis_folders import NOTHING, davis_folder, moving_squares, square, vos_folder
from fakes import DriftingTracker, SquareSegmenter, blank

from sampt_ros.config.core import SamPtConfig
from sampt_ros.config.options import updated
from sampt_ros.data_types import FrameResult, LocalMask, ObjectResult, ObjectState, Points
from sampt_ros.errors import SourceError
from sampt_ros.evaluation.layouts import annotated_sequences
from sampt_ros.evaluation.layouts.davis import davis_sequences
from sampt_ros.evaluation.layouts.sequences import Annotation
from sampt_ros.evaluation.mask_scores import ObjectRecord
from sampt_ros.evaluation.masks import evaluate_sequence, follow, object_records
from sampt_ros.tracking.sam_pt import SamPt


@pytest.fixture
def sam_pt():
    config = updated(SamPtConfig(), {"points.positive": 1, "points.negative": 0, "reinit.policy": "never"})
    return SamPt(config, SquareSegmenter(), DriftingTracker())


def evaluate(sam_pt, folder, **options):
    (sequence,) = davis_sequences(folder)
    return evaluate_sequence(sam_pt, sequence, **options)


@pytest.mark.parametrize("clicks", [0, 1, 3])
def test_a_perfect_tracker_scores_one(sam_pt, tmp_path, clicks):
    score = evaluate(sam_pt, davis_folder(tmp_path, moving_squares((20, 20))), clicks=clicks)
    assert (score.j, score.f, score.jf) == (1, 1, 1)


def test_the_last_frame_is_not_scored_and_the_others_are(sam_pt, tmp_path):
    annotations = moving_squares((20, 20))
    annotations[-1] = np.zeros_like(annotations[-1])
    assert evaluate(sam_pt, davis_folder(tmp_path / "last", annotations)).j == 1
    annotations[2] = np.zeros_like(annotations[2])
    assert evaluate(sam_pt, davis_folder(tmp_path / "third", annotations)).j == pytest.approx(3 / 4)


def test_objects_are_scored_one_by_one(sam_pt, tmp_path):
    annotations = moving_squares((15, 15), (40, 30), ids=(1, 3))
    assert evaluate(sam_pt, davis_folder(tmp_path / "both", annotations)).j == 1
    annotations[1:] = [np.where(labels == 3, 0, labels) for labels in annotations[1:]]
    assert evaluate(sam_pt, davis_folder(tmp_path / "one", annotations)).j == pytest.approx(1 / 2)


def test_images_of_16_bits_keep_their_grey_through_a_sequence(sam_pt, tmp_path):
    folder = davis_folder(tmp_path, moving_squares((20, 20)))
    for index in range(6):
        frame = np.full((48, 64), 8000, np.uint16)
        frame[:24] = 8400
        frame[:4, :25] = 8800 if index == 1 else 8400  # something hot passes by
        path = folder / f"JPEGImages/480p/seq/{index:05d}"
        path.with_suffix(".jpg").unlink()
        cv2.imwrite(str(path.with_suffix(".png")), frame)
    seen = []
    evaluate(sam_pt, folder, watch=lambda image, _: seen.append(image[20, 40, 0]))
    assert len(set(seen)) == 1


def test_suffixes_may_be_in_capitals(sam_pt, tmp_path):
    davis = davis_folder(tmp_path / "davis", moving_squares((20, 20)))
    mose = vos_folder(tmp_path / "mose", dict(enumerate(moving_squares((20, 20), ids=(1,)))))
    for path in [*davis.rglob("*.png"), *mose.rglob("00010.png")]:
        path.rename(path.with_suffix(".PNG"))
    assert evaluate(sam_pt, davis).j == 1
    (sequence,) = annotated_sequences(mose)
    assert sorted(sequence.annotations) == [0, 1, 2, 3, 4, 5]
    assert evaluate_sequence(sam_pt, sequence).j == 1


@pytest.mark.parametrize(
    ("file", "complaint"),
    [
        ("JPEGImages/480p/seq/00002.jpg", "seq: expected an image of 64x48 like those before; got 32x24"),
        ("Annotations/480p/seq/00002.png", r"seq/00002\.png: expected an annotation of its frame's size"),
    ],
)
def test_what_is_of_another_size_is_named(sam_pt, tmp_path, file, complaint):
    folder = davis_folder(tmp_path, moving_squares((20, 20)))
    cv2.imwrite(str(folder / file), np.zeros((24, 32), np.uint8))
    with pytest.raises(SourceError, match=complaint):
        evaluate(sam_pt, folder)


def test_void_pixels_do_not_count(sam_pt, tmp_path):
    annotations = moving_squares((15, 15), (40, 30), ids=(1, 3))
    annotations[2:] = [np.where((labels > 0) & (np.arange(64) > 16), 255, labels) for labels in annotations[2:]]
    assert evaluate(sam_pt, davis_folder(tmp_path, annotations)).j == 1


def test_every_sequence_starts_anew(sam_pt, tmp_path):
    for name in ("one", "two"):
        davis_folder(tmp_path, moving_squares((20, 20)), name)
    assert [evaluate_sequence(sam_pt, sequence).j for sequence in davis_sequences(tmp_path)] == [1, 1]


def test_only_tracking_counts_as_time(sam_pt, tmp_path):
    score = evaluate(
        sam_pt, davis_folder(tmp_path, moving_squares((20, 20))), watch=lambda image, result: time.sleep(0.1)
    )
    assert score.fps > 20


def test_an_annotation_of_another_size_is_refused(sam_pt, tmp_path):
    annotations = moving_squares((20, 20))
    annotations[2] = annotations[2][:20]
    with pytest.raises(SourceError, match="its frame's size"):
        evaluate(sam_pt, davis_folder(tmp_path, annotations))


def judged(sam_pt, folder):
    (sequence,) = annotated_sequences(folder)
    return evaluate_sequence(sam_pt, sequence)


def squares_where(frames, *starts, ids):
    """Label images of moving squares by frame; `frames`: for each object the frames that show it."""
    return {
        index: sum(
            name * square(x + index, y).astype(int)
            for name, (x, y), shown in zip(ids, starts, frames)
            if index in shown
        )
        for index in sorted(set().union(*frames))
    }


def test_an_object_that_appears_later_starts_from_its_first_annotation(sam_pt, tmp_path):
    labels = squares_where([{0, 2, 4}, {2, 4}], (15, 15), (40, 30), ids=(1, 3))
    score = judged(sam_pt, vos_folder(tmp_path, labels))
    assert [(item.j, item.f) for item in score.objects] == [(1, 1), (1, 1)]


def test_frames_without_an_annotation_are_not_scored_and_those_before_an_object_starts_neither(sam_pt, tmp_path):
    # object 3 is wrong in frame 4, one of two in which it is scored; object 1 has frames 2, 3 and 4
    labels = squares_where([{0, 2, 3, 4}, {2, 3}], (15, 15), (40, 30), ids=(1, 3))
    score = judged(sam_pt, vos_folder(tmp_path, labels))
    assert [item.j for item in score.objects] == [1, 0.5]
    assert score.j == 0.75


def test_the_last_frame_is_scored_in_youtube_vos_alone(sam_pt, tmp_path):
    labels = squares_where([{0, 2, 5}], (15, 15), ids=(1,))
    labels[5] = np.zeros_like(labels[5])
    assert judged(sam_pt, vos_folder(tmp_path, labels)).j == 1
    objects = {"1": {"category": "cat", "frames": ["00000", "00010", "00025"]}}
    (tmp_path / "meta.json").write_text(json.dumps({"videos": {"video": {"objects": objects}}}))
    assert judged(sam_pt, tmp_path).j == 0.5


def test_objects_that_are_not_listed_are_not_scored(sam_pt, tmp_path):
    labels = squares_where([{0, 2, 4}, {0, 2, 4}], (15, 15), (40, 30), ids=(1, 3))
    vos_folder(tmp_path / "valid", labels)
    objects = {"3": {"category": "cat", "frames": ["00000", "00010", "00020"]}}
    (tmp_path / "valid/meta.json").write_text(json.dumps({"videos": {"video": {"objects": objects}}}))
    assert judged(sam_pt, tmp_path / "valid").object_count == 1


def test_seen_and_unseen_objects_are_told_apart(sam_pt, tmp_path):
    labels = squares_where([{0, 2, 4}, {2, 4}], (15, 15), (40, 30), ids=(1, 3))
    vos_folder(tmp_path / "valid", labels)
    (tmp_path / "train").mkdir()
    cat, owl = {"category": "cat", "frames": ["00000"]}, {"category": "owl", "frames": ["00010"]}
    for name, objects in {"train": {"1": cat}, "valid": {"1": cat, "3": owl}}.items():
        (tmp_path / name / "meta.json").write_text(json.dumps({"videos": {"video": {"objects": objects}}}))
    score = judged(sam_pt, tmp_path / "valid")
    assert (score.j_seen, score.f_seen, score.j_unseen, score.f_unseen, score.g) == (1, 1, 1, 1, 1)
    assert [item.split for item in score.objects] == ["seen", "unseen"]


def test_first_masks_alone_cannot_be_scored(sam_pt, tmp_path):
    labels = squares_where([{0}, {2}], (15, 15), (40, 30), ids=(1, 3))
    with pytest.raises(
        SourceError, match="video: expected annotations of the objects after those that they start from"
    ):
        judged(sam_pt, vos_folder(tmp_path, labels))


def test_an_object_that_cannot_be_started_later_is_told_and_counts_as_missed(sam_pt, tmp_path, caplog):
    sam_pt.config = updated(sam_pt.config, {"max_objects": 1})
    labels = squares_where([{0, 2, 4}, {2, 4}], (15, 15), (40, 30), ids=(1, 3))
    assert [item.j for item in judged(sam_pt, vos_folder(tmp_path, labels)).objects] == [1, 0]
    assert "video: object 3 is not started in frame 2: expected at most max_objects = 1 objects" in caplog.text


def test_an_object_without_a_later_annotation_is_told_and_not_scored(sam_pt, tmp_path, caplog):
    labels = squares_where([{0, 2, 5}, {5}], (15, 15), (40, 30), ids=(1, 3))
    assert judged(sam_pt, vos_folder(tmp_path, labels)).object_count == 1
    assert "video: object 3 has no annotation after the first one, and is not scored" in caplog.text


def test_objects_are_started_on_the_first_frame_and_followed_through_the_others(sam_pt):
    images = [blank() for _ in range(3)]
    indices = [4, 5, 9]  # frames may be missing
    started = []

    def start():
        started.append(sam_pt.add_object(mask=square(20, 20)).id)

    frames = list(follow(sam_pt, zip(indices, images), start))
    assert [frame.index for frame in frames] == [5, 9]
    assert [frame.result.index for frame in frames] == [1, 2]
    assert all(frame.image is image for frame, image in zip(frames, images[1:]))
    assert all(0 < frame.seconds < 1 for frame in frames)
    assert started == [1]
    np.testing.assert_array_equal(frames[-1].result.objects[0].mask, square(22, 20))


def test_frames_are_read_one_by_one(sam_pt):
    read = []

    def frames():
        for index in range(3):
            read.append(index)
            yield index, blank()

    for frame in follow(sam_pt, frames(), lambda: sam_pt.add_object(mask=square(20, 20))):
        assert read[-1] == frame.index


def found(*objects):
    """A frame's result with objects of (id, state, score, mask)."""
    items = [
        ObjectResult(name, state, score, LocalMask.of(mask), Points.none()) for name, state, score, mask in objects
    ]
    return FrameResult(1, NOTHING.shape, tuple(items))


def test_a_record_says_how_an_object_fared_in_a_frame():
    truth = Annotation({1: square(20, 20), 2: square(50, 30), 3: square(20, 40)}, NOTHING)
    result = found(
        (1, ObjectState.TRACKING, 0.9, square(20, 20)),
        (2, ObjectState.REACQUIRED, 0.8, square(30, 10)),
        (3, ObjectState.UNCERTAIN, 0.4, NOTHING),
    )
    assert object_records(truth, result, [1, 2, 3, 4]) == [
        ObjectRecord(j=1, f=1, has_mask=True, score=0.9),
        ObjectRecord(j=0, f=0, has_mask=True, score=0.8),
        ObjectRecord(j=0, f=0, has_mask=False, score=0.4),
        # never started, and not to be seen: rightly there is nothing
        ObjectRecord(j=1, f=1, has_mask=False, score=0, visible=False),
    ]


def test_real_frames_are_scored_with_the_default_preset(shared_folder):
    (sequence,) = davis_sequences(shared_folder / "data/davis", ["blackswan"])
    score = evaluate_sequence(SamPt(), replace(sequence, frames=sequence.frames[:20]))
    assert 0.85 < score.j < 1
    assert 0.85 < score.f < 1
