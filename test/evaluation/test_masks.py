from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from davis_folders import NOTHING, davis_folder, square
from fakes import DriftingTracker, Scripted, SquareSegmenter

from sampt_ros.config.core import SamPtConfig
from sampt_ros.config.options import updated
from sampt_ros.errors import SourceError
from sampt_ros.evaluation.davis import Annotation, davis_sequences
from sampt_ros.evaluation.masks import Score, evaluate_sequence
from sampt_ros.evaluation.simulated_clicks import click_objects
from sampt_ros.tracking.sam_pt import SamPt

FRAMES = 6


def moving_squares(*starts, ids=(255,)):
    """Label images in which squares move as DriftingTracker says, one pixel a frame."""
    return [
        sum(name * square(x + index, y).astype(int) for name, (x, y) in zip(ids, starts)) for index in range(FRAMES)
    ]


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


def test_mean_scores():
    mean = Score.mean([Score(0.2, 0.4, 10), Score(0.6, 0.8, 30)])
    assert (mean.j, mean.f, mean.jf, mean.fps) == pytest.approx((0.4, 0.6, 0.5, 20))


def test_each_click_is_in_the_middle_of_the_largest_error():
    truth = Annotation({1: square(20, 20) | square(50, 30)}, NOTHING)
    near, extra = square(20, 20), square(10, 40)
    sam_pt = Scripted(near, near | square(50, 30) | extra, near | square(50, 30))
    click_objects(sam_pt, truth, clicks=5)
    assert sam_pt.queries == [
        ("new", [(20, 20)], [1]),
        ("more", [(50, 30)], [1]),  # missing
        ("more", [(10, 40)], [0]),  # too much
    ]  # and then nothing is wrong any more


def test_an_object_not_found_at_first_gets_all_clicks_again():
    sam_pt = Scripted(None, square(20, 20))
    click_objects(sam_pt, Annotation({1: square(20, 20)}, NOTHING), clicks=3)
    assert sam_pt.queries == [("new", [(20, 20)], [1]), ("new", [(20, 20), (20, 20)], [1, 1])]


def test_real_sequences_are_read(shared_folder):
    sequences = davis_sequences(shared_folder / "data/davis")
    assert len(sequences) == 15
    for sequence in sequences:
        assert list(Annotation.read(sequence.annotations[0]).masks) == [1]


def test_real_frames_are_scored_with_the_default_preset(shared_folder):
    (sequence,) = davis_sequences(shared_folder / "data/davis", ["blackswan"])
    score = evaluate_sequence(SamPt(), replace(sequence, frames=sequence.frames[:20]))
    assert 0.85 < score.j < 1
    assert 0.85 < score.f < 1
