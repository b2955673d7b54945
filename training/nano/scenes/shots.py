"""What a scene shows: objects that move as they are told to, perhaps a gripper, and the camera. Metres and radians."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.nano.animation.motion import smooth_path
from training.nano.scenes.arms import Arms
from training.nano.scenes.gripping import Hand, make_gripper
from training.nano.scenes.shapes import Painter, turn
from training.nano.scenes.tabletop import Item, Pace, Place, move_items


@dataclass(frozen=True)
class Shot:
    """A scene's objects, its gripper if there is one, and its camera.

    cameras  for each frame the position (3,) and the rotation (3, 3) to the world; it looks along -z
    fov      vertical field of view, degrees
    """

    items: list[Item]
    hand: Hand | None
    cameras: list[tuple[np.ndarray, np.ndarray]]
    fov: float

    @property
    def everything(self) -> list[Item]:
        """The objects, and the gripper as the last one."""
        return [*self.items, self.hand.item] if self.hand else self.items


def posed(p: Painter, place: Place, items: list[Item], time: Pace, arms: Arms | None) -> Shot | None:
    """Move objects along paths, whether bodies could move so or not; None where there are fewer than two."""
    if len(items) < 2:
        return None
    move_items(p, items, place, time)
    fov = p.rng.uniform(32, 62)
    cameras = make_cameras(p, items, place, fov, time)
    hand = make_gripper(p, items, time, arms) if p.rng.random() < 0.5 else None
    return Shot(items, hand, cameras, fov)


def make_cameras(
    p: Painter, items: list[Item], place: Place, fov: float, time: Pace
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return for each frame the camera's position (3,) and rotation (3, 3) to the world; it looks along -z."""
    rng, u = p.rng, p.rng.uniform
    centers = np.array([item.poses[0][1] for item in items])
    single = rng.random() < 0.3
    target = centers[rng.integers(len(items))] if single else centers.mean(0)
    target = target + rng.normal(0, 0.03, 3) + [0, 0, 0.03]
    size = 0.12 if single else np.linalg.norm(centers - target, axis=-1).max() + 0.07
    distance = np.clip(size / np.tan(np.radians(fov) / 2) * np.exp(u(-0.5, 0.6)), 0.25, 2.4)
    azimuth, height = rng.normal(0, 0.6), np.radians(rng.choice([u(8, 30), u(25, 55), u(50, 85)]))
    if place.kind == "shelf":
        azimuth, height = np.clip(0.4 * azimuth, -0.6, 0.6), np.radians(u(-6, 28))
        distance = max(distance, 0.4)
    pace = rng.choice([0.0, 0.25, 1.0, 2.0], p=[0.2, 0.3, 0.3, 0.2])
    drift = pace * smooth_path(rng, time.frames, 4, time.pace) * [0.05, 0.035, 0.035, 0.025]
    slide, roll, cameras = pace * time.path(rng, 0.01), rng.normal(0, 0.05), []
    for k in range(time.frames):
        a, h = azimuth + drift[k, 0], np.clip(height + drift[k, 1], -0.1, 1.52)
        back = np.array([np.sin(a) * np.cos(h), -np.cos(a) * np.cos(h), np.sin(h)])
        # The camera's axes: x to the right, y up, z backwards.
        right = np.cross([0, 0, 1], back)
        right /= np.linalg.norm(right)
        axes = np.stack([right, np.cross(back, right), back], -1) @ turn(2, roll + drift[k, 3])
        position = target + slide[k] + distance * np.exp(drift[k, 2]) * back
        cameras.append((np.maximum(position, [-9, -9, 0.03 - (place.kind == "shelf")]), axes))
    return cameras
