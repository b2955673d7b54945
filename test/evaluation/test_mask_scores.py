from __future__ import annotations

import pytest

from sampt_ros.evaluation.mask_scores import MaskScore, ObjectRecord, ObjectScore, SplitMaskScore
from sampt_ros.evaluation.scores import Table


def record(j, score=0.9, has_mask=True, visible=True):
    return ObjectRecord(j, j, has_mask, score, visible)


def of(*objects, fps=1.0):
    """The score of objects of one split, each with these records."""
    records = dict(enumerate(objects, 1))
    return MaskScore.of(records, fps, dict.fromkeys(records, ""))


@pytest.mark.parametrize(
    ("records", "share"),
    [
        # the limit is J 0.1
        ([record(0.09), record(0.1), record(1), record(1)], 1 / 4),
        # no mask is no false one, but its frame counts
        ([record(0), record(0, has_mask=False)], 1 / 2),
        ([record(0, has_mask=False)], 0),
    ],
)
def test_a_published_mask_on_something_else_is_false(records, share):
    assert of(records).false == share


def test_r_is_the_correlation_of_published_scores_with_the_true_iou():
    honest = [record(0.2, 0.5), record(0.4, 0.6), record(0.8, 0.8)]
    assert of(honest).r == pytest.approx(1)
    assert of([*honest, record(0, 1, has_mask=False)]).r == pytest.approx(1)
    assert of(honest[:2]).r is None


AWAY = record(1, has_mask=False, visible=False)
MISSED = record(0, has_mask=False)


@pytest.mark.parametrize(
    ("records", "regained"),
    [
        ([record(1)] * 9, None),  # it never leaves
        ([record(1), *[AWAY] * 5, MISSED, record(0.5)], 1),
        ([record(1), *[AWAY] * 4, record(1)], None),  # a flicker
        ([record(1), *[AWAY] * 5, record(0.4), MISSED], 0),
        ([record(1), *[AWAY] * 5, *[MISSED] * 10, record(1)], 0),  # too late
        ([record(1), *[AWAY] * 5, *[MISSED] * 9, record(1)], 1),
        ([*[AWAY] * 5, record(1), *[AWAY] * 6, MISSED, MISSED], 1 / 2),
    ],
)
def test_an_object_that_comes_back_is_regained_by_a_mask_in_time(records, regained):
    assert of(records).regained == regained


def test_every_object_counts_alike_however_many_frames_it_has():
    score = of([record(1)] * 9, [record(0, has_mask=False)])
    assert (score.j, score.f, score.object_count) == (0.5, 0.5, 2)


def test_in_the_mean_of_sequences_too_every_object_counts_alike():
    mean = MaskScore.mean([of([record(1)], [record(1)], [record(1)], fps=10), of([record(0.2)], fps=30)])
    assert (mean.j, mean.object_count, mean.fps) == (pytest.approx(0.8), 4, 20)


def test_the_last_row_has_the_correlation_of_all_frames():
    # two scores each, which correlate fully and say nothing; all four together lie on a falling line
    high, low = of([record(0.8, 0.2), record(0.9, 0.1)]), of([record(0.01, 0.99), record(0.1, 0.9)])
    mean = MaskScore.mean([high, low])
    assert (mean.j, mean.f, mean.jf, mean.false) == pytest.approx((0.4525, 0.4525, 0.4525, 0.25))
    assert (high.r, low.r) == (None, None)
    assert mean.r == pytest.approx(-1)


def test_a_row_and_json_have_the_same_values():
    score = MaskScore(
        (ObjectScore(0.5, 0.7, 0.25, returns=(True, False)),), 12.34, ((0.1, 0.2), (0.2, 0.3), (0.3, 0.4))
    )
    table = Table([score])
    assert table.heading.split() == ["J", "F", "J&F", "false", "r", "regained", "frames/s"]
    assert table.row(score).split() == ["0.500", "0.700", "0.600", "0.250", "1.00", "0.50", "12.3"]
    same = {"j": 0.5, "f": 0.7, "jf": 0.6, "false": 0.25, "r": 1, "regained": 0.5, "fps": 12.34, "objects": 1}
    assert score.as_json() == pytest.approx(same)


def test_seen_and_unseen_objects_have_means_of_their_own_and_the_same_weight_in_the_overall_score():
    records = {1: [record(0.9)], 2: [record(0.7)], 3: [record(0.2)]}
    score = SplitMaskScore.of(records, 1, {1: "seen", 2: "seen", 3: "unseen"})
    assert (score.j_seen, score.f_seen, score.j_unseen, score.f_unseen) == pytest.approx((0.8, 0.8, 0.2, 0.2))
    assert score.g == pytest.approx(0.5)
    assert score.j == pytest.approx(0.6)
    assert Table([score]).heading.split()[-9:] == ["J", "seen", "F", "seen", "J", "unseen", "F", "unseen", "G"]


def test_without_unseen_objects_there_is_no_mean_of_them():
    score = SplitMaskScore.of({1: [record(0.9)]}, 1, {1: "seen"})
    assert (score.j_unseen, score.f_unseen) == (None, None)
    assert score.g == pytest.approx(0.9)
    assert score.as_json()["j_unseen"] is None
