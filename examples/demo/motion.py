"""Where the gripper, the can, the card and the camera are at a given time: metres, seconds, degrees.

World frame: x to the right, y away from the camera, z up, the table's top at z = 0.
"""

from __future__ import annotations

from itertools import pairwise

import mujoco
import numpy as np

DURATION = 6.0
CARD_MOVE = 0.8
CAN_RADIUS, CAN_HEIGHT, GRASP_HEIGHT = 0.034, 0.102, 0.070
GRASPED, RELEASED = 1.62, 4.78

# Each channel: (time, value) keys, joined by smooth moves. x, y, z: the point between the finger tips.
TRACKS = {
    "x": [(0.0, 0.235), (1.1, 0.165), (1.95, 0.165), (4.40, -0.200), (5.2, -0.200), (6.0, -0.16)],
    "y": [(0.0, 0.030), (1.1, -0.040), (2.10, -0.040), (3.2, -0.034), (4.5, -0.085), (5.2, -0.085), (6.0, -0.05)],
    "z": [
        (0.0, 0.235),
        (0.2, 0.235),
        (1.35, 0.070),
        (1.70, 0.070),
        (2.7, 0.170),
        (3.5, 0.170),
        (4.60, 0.070),
        (4.95, 0.070),
        (6.0, 0.220),
    ],
    "yaw": [(0.0, 8.0), (1.2, -16.0), (2.3, -16.0), (4.3, 16.0), (5.1, 16.0), (6.0, 4.0)],
    "tilt": [(0.0, 0.0), (2.0, 0.0), (2.7, 4.0), (3.6, -3.0), (4.4, 0.0)],
    "gap": [(0.0, 0.088), (1.3, 0.088), (1.6, 2 * CAN_RADIUS), (4.75, 2 * CAN_RADIUS), (5.0, 0.088)],
}


def track(channel: str, time: float) -> float:
    """Return the channel's value at `time` (metres or degrees)."""
    keys = TRACKS[channel]
    if time <= keys[0][0]:
        return keys[0][1]
    for (t0, a), (t1, b) in pairwise(keys):
        if time < t1:
            s = (time - t0) / (t1 - t0)
            return a + (b - a) * s**2 * (3 - 2 * s)
    return keys[-1][1]


def quaternion(yaw: float, tilt: float = 0.0) -> np.ndarray:
    """Return (4,) wxyz: a turn about z after a tilt about y, degrees."""
    a, b = np.radians(yaw) / 2, np.radians(tilt) / 2
    (ca, sa), (cb, sb) = (np.cos(a), np.sin(a)), (np.cos(b), np.sin(b))
    return np.array([ca * cb, -sa * sb, ca * sb, sa * cb])


def hand_pose(time: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the gripper's finger-tip point (3,) metres and its orientation (4,) wxyz."""
    return np.array([track(c, time) for c in "xyz"]), quaternion(track("yaw", time), track("tilt", time))


def can_pose(time: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the moved can's bottom centre (3,) and orientation (4,): it moves with the closed fingers."""
    position, turn = hand_pose(float(np.clip(time, GRASPED, RELEASED)))
    down = np.zeros(3)
    mujoco.mju_rotVecQuat(down, np.array([0.0, 0.0, -GRASP_HEIGHT]), turn)
    return position + down, turn


def card_pose(time: float, hidden: float) -> np.ndarray:
    """Return the card's centre (3,): it slides in front of the can, waits `hidden` seconds, goes back."""
    can, _ = can_pose(np.inf)
    start = DURATION + CARD_MOVE
    away = np.clip(max(start - time, time - start - hidden) / CARD_MOVE, 0, 1)
    return can + np.array([-0.45 * away**2 * (3 - 2 * away), -0.075, 0.10])


def camera_pose(time: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the camera's position (3,) and rotation (3, 3), columns right, up, back: a slow arc by hand."""

    def sway(scale: float, *phases: float) -> np.ndarray:
        return scale * np.array([np.sin(2.3 * time + p) + 0.5 * np.sin(5.1 * time + 2 * p) for p in phases])

    azimuth = np.radians(-7.0 + 2.2 * time)
    target = np.array([0.020, 0.040, 0.092]) + sway(0.0014, 0.3, 1.9, 4.0)
    away = 0.69 * np.array([np.sin(azimuth), -np.cos(azimuth), 0.56])
    position = target + away + sway(0.003, 2.2, 0.7, 5.1)
    back = (position - target) / np.linalg.norm(position - target)
    right = np.cross([0.02 * np.sin(1.7 * time), 0.0, 1.0], back)
    right /= np.linalg.norm(right)
    return position, np.stack([right, np.cross(back, right), back], 1)
