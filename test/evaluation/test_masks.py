from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from davis_folders import NOTHING, davis_folder, moving_squares, square
from fakes import DriftingTracker, SquareSegmenter, blank

from sampt_ros.config.core import SamPtConfig
from sampt_ros.config.options import updated
from sampt_ros.data_types import FrameResult, ObjectResult, ObjectState, Points
from sampt_ros.errors import SourceError
from sampt_ros.evaluation.davis import Annotation, davis_sequences
from sampt_ros.evaluation.masks import MaskScore, ObjectRecord, evaluate_sequence, follow, object_records
from sampt_ros.evaluation.scores import Table
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
    items = [ObjectResult(name, state, score, mask, Points.none()) for name, state, score, mask in objects]
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
        ObjectRecord(j=1, f=1, has_mask=False, score=0),
    ]


def record(j, score, has_mask=True):
    return ObjectRecord(j, j, has_mask, score)


@pytest.mark.parametrize(
    ("records", "share"),
    [
        # the limit is J 0.1
        ([record(0.09, 0.9), record(0.1, 0.9), record(1, 0.9), record(1, 0.9)], 1 / 4),
        # no mask is no false one, but its frame counts
        ([record(0, 0.9), record(0, 0.9, has_mask=False)], 1 / 2),
        ([record(0, 0.9, has_mask=False)], 0),
    ],
)
def test_a_published_mask_on_something_else_is_false(records, share):
    assert MaskScore.of(records, fps=1).false == share


def test_r_is_the_correlation_of_published_scores_with_the_true_iou():
    honest = [record(0.2, 0.5), record(0.4, 0.6), record(0.8, 0.8)]
    assert MaskScore.of(honest, fps=1).r == pytest.approx(1)
    assert MaskScore.of([*honest, record(0, 1, has_mask=False)], fps=1).r == pytest.approx(1)
    assert MaskScore.of(honest[:2], fps=1).r is None


def test_the_last_row_has_the_mean_of_the_sequences_and_the_correlation_of_all_their_frames():
    # two scores each, which correlate fully and say nothing; all four together lie on a falling line
    high = MaskScore.of([record(0.8, 0.2), record(0.9, 0.1)], fps=10)
    low = MaskScore.of([record(0.01, 0.99), record(0.1, 0.9)], fps=30)
    mean = MaskScore.mean([high, low])
    assert (mean.j, mean.f, mean.jf, mean.fps, mean.false) == pytest.approx((0.4525, 0.4525, 0.4525, 20, 0.25))
    assert (high.r, low.r) == (None, None)
    assert mean.r == pytest.approx(-1)


def test_a_row_and_json_have_the_same_values():
    score = MaskScore(j=0.5, f=0.7, fps=12.34, false=0.25, ratings=((0.1, 0.2), (0.2, 0.3), (0.3, 0.4)))
    table = Table([score])
    assert table.heading.split() == ["J", "F", "J&F", "false", "r", "frames/s"]
    assert table.row(score).split() == ["0.500", "0.700", "0.600", "0.250", "1.00", "12.3"]
    assert score.as_json() == pytest.approx({"j": 0.5, "f": 0.7, "jf": 0.6, "false": 0.25, "r": 1, "fps": 12.34})


def test_real_frames_are_scored_with_the_default_preset(shared_folder):
    (sequence,) = davis_sequences(shared_folder / "data/davis", ["blackswan"])
    score = evaluate_sequence(SamPt(), replace(sequence, frames=sequence.frames[:20]))
    assert 0.85 < score.j < 1
    assert 0.85 < score.f < 1
