"""Random tabletop, shelf and floor scenes for shots.py: the objects, their places and motions. Metres and radians."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import mujoco
import numpy as np

from training.nano.animation.motion import smooth_path
from training.nano.scenes.scanned import Scans
from training.nano.scenes.shapes import Mesh, Paint, Painter, box, turn
from training.nano.scenes.solids import Solid, random_solid

_SCANNED = 0.65  # Share of scanned objects, if there are any.


@dataclass
class Item:
    """An object of the scene.

    solid  its meshes, in its own frame
    rest   (3, 3) rotation in which it rests, before it is turned about the vertical axis
    poses  for each frame a rotation (3, 3) and a position (3,); a single one before `move_items`
    """

    solid: Solid
    rest: np.ndarray
    poses: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)

    def points(self, rotation: np.ndarray) -> np.ndarray:
        """Return all (N, 3) vertices, rotated."""
        return np.concatenate([mesh.vertices for mesh, _ in self.solid]) @ rotation.T

    def outline(self, frame: int = 0) -> np.ndarray:
        """Return the convex outline seen from above, (N, 1, 2) float32 xy."""
        rotation, position = self.poses[frame]
        return cv2.convexHull((self.points(rotation) + position)[:, :2].astype(np.float32))


@dataclass(frozen=True)
class Place:
    """The place where the objects stand.

    kind    table, shelf or floor
    fixed   its meshes, which do not move
    levels  (height, half width, half depth) of each surface for objects
    wall    distance of the wall behind
    """

    kind: str
    fixed: Solid
    levels: list[tuple[float, float, float]]
    wall: float


def overlaps(one: np.ndarray, other: np.ndarray) -> bool:
    """Return whether two convex outlines overlap by more than 2 % of the smaller one."""
    area = cv2.intersectConvexConvex(one, other)[0]
    return bool(area > 0.02 * min(cv2.contourArea(one), cv2.contourArea(other)))


def make_place(p: Painter) -> Place:
    """Return a table, a shelf or a floor, with walls."""
    u = p.rng.uniform
    kind = str(p.rng.choice(["table", "shelf", "floor"], p=[0.6, 0.17, 0.23]))
    styles = ["photo", "wood", "noise", "checks", "speckle", "stripes", "plain"]

    def surface(odds: list[float]) -> Paint:
        style = str(p.rng.choice(styles, p=odds))
        specular, mirror = u(0, 0.6) * (u() < 0.5), u(0.05, 0.3) * (u() < 0.12)
        style = "noise" if style == "photo" and not p.backdrops else style
        texture = None if style == "plain" else p.texture("backdrop" if style == "photo" else style, 384)
        color = p.color()
        if u() < 0.75:
            # Most furniture and walls have muted, light colours.
            keep, bright = u(0.1, 0.6), u(0.9, 1.3)
            color = np.clip(bright * (keep * color + (1 - keep) * color.mean() ** 0.7), 0.03, 1)
            if texture is not None and style != "photo":
                grey = texture.mean(-1, keepdims=True)
                texture = np.clip(bright * (keep * texture + (1 - keep) * grey), 0, 255).astype(np.uint8)
        return Paint(color, texture, specular, u(0.2, 0.9), mirror)

    top = surface([0.25, 0.25, 0.14, 0.05, 0.05, 0.04, 0.22])
    p.table = top.rgb if top.texture is None else top.texture.mean((0, 1)) / 255
    wall_paint, wall = surface([0.4, 0.05, 0.12, 0.08, 0.02, 0.06, 0.27]), u(0.45, 2.0)
    if kind == "shelf":
        high, half, deep = u(0.28, 0.45), u(0.3, 0.6), u(0.12, 0.2)
        board = box(2 * half, 2 * deep, 0.02)
        fixed = [(board.moved((0, 0, z - 0.02)), top) for z in (-high, 0, high)]
        fixed += [(box(0.02, 2 * deep, 3 * high).moved((s * half, 0, -high)), top) for s in (-1, 1)]
        fixed.append((box(2 * half, 0.02, 3 * high).moved((0, deep, -high)), wall_paint))
        room = surface([0.5, 0.0, 0.1, 0.1, 0.0, 0.0, 0.3])
        fixed.append((box(6, 0.02, 4).moved((0, deep + 0.03, -2)), room))
        fixed.append(
            (box(6, 3, 0.02).moved((0, deep - 1.5, -high - u(0.05, 0.8))), surface([0.2, 0.4, 0.1, 0.1, 0, 0, 0.2]))
        )
        spread = min(half - 0.04, u(0.15, 0.5))
        levels = [(0.0, spread, deep - 0.03), (high, spread, deep - 0.03), (-high, spread, deep - 0.03)]
        return Place(kind, fixed, levels[: p.rng.integers(1, 4)], wall)
    half, deep = (u(0.35, 0.8), u(0.25, 0.5)) if kind == "table" else (3.0, 3.0)
    slab = box(2 * half, 2 * deep, 0.03)
    # The texture of a floor is repeated, because it would be blurred otherwise.
    slab = Mesh(slab.vertices, slab.uv * (1 if kind == "table" else p.rng.integers(3, 8)), slab.faces)
    fixed = [(slab.moved((0, 0, -0.03)), top)]
    if kind == "table":
        floor = box(6, 6, 0.02)
        floor = Mesh(floor.vertices, 4 * floor.uv, floor.faces).moved((0, 0, -0.72))
        fixed.append((floor, surface([0.15, 0.3, 0.15, 0.15, 0.05, 0.0, 0.2])))
        wall = max(wall, deep + 0.02)
    fixed.append((box(6, 0.02, 3).moved((0, wall, -0.7)), wall_paint))
    for side in (-1, 1):
        fixed.append((box(0.02, 6, 3).moved((side * max(half, 0.6) + side * u(0, 1.5), 0, -0.7)), wall_paint))
    reach = u(0.12, 0.45) if kind == "table" else u(0.15, 0.6)
    return Place(kind, fixed, [(0.0, min(reach, half - 0.05), min(reach * u(0.5, 1), deep - 0.05))], wall)


def settle(item: Item, height: float, x: float, y: float, yaw: float) -> None:
    """Place the item at rest on a surface of this height."""
    rotation = turn(2, yaw) @ item.rest
    position = np.array([x, y, height - item.points(rotation)[:, 2].min()])
    item.poses = [(rotation, position)]


def _beside(item: Item, other: Item, height: float, rng: np.random.Generator) -> None:
    """Place the item beside the other one in a random direction, so that they touch."""
    angle, yaw, start = rng.uniform(0, 2 * np.pi), rng.uniform(0, 2 * np.pi), other.poses[0][1][:2]
    low, high = 0.0, 0.5
    for _ in range(9):
        middle = 0.5 * (low + high)
        x, y = start + middle * np.array([np.cos(angle), np.sin(angle)])
        settle(item, height, x, y, yaw)
        low, high = (middle, high) if overlaps(item.outline(), other.outline()) else (low, middle)


def _drawn(p: Painter, scans: Scans | None) -> tuple[Solid, bool]:
    """Return a random object, and whether it may lie on a side."""
    if scans and p.rng.random() < _SCANNED:
        return scans.draw(p.rng), True
    return random_solid(p)


def make_items(p: Painter, place: Place, scans: Scans | None = None) -> list[Item]:
    """Return up to 9 objects at rest: alone, touching another one (often its twin), or on top of one."""
    rng = p.rng
    items: list[Item] = []
    larger = rng.uniform(1, 2.2) if place.kind == "floor" else 1.0
    twins, count = rng.random() < 0.5, int(rng.integers(3, 10))
    where: list[float] = []
    for _ in range(12 * count):
        if len(items) == count:
            break
        solid, rolls = _drawn(p, scans)
        solid = [(mesh.scaled((larger,) * 3), paint) for mesh, paint in solid]
        near = int(rng.integers(len(items))) if items else -1
        level = place.levels[rng.integers(len(place.levels))]
        rest = (
            turn(int(rng.integers(2)), np.pi / 2 * rng.integers(1, 4)) if rolls and rng.random() < 0.35 else np.eye(3)
        )
        item, height = Item(solid, rest), level[0]
        if items and rng.random() < 0.5:
            height, old = where[near], items[near]
            if twins and rng.random() < 0.75:
                # A twin has the same shape, and mostly the same surfaces.
                again = [(mesh, p.paint()) for mesh, _ in old.solid] if rng.random() < 0.2 else old.solid
                item = Item(again, old.rest if rng.random() < 0.8 else rest)
            _beside(item, old, height, rng)
        else:
            x, y = rng.uniform(-1, 1, 2) * level[1:]
            settle(item, height, x, y, rng.uniform(0, 2 * np.pi))
        same = [k for k, z in enumerate(where) if z == height and overlaps(item.outline(), items[k].outline())]
        tall = np.ptp(item.points(item.poses[0][0])[:, 2])
        if same or np.abs(item.poses[0][1][:2]).max() > 1.3 * max(level[1:]) + 0.05:
            continue
        if place.kind == "shelf" and tall > 0.27:
            continue
        items.append(item)
        where.append(height)
    _stack(p, items, larger)
    return items


def _stack(p: Painter, items: list[Item], larger: float) -> None:
    """Sometimes put one more, smaller object on the flattest of the others."""
    if len(items) < 2 or len(items) > 8 or p.rng.random() > 0.25:
        return
    flat = max(items, key=lambda item: float(cv2.contourArea(item.outline())))
    solid, _ = random_solid(p)
    top = float((flat.points(flat.poses[0][0]) + flat.poses[0][1])[:, 2].max())
    item = Item([(mesh.scaled((0.6 * larger,) * 3), paint) for mesh, paint in solid], np.eye(3))
    x, y = flat.poses[0][1][:2]
    settle(item, top, x, y, p.rng.uniform(0, 6))
    items.append(item)


@dataclass(frozen=True)
class Pace:
    """The length of a scene: the number of frames, and the amount of motion per frame, 1 for a scene of 8 frames."""

    frames: int = 8
    pace: float = 1.0

    def path(self, rng: np.random.Generator, step: float) -> np.ndarray:
        """Return a smooth (frames, 3) path from 0, with steps of about `step`."""
        return smooth_path(rng, self.frames, 3, step * self.pace)

    def turns(self, rng: np.random.Generator, spin: float, tilt: float) -> list[np.ndarray]:
        """Return for each frame a rotation (3, 3); spin, tilt: radians per frame about the vertical and other axes."""
        angles = self.path(rng, 1.0) * [tilt, tilt, spin]
        return [turn(2, c) @ turn(0, a) @ turn(1, b) for a, b, c in angles]

    def when(self, rng: np.random.Generator, earliest: float, latest: float) -> int:
        """Return the index of a random frame between two times, which are given in eighths of the scene."""
        return int(rng.uniform(earliest, latest) * self.frames / 8)


def _shifted(item: Item, shifts: np.ndarray, rotations: list[np.ndarray]) -> None:
    """Shift the item along a (frames, 3) path, and rotate it about its own origin."""
    item.poses = [(turned @ r, t + s) for (r, t), s, turned in zip(item.poses, shifts, rotations)]


def move_items(p: Painter, items: list[Item], place: Place, time: Pace) -> None:
    """Let some objects slide, fly or fall during the frames; one that would slide into another stays."""
    rng = p.rng
    for item in items:
        item.poses = item.poses * time.frames
    for item in items:
        kind, before = rng.random(), item.poses
        if kind < 0.45 or (place.kind == "shelf" and kind < 0.75):
            continue
        if kind < 0.68:  # pushed
            path = time.path(rng, rng.choice([0.006, 0.02, 0.05])) * [1, 1, 0]
            _shifted(item, path, time.turns(rng, rng.choice([0.05, 0.25]), 0.0))
            others = [other for other in items if other is not item]
            if any(overlaps(item.outline(k), other.outline(k)) for other in others for k in range(1, time.frames)):
                item.poses = before
        elif kind < 0.88:  # carried by something invisible, perhaps in front of the others
            high, lifted = rng.uniform(0.01, 0.1), max(1, time.when(rng, 1, 4))
            lift = np.minimum(np.arange(time.frames) / lifted, 1)[:, None] * [0, 0, high]
            path = time.path(rng, rng.choice([0.01, 0.03, 0.07]))
            path[:, 2] = np.maximum(path[:, 2], 0)
            _shifted(item, lift + path, time.turns(rng, 0.15, 0.12))
        else:
            _drop(rng, item, time)


def _drop(rng: np.random.Generator, item: Item, time: Pace) -> None:
    """Let an object fall to its place while it tumbles; it may be above the image at first."""
    lands = time.when(rng, 2, 8)
    left = (np.maximum(lands - np.arange(time.frames), 0) * time.pace)[:, None]
    drop = left**2 * [0, 0, rng.uniform(0.006, 0.03)] + left * np.append(rng.normal(0, 0.01, 2), 0)
    axis, spin = int(rng.integers(3)), rng.normal(0, 0.3)
    _shifted(item, drop, [turn(axis, spin * float(k)) for k in left[:, 0]])


def add_lights(p: Painter, spec: mujoco.MjSpec, place: Place) -> None:
    """Add 1 to 3 lamps of random direction, colour and strength; the first one always casts shadows."""
    rng, u = p.rng, p.rng.uniform
    count = int(rng.integers(1, 4))
    ambient = u(0.15, 0.5)
    spec.visual.headlight.ambient = [ambient] * 3
    spec.visual.headlight.diffuse = [u(0, 0.35)] * 3
    spec.visual.headlight.specular = [0.1] * 3
    for k in range(count):
        direction = np.array([rng.normal(0, 0.7), rng.normal(-0.3, 0.6), u(0.5, 1.5)])
        if place.kind == "shelf":
            direction = np.array([rng.normal(0, 0.6), -u(0.6, 1.5), u(0, 0.9)])
        position = direction / np.linalg.norm(direction) * u(1.0, 1.8)
        position[1] = min(position[1], place.wall - 0.1)
        position[0] = np.clip(position[0], -0.55, 0.55)
        power = u(0.6, 1.1) / (1 + 0.6 * (count - 1)) * (1.0 if k == 0 else u(0.4, 1))
        tint = np.clip(np.array([1.0, 0.93, 0.86]) ** rng.normal(0, 1.2), 0.6, 1.3)
        light = spec.worldbody.add_light(
            pos=position, dir=-position, diffuse=power * tint, castshadow=k == 0 or u() < 0.5
        )
        light.type = mujoco.mjtLightType.mjLIGHT_SPOT if u() < 0.4 else mujoco.mjtLightType.mjLIGHT_DIRECTIONAL
        light.cutoff, light.exponent, light.attenuation = u(35, 75), u(1, 8), [1, 0, 0]
        light.specular = [u(0.2, 0.9)] * 3
