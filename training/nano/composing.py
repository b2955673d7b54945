"""Scenes pasted together: cut-outs that move, overlap, cast shadows and leave, before photographs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from training.nano.shot import Shot
from training.nano.warping import smooth_noise, warp_maps

SIZE = (360, 480)
FRAMES = 3
_MOST = 7  # cut-outs in a scene


@dataclass(eq=False)
class _Actor:
    """A cut-out in a scene.

    pixels  (h, w, 4) float32: RGB 0..255 times alpha, and alpha 0..1
    xy, angle, scale  where it is in the first frame: pixels, degrees, scene pixels for one of its own
    velocity, spin, growth  what is added to these from frame to frame (growth: to the logarithm of the scale)
    flexible  how far it bends, as a share of its size
    absent    frames without it
    """

    pixels: np.ndarray
    xy: np.ndarray
    angle: float
    scale: float
    velocity: np.ndarray
    spin: float
    growth: float
    flexible: float
    absent: tuple[int, ...]


class Composer:
    """Makes scenes of cut-outs (h, w, 4) uint8 RGBA, in groups of which each is drawn as often, and backgrounds."""

    def __init__(self, cutouts: Sequence[Sequence[np.ndarray]], backgrounds: Sequence[np.ndarray]) -> None:
        self._groups = [group for group in cutouts if group]
        self._backgrounds = backgrounds

    def __call__(self, rng: np.random.Generator) -> Shot:
        """A scene of FRAMES frames."""
        actors, backdrop = self._cast(rng), self._backdrop(rng)
        shadow = rng.uniform(0.15, 0.6) if rng.random() < 0.5 else 0.0
        light = rng.uniform(-12, 12, 2)
        shot = Shot([], [])
        for frame in range(FRAMES):
            image = _seen(backdrop, rng).astype(np.float32)
            labels = np.zeros(SIZE, np.uint8)
            for name, actor in enumerate(actors, start=1):
                if frame in actor.absent:
                    continue
                drawn, (left, top) = _placed(actor, frame, rng)
                height, width = drawn.shape[:2]
                region = image[top : top + height, left : left + width]
                _blend(region, drawn, shadow, light)
                labels[top : top + height, left : left + width][drawn[..., 3] > 0.5] = name
            shot.images.append(np.clip(image, 0, 255).astype(np.uint8))
            shot.labels.append(labels)
        return shot

    def _cast(self, rng: np.random.Generator) -> list[_Actor]:
        """The actors from back to front; often several are twins."""
        actors: list[_Actor] = []
        speed = rng.choice([0.02, 0.06, 0.15]) * SIZE[1]
        gathered_at = rng.uniform(0.2, 0.8, 2) * [SIZE[1], SIZE[0]]
        spread = rng.uniform(0.1, 0.4) * SIZE[1]
        typical = np.exp(rng.uniform(np.log(45), np.log(260)))
        for _ in range(rng.integers(1, _MOST + 1)):
            if not actors or rng.random() > 0.3:
                group = self._groups[int(rng.integers(len(self._groups)))]
                drawn = group[int(rng.integers(len(group)))]
            longest = np.clip(typical * np.exp(rng.normal(0, 0.35)), 30, 330)
            actors.append(
                _Actor(
                    pixels=_lit(drawn, rng),
                    xy=gathered_at + rng.normal(0, spread, 2),
                    angle=rng.normal(0, 25),
                    scale=longest / max(drawn.shape[:2]),
                    velocity=rng.normal(0, speed, 2),
                    spin=rng.normal(0, 12),
                    growth=rng.normal(0, 0.08),
                    flexible=rng.uniform(0, 0.05) if rng.random() < 0.5 else 0.0,
                    absent=tuple(range(rng.integers(1, FRAMES), FRAMES)) if rng.random() < 0.1 else (),
                )
            )
        return actors

    def _backdrop(self, rng: np.random.Generator) -> np.ndarray:
        """(H, W, 3) uint8, somewhat larger than a scene."""
        photograph = self._backgrounds[int(rng.integers(len(self._backgrounds)))]
        height, width = (round(1.15 * length) for length in SIZE)
        scale = max(height / photograph.shape[0], width / photograph.shape[1]) * rng.uniform(1.01, 1.8)
        photograph = cv2.resize(photograph, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
        top = rng.integers(photograph.shape[0] - height + 1)
        left = rng.integers(photograph.shape[1] - width + 1)
        view = photograph[top : top + height, left : left + width][:, :: rng.choice([-1, 1])]
        if rng.random() < 0.3:
            view = cv2.GaussianBlur(view, (0, 0), rng.uniform(1, 4))  # out of focus
        return np.ascontiguousarray(view)


def _seen(backdrop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The scene's part of a backdrop, from a slightly different place each time."""
    top, left = (int(rng.integers(spare // 2, spare)) for spare in np.array(backdrop.shape[:2]) - SIZE)
    return backdrop[top : top + SIZE[0], left : left + SIZE[1]]


def _lit(cutout: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A cut-out in other light, premultiplied: (h, w, 4) float32."""
    pixels = cutout.astype(np.float32)
    if rng.random() < 0.5:
        pixels = pixels[:, ::-1]
    if rng.random() < 0.15:
        pixels = pixels[::-1]
    alpha = pixels[..., 3:] / 255
    colour = (pixels[..., :3] - 128) * rng.uniform(0.6, 1.15) + 128 + rng.normal(0, 18)
    colour = colour * rng.normal(1, 0.07, 3)
    if rng.random() < 0.15:
        colour = colour[..., rng.permutation(3)]
    height, width = alpha.shape[:2]
    across, down = rng.normal(0, 0.2, 2)  # the light comes from a side
    gain = 1 + across * np.linspace(-1, 1, width)[None, :, None] + down * np.linspace(-1, 1, height)[:, None, None]
    return np.concatenate([np.clip(colour * gain, 0, 255) * alpha, alpha], 2).astype(np.float32)


def _placed(actor: _Actor, frame: int, rng: np.random.Generator) -> tuple[np.ndarray, tuple[int, int]]:
    """An actor as one frame shows it, (h, w, 4) float32, and the (x, y) of its corner; nothing where it is outside."""
    scale, pixels = actor.scale * np.exp(actor.growth * frame), actor.pixels
    angle = np.deg2rad(actor.angle + actor.spin * frame)
    centre = actor.xy + actor.velocity * frame
    reach = 0.55 * scale * np.hypot(*pixels.shape[:2])
    left, top = np.clip(np.floor(centre - reach), 0, SIZE[::-1]).astype(int)
    right, bottom = np.clip(np.ceil(centre + reach), 0, SIZE[::-1]).astype(int)
    if right - left < 4 or bottom - top < 4:
        return np.zeros((0, 0, 4), np.float32), (0, 0)
    if scale < 0.5:  # remap would skip pixels
        pixels = cv2.resize(pixels, None, fx=2 * scale, fy=2 * scale, interpolation=cv2.INTER_AREA)
        scale = 0.5
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) / scale
    middle = np.array(pixels.shape[1::-1]) / 2
    maps = warp_maps((bottom - top, right - left), turn, middle - turn @ (centre - [left, top]))
    if actor.flexible:
        maps += smooth_noise(rng, maps.shape[:2], 4) * actor.flexible * max(pixels.shape[:2])
    return cv2.remap(pixels, maps, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT), (left, top)


def _blend(region: np.ndarray, drawn: np.ndarray, shadow: float, light: np.ndarray) -> None:
    """Draw (h, w, 4) over a part of the image (h, w, 3) float32, its shadow first."""
    if not drawn.size:
        return
    alpha = drawn[..., 3:]
    if shadow:
        shift = np.array([[1, 0, light[0]], [0, 1, light[1]]], np.float32)
        moved = cv2.warpAffine(alpha, shift, alpha.shape[1::-1])
        region *= 1 - shadow * cv2.GaussianBlur(moved, (0, 0), 3)[..., None]
    region *= 1 - alpha
    region += drawn[..., :3]
