"""Lets the objects of a scene rest, fall, roll and push each other, with the dynamics of MuJoCo. SI units.

Every mesh collides as its convex hull: what lies on a table touches it where it really would, but an open cup
counts as closed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import mujoco
import numpy as np

from training.nano.scenes.arms import Arms
from training.nano.scenes.gripping import make_gripper
from training.nano.scenes.shapes import Painter, turn
from training.nano.scenes.shots import Shot, make_cameras
from training.nano.scenes.solids import Solid
from training.nano.scenes.tabletop import Item, Pace, Place, settle

_STEP = 0.002
_FRAME = 0.11  # Time from one frame to the next, where the pace is 1.
_MASS = 0.2  # Of every object.
_HEAVY = 1000.0  # By how much an object that is led outweighs what it meets.
_HULL = 48  # Vertices of a hull.
_STIFF = [0.006, 1.0]  # Of contacts: time constant in seconds, and damping; softer ones let what falls sink in.
_CALM = 0.95  # Of the speed that is left after a step while objects come to rest.
_RESTING, _MEETING = 1.2, 0.25  # Time for objects to come to rest, and to give way to a gripper that is there already.
_DEEPEST = 0.008  # How far bodies may be inside each other.
_HEAPED, _HANDLED, _PUSHING = 0.3, 0.6, 0.5  # Shares of scenes, of scenes, and of grippers that hold nothing.
_DROPPED, _STRUCK = 0.08, 0.15  # Shares of objects.

Pose = tuple[np.ndarray, np.ndarray]  # A rotation (3, 3) and a position (3,).


@dataclass(frozen=True)
class Led:
    """An item that something holds: it follows its own poses until the first frame in which it is `released`."""

    poses: Sequence[Pose]
    released: int


class Dynamics:
    """The items as free bodies among what is fixed, at first where their first poses say."""

    def __init__(self, fixed: Solid, items: Sequence[Item], apart: tuple[int, int] | None = None) -> None:
        """apart: indices of two items that do not touch each other, a gripper and what it holds"""
        spec = mujoco.MjSpec()
        spec.option.timestep, spec.option.integrator = _STEP, mujoco.mjtIntegrator.mjINT_IMPLICITFAST
        spec.compiler.boundinertia = 2e-5  # Bolts would jitter.
        _add_geoms(spec, spec.worldbody.add_body(name="fixed"), fixed, "fixed")
        for number, item in enumerate(items):
            body = spec.worldbody.add_body(name=f"item{number}")
            body.add_freejoint()
            _add_geoms(spec, body, item.solid, f"item{number}")
        if apart:
            spec.add_exclude(bodyname1=f"item{apart[0]}", bodyname2=f"item{apart[1]}")
        self._model = spec.compile()
        self._data = mujoco.MjData(self._model)
        self._count = len(items)
        for number, item in enumerate(items):
            self._place(number, item.poses[0])

    def poses(self) -> list[Pose]:
        """Where the items are now."""
        mujoco.mj_kinematics(self._model, self._data)
        bodies = range(2, 2 + self._count)
        return [(self._data.xmat[body].reshape(3, 3).copy(), self._data.xpos[body].copy()) for body in bodies]

    def rest(self, seconds: float, led: Mapping[int, Led] | None = None) -> None:
        """Let everything come to rest, but what is led, which stays where its first pose is."""
        for _ in range(round(seconds / _STEP)):
            for number, each in (led or {}).items():
                self._place(number, each.poses[0])
            mujoco.mj_step(self._model, self._data)
            self._data.qvel *= _CALM
        self._data.qvel[:] = 0

    def strike(self, number: int, velocity: np.ndarray) -> None:
        """Give an item a velocity (6,): metres a second, and radians a second about its own axes."""
        self._data.qvel[6 * number : 6 * number + 6] = velocity

    def run(self, time: Pace, led: Mapping[int, Led]) -> list[list[Pose]] | None:
        """The items' poses in every frame; None if bodies are inside each other in one."""
        for number in led:
            self._weigh(number, _HEAVY)
        steps = max(1, round(_FRAME * time.pace / _STEP))
        frames = [self.poses()]
        for frame in range(time.frames - 1):
            for number in [number for number, each in led.items() if each.released == frame]:
                self._weigh(number, 1 / _HEAVY)
            for step in range(steps):
                for number, each in led.items():
                    if frame < each.released:
                        self._lead(number, each.poses[frame], each.poses[frame + 1], step / steps, steps * _STEP)
                mujoco.mj_step(self._model, self._data)
            if self._data.ncon and self._data.contact.dist.min() < -_DEEPEST:
                return None
            frames.append(self.poses())
        return frames

    def _place(self, number: int, pose: Pose) -> None:
        self._data.qpos[7 * number : 7 * number + 3] = pose[1]
        self._data.qpos[7 * number + 3 : 7 * number + 7] = _quaternion(pose[0])
        self._data.qvel[6 * number : 6 * number + 6] = 0

    def _lead(self, number: int, start: Pose, end: Pose, share: float, seconds: float) -> None:
        """Set an item on its way from one pose to another, a share of 0..1 of it done."""
        first, last, velocity = _quaternion(start[0]), _quaternion(end[0]), np.zeros(3)
        mujoco.mju_subQuat(velocity, last, first)
        here = first.copy()
        mujoco.mju_quatIntegrate(here, velocity, share)
        self._data.qpos[7 * number : 7 * number + 7] = [*(1 - share) * start[1] + share * end[1], *here]
        self._data.qvel[6 * number : 6 * number + 6] = [*(end[1] - start[1]) / seconds, *velocity / seconds]

    def _weigh(self, number: int, factor: float) -> None:
        self._model.body_mass[number + 2] *= factor
        self._model.body_inertia[number + 2] *= factor
        mujoco.mj_setConst(self._model, mujoco.MjData(self._model))


def _add_geoms(spec: mujoco.MjSpec, body: mujoco.MjsBody, solid: Solid, name: str) -> None:
    for number, (mesh, _) in enumerate(solid):
        shell = spec.add_mesh(
            name=f"{name}_{number}", inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL, maxhullvert=_HULL
        )
        shell.uservert, shell.userface = mesh.vertices.ravel(), mesh.faces.ravel()
        geom = body.add_geom(type=mujoco.mjtGeom.mjGEOM_MESH, meshname=shell.name, condim=6)
        geom.mass, geom.friction, geom.solref = _MASS / len(solid), [0.7, 0.005, 0.001], _STIFF


def _quaternion(rotation: np.ndarray) -> np.ndarray:
    quaternion = np.zeros(4)
    mujoco.mju_mat2Quat(quaternion, rotation.ravel())
    return quaternion


def enacted(p: Painter, place: Place, items: list[Item], time: Pace, arms: Arms | None) -> Shot | None:
    """Let objects come to rest, alone or in a heap; then some are struck or dropped, a gripper carries or pushes one.

    None where fewer than two objects stay where the scene is, or bodies end up inside each other.
    """
    rng = p.rng
    if rng.random() < _HEAPED:
        _heap(rng, items, place)
    world = Dynamics(place.fixed, items)
    world.rest(_RESTING)
    for item, pose in zip(items, world.poses()):
        item.poses = [pose]
    items = [item for item in items if _is_here(item, place)]
    if len(items) < 2:
        return None
    hand = make_gripper(p, items, time, arms) if rng.random() < _HANDLED else None
    if hand and not hand.releases and rng.random() < _PUSHING:
        _push(rng, items[hand.near], hand.item, time)
    held = hand.near if hand and hand.releases else -1
    led: dict[int, Led] = {held: Led(items[held].poses, hand.releases)} if hand and held >= 0 else {}
    for number, item in enumerate(items):
        if number != held and rng.random() < _DROPPED:
            led[number] = _raised(rng, item, time)
    everything = items + ([hand.item] if hand else [])
    if hand:
        led[len(items)] = Led(hand.item.poses, time.frames)
    world = Dynamics(place.fixed, everything, (held, len(items)) if held >= 0 else None)
    world.rest(_MEETING, led)
    for number in range(len(items)):
        if number not in led and rng.random() < _STRUCK:
            speed, angle = rng.choice([0.1, 0.3, 0.8]), rng.uniform(0, 2 * np.pi)
            world.strike(
                number, np.array([speed * np.cos(angle), speed * np.sin(angle), 0, *rng.normal(0, 3 * speed, 3)])
            )
    frames = world.run(time, led)
    if frames is None:
        return None
    for number, item in enumerate(everything):
        item.poses = [poses[number] for poses in frames]
    fov = rng.uniform(32, 62)
    return Shot(items, hand, make_cameras(p, items, place, fov, time), fov)


def _is_here(item: Item, place: Place) -> bool:
    """Whether an item at rest is on one of the place's surfaces."""
    rotation, position = item.poses[0]
    lowest = (item.points(rotation) + position)[:, 2].min()
    return any(lowest > z - 0.02 and (np.abs(position[:2]) < [x + 0.1, y + 0.1]).all() for z, x, y in place.levels)


def _heap(rng: np.random.Generator, items: list[Item], place: Place) -> None:
    """Put the items above each other on the first surface, turned any way, so that they fall together."""
    z, half, deep = place.levels[0]
    middle, radius = rng.uniform(-0.5, 0.5, 2) * [half, deep], rng.uniform(0.02, 0.08)
    for item in items:
        item.rest = turn(0, rng.uniform(0, 2 * np.pi)) @ turn(1, rng.uniform(0, 2 * np.pi))
        x, y = np.clip(middle + rng.normal(0, radius, 2), [-half, -deep], [half, deep])
        settle(item, z + 0.002, x, y, rng.uniform(0, 2 * np.pi))
        z = float((item.points(item.poses[0][0]) + item.poses[0][1])[:, 2].max())


def _raised(rng: np.random.Generator, item: Item, time: Pace) -> Led:
    """An item that is dropped: it stays above its place, turned any way, until it is released."""
    rotation, position = item.poses[0]
    turned = turn(0, rng.normal(0, 1)) @ turn(1, rng.normal(0, 1)) @ rotation
    above = position + np.array([0, 0, rng.uniform(0.06, 0.25)])
    item.poses = [(turned, above)]
    return Led([(turned, above)] * time.frames, max(1, time.when(rng, 1, 6)))


def _push(rng: np.random.Generator, item: Item, gripper: Item, time: Pace) -> None:
    """Let a gripper push an item along: its tips go to where the item is, at a third of its height."""
    rotation, position = item.poses[0]
    points = item.points(rotation) + position
    low, high = points.min(0), points.max(0)
    angle, width = rng.uniform(0, 2 * np.pi), float(np.linalg.norm((high - low)[:2])) / 2
    way = np.array([np.cos(angle), np.sin(angle), 0])
    start = np.array([*(low + high)[:2] / 2, low[2] + (high - low)[2] / 3 + 0.004]) - way * (
        width + rng.uniform(0.02, 0.06)
    )
    lean = turn(2, rng.uniform(0, np.pi)) @ turn(0, rng.normal(0, 0.2))
    done = np.linspace(0, 1, time.frames) ** rng.uniform(0.7, 1.4) * rng.uniform(0.08, 0.25)
    gripper.poses = [(lean, start + way * each) for each in done]
