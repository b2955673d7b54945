"""Followers in processes of their own, and what is kept of the looks they remember: training/nano/learning."""

from __future__ import annotations

import numpy as np
import pytest
from training_samples import SIZE, scene

torch = pytest.importorskip("torch", reason="torch is missing, which trains the network")


@pytest.fixture
def library(tmp_path):
    from training.nano.sequence import write_sequence

    for number in range(3):
        write_sequence(tmp_path / f"animated/{number}.npz", scene(3 + number))
    return tmp_path


@pytest.fixture
def team(library):
    """A function that starts a team of three rows with so many processes."""
    from training.nano.learning.team import Team

    teams = []

    def start(workers):
        teams.append(Team(library, 3, SIZE, workers))
        return teams[-1]

    yield start
    for each in teams:
        each.close()


def shown(team, turns, part=None):
    """What a network that finds the true masks is shown in so many turns of both groups."""
    from training.nano.learning.parts import PARTS
    from training.nano.learning.team import GROUPS

    team.start([5], 0.0, part or PARTS[0])
    for group in range(GROUPS):
        team.call(group, SIZE)
    seen = []
    for step in range(turns):
        turn = team.turn(step % GROUPS)
        seen.append(turn._replace(**{name: getattr(turn, name).clone() for name in turn._fields[1:5]}))
        # Windows of several sizes, as in training.
        team.call(turn.group, SIZE - 32 * (step % 3 == 2), step, 20 * turn.truth - 10, [0.9] * 3)
    for group in range(GROUPS):
        team.turn(group)
    return seen


def test_what_followers_do_does_not_depend_on_the_number_of_processes(team):
    alone, together = shown(team(1), 14), shown(team(2), 14)
    for one, other in zip(alone, together, strict=True):
        for name in one._fields[1:5]:
            torch.testing.assert_close(getattr(one, name), getattr(other, name), rtol=0, atol=0)
        for glance, same in zip(one.glances, other.glances, strict=True):
            assert glance._replace(mask=None) == same._replace(mask=None)
            np.testing.assert_array_equal(glance.mask, same.mask)
    assert {turn.group for turn in alone} == {0, 1}
    assert not torch.equal(alone[0].windows, alone[1].windows)


def test_what_the_network_computes_with_is_not_changed_by_the_next_looks(team):
    from training.nano.learning.parts import PARTS
    from training.nano.learning.training import Batch

    alone = team(1)
    alone.start([5], 0.0, PARTS[0])
    alone.call(0, SIZE)
    turn = alone.turn(0)
    batch = Batch.of(turn, torch.device("cpu"))
    kept = [each.clone() for each in batch]
    alone.call(0, SIZE, 0, -20 * turn.truth - 10, [0.1] * 3)
    alone.turn(0)
    assert not torch.equal(turn.windows.permute(0, 3, 1, 2), kept[0])
    for each, before in zip(batch, kept, strict=True):
        torch.testing.assert_close(each, before, rtol=0, atol=0)


def test_a_team_that_starts_anew_shows_the_same_again(team):
    both = team(2)
    first, again = shown(both, 4), shown(both, 4)
    for one, other in zip(first, again, strict=True):
        torch.testing.assert_close(one.windows, other.windows, rtol=0, atol=0)


def test_a_look_is_remembered_with_its_mask_until_the_follower_is_relieved(team):
    from training.nano.learning.following import Notes

    notes, recalled = Notes(), 0
    for step, turn in enumerate(shown(team(1), 24)):
        found = notes.recalled(turn)
        for row, note in found:
            assert note.features[0, 0, 0] == note.features.flatten()[-1] < step  # It is of an earlier turn.
            assert note.mask.shape[0] in (SIZE, SIZE - 32)
            assert note.mask.max() > 200
            assert turn.glances[row].remembered
        recalled = max(recalled, len(found))
        notes.show(turn.group, step, torch.full((3, 2, 4, 4), float(step)))
    assert recalled >= 3


def test_what_a_process_raises_is_raised_where_its_looks_are_waited_for(team):
    from training.nano.learning.parts import Part

    with pytest.raises(FileNotFoundError, match="photograph"):
        shown(team(1), 1, part=Part(1, mixture={"photograph": 1.0}))


def test_a_process_that_dies_is_noticed(team):
    from training.nano.learning.parts import PARTS

    both = team(2)
    both.start([5], 0.0, PARTS[0])
    both._processes[1].kill()
    both._processes[1].join()
    with pytest.raises(RuntimeError, match="has died"):
        both.call(0, SIZE)
        both.turn(0)


def test_memories_side_by_side_are_those_of_each_object_end_to_end():
    from sampt_ros.segmenters.nano.interface import Memory
    from sampt_ros.segmenters.nano.memory import ObjectMemory, joined
    from training.nano.learning.following import side_by_side

    def memory(looks, positions):
        generator = torch.Generator().manual_seed(positions)
        keys, values = (torch.rand(looks, positions, size, generator=generator) for size in (4, 6))
        return Memory(keys, values, values[..., 0], torch.ones(looks, positions, dtype=torch.bool))

    small, large = memory(3, 5), memory(2, 9)
    found = side_by_side([([0, 2], small), ([0, 1], large)], 4)  # One look more than there are owners.
    one = torch.tensor([0]), torch.tensor([1])
    expected = joined(
        [
            ObjectMemory((0, 1), (small.select(one[0]), large.select(one[0]))),
            ObjectMemory((0,), (large.select(one[1]),)),
            ObjectMemory((0,), (small.select(one[1]),)),
            None,
        ],
        torch,
    )
    for name in ("keys", "values", "inside", "valid"):
        valid = expected.valid if name == "valid" else torch.ones_like(expected.valid)
        torch.testing.assert_close(getattr(found, name)[valid], getattr(expected, name)[valid])
