"""Scores of objects after an interruption, with a tracker that goes on whatever it sees."""

import numpy as np
import pytest
from davis_folders import davis_folder, square
from fakes import DriftingTracker, SquareSegmenter

from sampt_ros.cli.main import main
from sampt_ros.config.core import SamPtConfig
from sampt_ros.config.options import updated
from sampt_ros.errors import SourceError
from sampt_ros.evaluation.layouts.davis import davis_sequences
from sampt_ros.evaluation.reacquisition import Interruption, ReacquisitionScore, evaluate_reacquisition
from sampt_ros.tracking.sam_pt import SamPt

FRAMES = 20  # the middle is frame 10
CHANGES = {
    "points.positive": 1,
    "points.negative": 0,
    "reinit.policy": "never",
    "reacquire.enabled": False,
}


@pytest.fixture
def sam_pt():
    return SamPt(updated(SamPtConfig(), CHANGES), SquareSegmenter(), DriftingTracker())


@pytest.fixture
def sequence(tmp_path):
    """A square that moves as the tracker believes, one pixel a frame."""
    return davis_sequences(davis_folder(tmp_path, [255 * square(20 + index, 24) for index in range(FRAMES)]))[0]


def test_after_blank_frames_the_object_is_where_the_tracker_says(sam_pt, sequence):
    score = evaluate_reacquisition(sam_pt, sequence, Interruption(5, blank=True))
    assert (score.regained, score.after, score.j) == (1.0, 0.0, 1.0)
    assert score.false_masks == 5  # one for each blank frame, where nothing is to be seen


@pytest.mark.parametrize(
    "missing, regained, false_masks",
    [
        (3, 1.0, 0),  # six ninths of the square are still covered: J is 1/2
        (5, 0.0, 0),  # J is 2/7
        (8, 0.0, 2),  # J is 1/17 in the two frames that are left
    ],
)
def test_after_a_cut_it_is_off_by_the_frames_that_are_missing(sam_pt, sequence, missing, regained, false_masks):
    score = evaluate_reacquisition(sam_pt, sequence, Interruption(missing, blank=False))
    assert (score.regained, score.false_masks) == (regained, false_masks)
    assert score.j == pytest.approx((9 - missing) / (9 + missing))
    assert (score.after is None) == (not regained)


def test_a_sequence_that_does_not_go_on_is_refused(sam_pt, sequence):
    with pytest.raises(SourceError, match=r"expected more than 20 frames in seq; got 20"):
        evaluate_reacquisition(sam_pt, sequence, Interruption(10, blank=False))


def test_the_mean_is_of_those_regained_and_false_masks_are_added_up():
    mean = ReacquisitionScore.mean([ReacquisitionScore(1.0, 4.0, 2, 0.5), ReacquisitionScore(0.0, None, 3, 0.1)])
    assert (mean.regained, mean.after, mean.false_masks, mean.j) == (0.5, 4.0, 5, 0.3)
    assert ReacquisitionScore(0.0, None, 3, 0.1).as_json()["after_frames"] is None


def test_the_command_prints_a_row_and_the_mean(tmp_path, monkeypatch, capsys):
    davis_folder(tmp_path, [255 * square(20 + index, 24) for index in range(FRAMES)])
    monkeypatch.setattr(
        "sampt_ros.cli.evaluate.SamPt",
        lambda config: SamPt(updated(SamPtConfig(), CHANGES), SquareSegmenter(), DriftingTracker()),
    )
    assert main(["evaluate", str(tmp_path), "--cut", "3"]) == 0
    head, row, mean = capsys.readouterr().out.splitlines()
    assert head.split()[1] == "regained"
    assert row.split()[1:] == mean.split()[1:] == ["1.00", "0.0", "0", "0.500"]


def test_pictures_of_an_interrupted_video_are_refused(tmp_path, capsys):
    assert main(["evaluate", str(tmp_path), "--blank", "3", "--pictures", str(tmp_path / "out")]) == 2
    assert "--pictures" in capsys.readouterr().err


def test_the_start_does_not_count(sam_pt, tmp_path):
    """A mask that is wrong before the interruption is no false return."""
    labels = [255 * square(20, 24)] + [np.zeros((48, 64), int)] * 9 + [255 * square(30 + i, 24) for i in range(10)]
    (sequence,) = davis_sequences(davis_folder(tmp_path / "other", labels))
    assert evaluate_reacquisition(sam_pt, sequence, Interruption(2, blank=True)).false_masks == 2
