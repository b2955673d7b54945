"""Losses, parts and runs of the training: training/nano/learning."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from training_samples import SIZE, scene

from sampt_ros.segmenters.nano.interface import HAS_MASK

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


@pytest.fixture
def work(tmp_path, monkeypatch):
    """Work folders with the same two sequences; ImageNet's weights have to be fetched, so random ones do here."""
    from training.nano.learning import following
    from training.nano.sequence import write_sequence

    monkeypatch.setattr(following, "load_encoder", lambda encoder, path: None)
    for number in range(2):
        write_sequence(tmp_path / f"sequences/animated/{number}.npz", scene())
    folders = {name: tmp_path / name for name in ("whole", "killed")}
    for folder in folders.values():
        folder.mkdir()
        (folder / "sequences").symlink_to(tmp_path / "sequences")
    return folders


def short(recipe, steps=2):
    return replace(recipe, steps=steps, batch=2, sizes=((SIZE, 1.0),), round=1)


def run(kind, work, recipe):
    training = kind(work, recipe, torch.device("cpu"))
    training.run(work / "sequences", 1)
    return training


@pytest.mark.parametrize("what", ["following", "clicking"])
def test_training_that_was_stopped_ends_as_one_that_was_not(work, what, monkeypatch):
    from training.nano.learning.clicking import ClickRecipe, ClickTraining
    from training.nano.learning.following import FollowTraining
    from training.nano.learning.training import Recipe

    kind, recipe = FollowTraining, short(Recipe())
    if what == "clicking":  # It begins with what followers learned.
        for folder in work.values():
            run(FollowTraining, folder, short(Recipe(), steps=1))
        kind, recipe = ClickTraining, short(ClickRecipe())
    uninterrupted = run(kind, work["whole"], recipe)
    first, rounds = kind(work["killed"], recipe, torch.device("cpu")), iter([1])
    one_round = first._round
    monkeypatch.setattr(first, "_round", lambda *args: one_round(*args) if next(rounds) else {})
    with pytest.raises(StopIteration):
        first.run(work["killed"] / "sequences", 1)
    assert kind(work["killed"], recipe, torch.device("cpu")).step == 1
    resumed = run(kind, work["killed"], recipe)
    assert resumed.step == uninterrupted.step == 2
    for key, value in uninterrupted.average.items():
        torch.testing.assert_close(resumed.average[key], value)
    with pytest.raises(ValueError, match="another recipe"):
        kind(work["whole"], replace(recipe, seed=recipe.seed + 1), torch.device("cpu"))


def test_the_click_network_begins_with_the_masks_of_the_other_one(work):
    from training.nano.learning.clicking import ClickRecipe, ClickTraining
    from training.nano.learning.following import FollowTraining
    from training.nano.learning.training import Recipe

    followed = run(FollowTraining, work["whole"], short(Recipe()))
    clicks = ClickTraining(work["whole"], ClickRecipe(), torch.device("cpu")).network.eval()
    network = followed.network.eval()
    network.load_state_dict(followed.average)
    windows, prompts = 255 * torch.rand(2, 3, SIZE, SIZE), torch.rand(2, 6, SIZE // 4, SIZE // 4)
    with torch.inference_mode():
        expected = network.decode(network.encode(windows), prompts)
        for found, right in zip(clicks(windows, prompts), expected):
            torch.testing.assert_close(found, right, rtol=1e-4, atol=1e-4)


def test_the_click_network_never_sees_a_mask_before_its_first_click(tmp_path):
    from training.nano.learning.library import Library
    from training.nano.learning.parts import CLICKS
    from training.nano.sequence import write_sequence

    touching = scene(1)
    touching.labels[0][:, 50:][touching.labels[0][:, 50:] > 0] = 2  # Two that touch are sometimes one object.
    write_sequence(tmp_path / "photograph/0.npz", touching)
    followers = [Library(tmp_path).follower([seed], 0.0, CLICKS) for seed in range(60)]
    assert not any(follower.look(SIZE).prompts[HAS_MASK].any() for follower in followers)


def test_sequences_of_other_kinds_than_a_part_needs_are_refused(tmp_path):
    from training.nano.learning.library import Library
    from training.nano.learning.parts import CLICKS
    from training.nano.sequence import write_sequence

    write_sequence(tmp_path / "teacher/0.npz", scene(2))
    with pytest.raises(FileNotFoundError, match=r"photograph.*got .*teacher"):
        Library(tmp_path).follower([0], 0.0, CLICKS)


def test_each_weight_file_holds_the_average_of_one_network_in_half_precision(work, tmp_path):
    from safetensors.torch import load_file

    from training.nano.export import export_weights
    from training.nano.learning.clicking import ClickRecipe, ClickTraining
    from training.nano.learning.following import FollowTraining
    from training.nano.learning.training import Recipe

    folder = work["whole"]
    trained = [
        run(FollowTraining, folder, short(Recipe(), steps=1)),
        run(ClickTraining, folder, short(ClickRecipe(), steps=1)),
    ]
    for training, path in zip(trained, export_weights(folder, tmp_path / "mine.safetensors"), strict=True):
        stored = load_file(path)
        assert stored.keys() == training.average.keys()
        for name, value in stored.items():
            torch.testing.assert_close(value, training.average[name].half())


def test_a_training_may_begin_with_the_weights_of_an_earlier_one(work, tmp_path):
    from training.nano.export import export_weights
    from training.nano.learning.clicking import ClickRecipe, ClickTraining
    from training.nano.learning.following import FollowTraining
    from training.nano.learning.parts import CLICKS_AGAIN, FOLLOWING_AGAIN
    from training.nano.learning.training import Recipe

    for kind, recipe in ((FollowTraining, Recipe()), (ClickTraining, ClickRecipe())):
        run(kind, work["whole"], short(recipe, steps=1))
    earlier = tmp_path / "earlier"
    earlier.mkdir()
    export_weights(work["whole"], earlier / "nano.safetensors")
    again = ((FollowTraining, Recipe(), FOLLOWING_AGAIN), (ClickTraining, ClickRecipe(), CLICKS_AGAIN))
    for kind, recipe, part in again:
        before = torch.load(work["whole"] / kind.checkpoint, weights_only=True)["average"]
        again_recipe = replace(short(recipe), again=True)
        training = kind(work["killed"], again_recipe, torch.device("cpu"), earlier)
        assert training.parts == (part,)
        for name, value in training.network.state_dict().items():
            torch.testing.assert_close(value, before[name].half().float())
        training.run(work["killed"] / "sequences", 1)
        assert training.step == 2


@pytest.mark.parametrize("steps", [33_000, 330, 11])
def test_every_step_is_in_a_part_and_each_part_begins_its_rates_anew(steps):
    from training.nano.learning.parts import PARTS, WARM_UP, Place

    places = [Place.of(step, steps, PARTS) for step in range(steps)]
    starts = [place for step, place in enumerate(places) if step == place.first]
    assert [place.part for place in starts] == list(PARTS)
    for place in starts:
        paces = [place.pace(step) for step in range(place.first, place.end)]
        assert 0 < max(paces) <= place.part.rate
        if place.end - place.first > WARM_UP:
            assert paces.index(max(paces)) == WARM_UP - 1
            assert paces[-1] < 1e-4
    assert Place.of(steps, steps, PARTS) == places[-1]  # The schedule is asked for one step more.


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
