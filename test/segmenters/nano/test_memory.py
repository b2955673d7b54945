"""What the nano segmenter remembers of an object."""

import importlib.util

import numpy as np
import pytest

from sampt_ros.segmenters.nano.interface import Memory
from sampt_ros.segmenters.nano.memory import ObjectMemory, joined


def memory_of(positions: int, library=np) -> Memory:
    """The memory of one frame, of so many positions, in arrays of NumPy or torch."""
    values = (library.ones((1, positions, 3)), library.ones((1, positions, 2)), library.ones((1, positions)))
    return Memory(*values, library.ones((1, positions), dtype=library.bool))


def test_a_frame_is_wanted_again_or_after_the_gap():
    memory = ObjectMemory().learned(3, memory_of(4), capacity=2)
    assert ObjectMemory().wants(0, gap=5)
    assert [memory.wants(frame, gap=5) for frame in (3, 7, 8)] == [True, False, True]


def test_the_first_frame_and_the_latest_are_kept():
    memory = ObjectMemory()
    for frame in (0, 5, 10, 15):
        memory = memory.learned(frame, memory_of(4), capacity=3)
    assert memory.frames == (0, 10, 15)


def test_a_frame_learned_again_takes_its_own_place():
    first, again = memory_of(4), memory_of(4)
    memory = ObjectMemory().learned(0, first, capacity=3).learned(0, again, capacity=3)
    assert memory.frames == (0,)
    assert memory.memories[0] is again


def test_the_positions_of_all_frames_are_put_together_once():
    memory = ObjectMemory().learned(0, memory_of(4), capacity=3).learned(5, memory_of(9), capacity=3)
    assert memory.positions.keys.shape == (1, 13, 3)
    assert memory.positions.valid.shape == (1, 13)
    assert memory.positions is memory.positions
    assert memory.learned(10, memory_of(4), capacity=3).positions.keys.shape == (1, 17, 3)


@pytest.mark.parametrize("name", ["numpy", "torch"])
def test_memories_are_joined_with_padding_that_is_not_valid(name):
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is missing")
    library = importlib.import_module(name)

    def known(*positions):
        return ObjectMemory(tuple(range(len(positions))), tuple(memory_of(count, library) for count in positions))

    assert joined([None, None], library) is None
    memory = joined([known(4), None, known(4, 4, 9)], library)  # The last one is from a larger window.
    assert memory.keys.shape == (3, 17, 3)
    assert memory.values.shape == (3, 17, 2)
    assert memory.valid.sum(1).tolist() == [4, 0, 17]
