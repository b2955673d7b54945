"""Losses, parts and runs of the training: training/nano/learning."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from training_samples import SIZE, scene

torch = pytest.importorskip("torch", reason="torch is missing, which trains the network")


def test_what_a_window_does_not_show_lowers_the_iou():
    from training.nano.learning.losses import losses

    truth = torch.zeros(2, 8, 8)
    truth[:, 2:6, 2:6] = 1
    beyond = torch.tensor([0.0, 16.0])
    iou = losses(20 * truth - 10, torch.zeros(2), truth, torch.ones(2, 8, 8), beyond)[2]
    assert iou.tolist() == [1.0, 0.5]


def test_the_next_click_is_in_the_middle_of_the_largest_error():
    from training.nano.learning.losses import corrected

    truth = np.zeros((1, 48, 48), np.float32)
    truth[0, 8:40, 8:40] = 1
    found = truth.copy()
    found[0, 8:40, 24:40] = 0  # half of it is missed
    found[0, 2:5, 2:5] = 1
    prompts = torch.zeros(1, 6, 24, 24)
    better = corrected(prompts, torch.from_numpy(20 * found - 10), torch.from_numpy(truth), torch.ones(1, 48, 48))
    y, x = np.unravel_index(int(better[0, 0].argmax()), (24, 24))
    assert 13 <= x <= 18
    assert 6 <= y <= 17
    assert not better[0, 1].any()
    assert not prompts.any()


def test_training_that_was_stopped_ends_as_one_that_was_not(tmp_path, monkeypatch):
    from training.nano.learning import training
    from training.nano.learning.library import Library
    from training.nano.sequence import write_sequence

    # ImageNet's weights have to be fetched; random ones do here.
    monkeypatch.setattr(training, "load_encoder", lambda encoder, path: None)
    for number in range(2):
        write_sequence(tmp_path / f"sequences/animated/{number}.npz", scene())
    library = Library(tmp_path / "sequences")
    recipe = training.Recipe(steps=2, batch=2, sizes=((SIZE, 1.0),), round=1)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for work in (whole, killed):
        work.mkdir()
    uninterrupted = training.Training(whole, recipe, torch.device("cpu"))
    uninterrupted.run(library, 2)
    first, rounds = training.Training(killed, recipe, torch.device("cpu")), iter([1])
    one_round = first._round
    monkeypatch.setattr(first, "_round", lambda *args: one_round(*args) if next(rounds) else {})
    with pytest.raises(StopIteration):
        first.run(library, 2)
    resumed = training.Training(killed, recipe, torch.device("cpu"))
    assert resumed.step == 1
    resumed.run(library, 2)
    assert resumed.step == uninterrupted.step == 2
    for key, value in uninterrupted.average.items():
        torch.testing.assert_close(resumed.average[key], value)
    with pytest.raises(ValueError, match="another recipe"):
        training.Training(whole, replace(recipe, seed=1), torch.device("cpu"))


@pytest.mark.parametrize("steps", [24_000, 240, 6])
def test_every_step_is_in_a_part_and_each_part_begins_its_rates_anew(steps):
    from training.nano.learning.parts import PARTS, WARM_UP, Place

    places = [Place.of(step, steps) for step in range(steps)]
    starts = [place for step, place in enumerate(places) if step == place.first]
    assert [place.part for place in starts] == list(PARTS)
    for place in starts:
        paces = [place.pace(step) for step in range(place.first, place.end)]
        assert 0 < max(paces) <= place.part.rate
        if place.end - place.first > WARM_UP:
            assert paces.index(max(paces)) == WARM_UP - 1
            assert paces[-1] < 1e-4
    assert Place.of(steps, steps) == places[-1]  # The schedule is asked for one step more.


def test_a_part_says_how_often_each_kind_of_sequence_is_followed(tmp_path):
    from training.nano.learning.library import Library
    from training.nano.learning.parts import KINDS, Part
    from training.nano.sequence import write_sequence

    for kind in KINDS:
        write_sequence(tmp_path / kind / "0.npz", scene(2 + KINDS.index(kind)))
    library = Library(tmp_path)
    for index, kind in enumerate(KINDS):
        part = Part(1, mixture={each: float(each == kind) for each in KINDS})
        lengths = {len(library.follower([seed], 0.0, part)._images) for seed in range(20)}
        assert max(lengths) == 2 + index
