"""Simulated scenes: objects lie, fall and are led as bodies are, and never end up inside each other."""

from __future__ import annotations

import numpy as np
import pytest

mujoco = pytest.importorskip("mujoco", reason="mujoco is missing, which simulates the scenes")

SIDE = 0.06


def _item(x=0.0, y=0.0, z=0.0):
    from training.nano.scenes.shapes import Paint, box
    from training.nano.scenes.tabletop import Item

    solid = [(box(SIDE, SIDE, SIDE), Paint(np.ones(3)))]
    return Item(solid, np.eye(3), [(np.eye(3), np.array([x, y, z]))])


def _table():
    from training.nano.scenes.shapes import Paint, box
    from training.nano.scenes.tabletop import Place

    return Place("table", [(box(1, 1, 0.03).moved((0, 0, -0.03)), Paint(np.ones(3)))], [(0.0, 0.5, 0.5)], 1.0)


def _heights(frames, number):
    return np.array([poses[number][1][2] for poses in frames])


def test_what_is_above_the_table_falls_onto_it_and_stays():
    from training.nano.scenes.physics import Dynamics
    from training.nano.scenes.tabletop import Pace

    world = Dynamics(_table().fixed, [_item(z=0.1)])
    heights = _heights(world.run(Pace(20, 0.3), {}), 0)
    assert heights[0] == pytest.approx(0.1)
    assert 0.04 < heights[3] < 0.1 - 0.02  # On its way after 0.1 s.
    np.testing.assert_allclose(heights[-5:], 0, atol=1e-3)


def test_objects_that_are_inside_each_other_are_pushed_apart():
    from training.nano.scenes.physics import Dynamics

    world = Dynamics(_table().fixed, [_item(), _item(x=0.8 * SIDE)])
    world.rest(1.0)
    (_, left), (_, right) = world.poses()
    assert right[0] - left[0] > 0.98 * SIDE
    assert abs(left[2]) < 2e-3 and abs(right[2]) < 2e-3


def test_what_is_led_goes_its_way_pushes_others_and_falls_when_it_is_released():
    from training.nano.scenes.physics import Dynamics, Led
    from training.nano.scenes.shapes import turn
    from training.nano.scenes.tabletop import Pace

    way = [(turn(2, 0.02 * k), np.array([0.02 * min(k, 8), 0, 0.01 * max(k - 8, 0)])) for k in range(16)]
    world = Dynamics(_table().fixed, [_item(), _item(x=0.1)])
    frames = world.run(Pace(24, 0.3), {0: Led([*way, *[way[-1]] * 8], 15)})
    for frame in range(16):
        np.testing.assert_allclose(frames[frame][0][1], way[frame][1], atol=2e-3)
        np.testing.assert_allclose(frames[frame][0][0], way[frame][0], atol=2e-2)
    assert frames[8][1][1][0] > 0.16 + SIDE - 5e-3  # It was pushed along.
    assert _heights(frames, 0)[-1] < 0.1 * _heights(frames, 0)[15]


def test_a_way_through_the_table_is_refused():
    from training.nano.scenes.physics import Dynamics, Led
    from training.nano.scenes.tabletop import Pace

    way = [(np.eye(3), np.array([0, 0, -0.01 * k])) for k in range(8)]
    assert Dynamics(_table().fixed, [_item()]).run(Pace(8), {0: Led(way, 8)}) is None


def _enacted(seed):
    from training.nano.scenes.physics import enacted
    from training.nano.scenes.shapes import Painter
    from training.nano.scenes.tabletop import Pace, make_items, make_place

    painter = Painter(np.random.default_rng(seed), [])
    place = make_place(painter)
    return enacted(painter, place, make_items(painter, place), Pace(6, 0.5), None), place


def test_in_a_simulated_scene_objects_are_where_they_can_be():
    from training.nano.scenes.physics import Dynamics

    shots = [_enacted([3, seed]) for seed in range(12)]
    shown = [(shot, place) for shot, place in shots if shot]
    assert len(shown) >= 5
    assert any(shot.hand and shot.hand.releases for shot, _ in shown)
    for shot, place in shown:
        assert len(shot.items) >= 2
        assert {len(item.poses) for item in shot.everything} == {6} == {len(shot.cameras)}
        world = Dynamics(place.fixed, shot.items)
        mujoco.mj_forward(world._model, world._data)
        contact = world._data.contact
        assert not world._data.ncon or contact.dist.min() > -0.01
    again, _ = _enacted([3, 0])
    first, _ = shots[0]
    assert (again is None) == (first is None)
    if first:
        for one, other in zip(first.everything, again.everything, strict=True):
            np.testing.assert_array_equal([p for _, p in one.poses], [p for _, p in other.poses])
