"""Random smooth motions of the objects and the camera of an animated photograph."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Kinds of motion of an object relative to its surroundings, with their probabilities.
KINDS = {"rests": 0.22, "wanders": 0.46, "crosses": 0.12, "leaves": 0.2}


@dataclass(frozen=True, eq=False)
class Motion:
    """The motion of an object or the camera in T frames, relative to its initial position.

    shift    (T, 2) x and y, pixels
    angle    (T,) rotation, radians
    stretch  (T, 2) factors along x and y
    bend     (T, 2) amplitudes of two ways to bend, as shares of the object's size
    fold     (T,) angle between two parts of the object, radians
    """

    shift: np.ndarray
    angle: np.ndarray
    stretch: np.ndarray
    bend: np.ndarray
    fold: np.ndarray

    @property
    def speed(self) -> np.ndarray:
        """(T, 2) velocity in pixels per frame, from the frames before and after."""
        speed: np.ndarray = np.gradient(self.shift, axis=0)
        return speed


def smooth_path(rng: np.random.Generator, frames: int, channels: int, step: float) -> np.ndarray:
    """(frames, channels) float: a random path from 0 with steps of about `step`, which changes direction slowly."""
    velocity = rng.normal(0, 1, channels)
    path = np.zeros((frames, channels))
    for frame in range(1, frames):
        velocity = 0.75 * velocity + 0.66 * rng.normal(0, 1, channels)
        path[frame] = path[frame - 1] + velocity * step
    return path


@dataclass(frozen=True)
class Span:
    """The length of a scene: the number of frames, and the amount of motion per frame, 1 for a scene of 8 frames."""

    frames: int = 8
    pace: float = 1.0

    def path(self, rng: np.random.Generator, channels: int, step: float) -> np.ndarray:
        """(frames, channels): see smooth_path."""
        return smooth_path(rng, self.frames, channels, step * self.pace)


def object_motion(
    rng: np.random.Generator, span: Span, size: float, centre: np.ndarray, view: np.ndarray, kind: str | None = None
) -> Motion:
    """A random motion of an object.

    size    of the object, pixels
    centre  (x, y) of the object in the first frame, pixels
    view    (width, height) of the view, pixels
    kind    one of KINDS; None: any
    """
    kind = kind or str(rng.choice(list(KINDS), p=list(KINDS.values())))
    step = 0.0 if kind == "rests" else float(np.exp(rng.uniform(np.log(0.01), np.log(0.25))))
    shift = span.path(rng, 2, step * size)
    if kind == "crosses":
        direction = rng.normal(0, 1, 2)
        speed = direction / np.linalg.norm(direction) * rng.uniform(0.15, 0.6) * size * span.pace
        shift = shift * 0.3 + speed * np.arange(span.frames)[:, None]
    elif kind == "leaves":
        shift = _leaving(rng, shift, size, centre, view)
    turning = rng.choice([0.0, 0.03, 0.12]) * (kind != "rests")
    alive = float(rng.random() < 0.65)
    return Motion(
        shift,
        span.path(rng, 1, turning)[:, 0],
        np.exp(span.path(rng, 2, 0.035) + span.path(rng, 1, 0.03 * (kind != "rests"))),
        alive * (rng.normal(0, 0.01, 2) + span.path(rng, 2, rng.uniform(0.005, 0.025))),
        alive * span.path(rng, 1, rng.uniform(0.02, 0.16))[:, 0],
    )


def camera_motion(rng: np.random.Generator, span: Span, view: np.ndarray) -> Motion:
    """A random motion of the camera, from one on a tripod to one carried by a runner; view: (width, height), pixels."""
    step = float(rng.choice([0.0, 0.004, 0.012, 0.035], p=[0.15, 0.35, 0.3, 0.2]))
    shake = rng.normal(0, 0.4 * step * span.pace, (span.frames, 2)) * (rng.random() < 0.5)
    shift = (span.path(rng, 2, step) + shake) * view
    roll = span.path(rng, 1, 1.2 * step)[:, 0] * rng.choice([0.5, 1, 3], p=[0.5, 0.3, 0.2])
    zoom = np.exp(span.path(rng, 1, 1.0 * step))
    still = np.zeros((span.frames, 2))
    return Motion(shift, roll, np.repeat(zoom, 2, 1), still, still[:, 0])


def _leaving(
    rng: np.random.Generator, wander: np.ndarray, size: float, centre: np.ndarray, view: np.ndarray
) -> np.ndarray:
    """(T, 2): a path out of the view over the nearest side or any other, and mostly back in at another place."""
    frames = len(wander)
    side = int(rng.integers(4))
    if rng.random() < 0.6:
        side = int(np.argmin([centre[0], view[0] - centre[0], centre[1], view[1] - centre[1]]))
    axis, sign = side // 2, 1 if side % 2 else -1
    beyond = np.zeros(2)
    beyond[axis] = (view[axis] - centre[axis] if sign > 0 else centre[axis]) * sign + sign * 0.75 * size
    beyond[1 - axis] = rng.normal(0, 0.3) * size
    eighth = frames / 8
    goes = rng.uniform(1, 5) * eighth
    gone = goes + rng.uniform(0.7, 3) * eighth
    back = gone + rng.uniform(0.7, 3) * eighth
    inside = rng.uniform(0.15, 0.85, 2) * view - centre
    knots, places = [0.0, goes, gone], [np.zeros(2), np.zeros(2), beyond]
    if back < frames and rng.random() < 0.85:
        returns = beyond
        if rng.random() < 0.5:  # It comes back over the opposite side.
            returns = np.where(np.arange(2) == axis, -beyond + sign * (view - 2 * centre), inside)
        knots = [*knots, gone + 1e-3, back, back + rng.uniform(0.7, 2) * eighth]
        places = [*places, returns, returns, inside]
    steps = np.arange(frames)
    path = np.stack([np.interp(steps, knots, [place[along] for place in places]) for along in range(2)], 1)
    return path + 0.5 * wander
