"""Grippers that hover over an object of a scene, or grasp, carry and release it. Metres and radians."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from training.nano.scenes.arms import Arms
from training.nano.scenes.shapes import Painter, turn
from training.nano.scenes.solids import gripper
from training.nano.scenes.tabletop import Item, Pace

_WIDEST = 0.08  # Largest distance of the fingers of a real gripper.


@dataclass(frozen=True)
class Hand:
    """A gripper.

    item      its meshes and poses
    near      index of the object that it holds or hovers over
    releases  the first frame in which that object is on its own again; 0 if the gripper never holds it
    """

    item: Item
    near: int
    releases: int = 0


def make_gripper(p: Painter, items: list[Item], time: Pace, arms: Arms | None = None) -> Hand:
    """Return a gripper that hovers over an object, or grasps and carries it."""
    rng = p.rng
    number = int(rng.integers(len(items)))
    held = items[number]
    (_, (wide, deep), angle), points = cv2.minAreaRect(held.outline()), held.points(held.poses[0][0])
    yaw = np.radians(angle if wide < deep else angle + 90)
    narrow, holds = min(wide, deep), min(wide, deep) < 0.12 and rng.random() < 0.65
    top = held.poses[0][1] + [0, 0, points[:, 2].max()]
    gap = narrow if holds else rng.uniform(0, 0.09)
    is_real = arms is not None and (gap < _WIDEST or not holds) and rng.random() < 0.6
    solid = arms.draw(p, gap) if arms and is_real else gripper(p, gap, rng.uniform(0.7, 1.3))
    arm = Item(solid, np.eye(3))
    path = time.path(rng, rng.choice([0.012, 0.03, 0.06]))
    if holds:
        middle = np.array([*cv2.minAreaRect(held.outline())[0], top[2]])
        tips = middle - [0, 0, min(0.04, rng.uniform(0.3, 0.7) * np.ptp(points[:, 2]))]
        return Hand(arm, number, _grasp(rng, held, arm, path, tips, yaw, time))
    lean = turn(0, rng.uniform(-0.3, 0.9)) @ turn(1, rng.normal(0, 0.4)) @ turn(2, rng.uniform(0, np.pi))
    tips = top + np.array([*rng.normal(0, 0.07, 2), rng.uniform(0.005, 0.12)])
    path[:, 2] = np.abs(path[:, 2])
    turns = time.turns(rng, 0.08, 0.05)
    arm.poses = [(turned @ lean, tips + 1.5 * shift) for turned, shift in zip(turns, path)]
    return Hand(arm, number)


def _grasp(
    rng: np.random.Generator, held: Item, arm: Item, path: np.ndarray, tips: np.ndarray, yaw: float, time: Pace
) -> int:
    """Let the arm approach, carry the object along a (frames, 3) path while turning it, and perhaps release it.

    Returns the frame in which it is released.

    tips, yaw: position (3,) and rotation about the vertical axis of the finger tips when they grasp
    """
    grasps, steps = time.when(rng, -4, 5), np.arange(time.frames)
    leaves = max(grasps, 0) + max(1, time.when(rng, 2, 10))
    along = np.clip(steps, max(grasps, 0), min(leaves, time.frames - 1))
    path = path[along] - path[max(grasps, 0)]
    path[:, 2] = np.abs(path[:, 2]) * rng.choice([0.3, 1.0])
    away = (np.maximum(np.maximum(grasps - steps, steps - leaves), 0) * time.pace)[:, None]
    retreat = away * np.array([*rng.normal(0, 0.015, 2), rng.uniform(0.015, 0.05)])
    turning, (rotation, position) = rng.normal(0, rng.choice([0.02, 0.15])) * time.pace, held.poses[0]
    turns = [turn(2, turning * float(k - along[0])) for k in along]
    # The object turns about the axis between the fingers.
    held.poses = [(t @ rotation, tips + t @ (position - tips) + shift) for t, shift in zip(turns, path)]
    arm.poses = [(t @ turn(2, yaw), tips + shift + far) for t, shift, far in zip(turns, path, retreat)]
    return leaves
