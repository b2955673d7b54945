"""Makes videos from photographs: the camera, the photograph's own objects, and objects from other pictures move."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from training.nano.animation.layers import Layer, affine, blend, cast_shadow, line_kernel
from training.nano.animation.motion import Motion, Span, camera_motion, object_motion
from training.nano.animation.stage import Props, cut_out, filled, lit, movable
from training.nano.pictures.stills import Still
from training.nano.pictures.warping import warp_maps
from training.nano.sequence import VOID, Sequence

_SIZES = ((304, 400), (288, 448), (400, 320))  # Height and width of the view, pixels.
_SOLID = 0.45  # A pixel gets the label of a layer whose opacity there is higher than this.
_SCALES = (0.95, 1.5)  # Scale from the photograph to the view.


@dataclass(eq=False)
class _Actor:
    """A layer and its motion.

    absent  indices of the frames in which it is not there
    shadow  darkness of its shadow, 0..1
    """

    layer: Layer
    motion: Motion
    absent: range = range(0)
    shadow: float = 0.0


class Animator:
    """Animates photographs, with objects from other photographs (props) added."""

    def __init__(self, stills: list[Still], props: Props, backgrounds: list[np.ndarray] | None = None) -> None:
        """backgrounds: pictures (H, W, 3) uint8 RGB without labels, in front of which only props move."""
        self._stills, self._props, self._backgrounds = stills, props, backgrounds or []

    def __call__(
        self,
        rng: np.random.Generator,
        span: Span | None = None,
        kind: str | None = None,
        clip: list[np.ndarray] | None = None,
    ) -> Sequence:
        """A random video, whose size is one of _SIZES.

        span  number of frames and pace; default: 8 frames
        kind  how its objects move, one of motion.KINDS; None: any
        clip  a video of as many images (H, W, 3) uint8 RGB, in front of which only props move
        """
        span = span or Span()
        size = _SIZES[int(rng.choice(len(_SIZES), p=[0.5, 0.35, 0.15]))]
        view = np.array(size[::-1])
        photograph, labels = (clip[0], np.zeros(clip[0].shape[:2], np.uint8)) if clip else self._photograph(rng)
        place = _framing(photograph.shape[:2], view, labels, rng)
        own = movable(labels, rng) if rng.random() < 0.85 else []
        actors = self._own_actors(photograph, labels, own, place, rng, span, view, kind)
        backdrop = filled(photograph, np.isin(labels, own), rng)
        remaining = np.where(np.isin(labels, own), 0, labels).astype(np.uint8)
        actors, twins = self._with_others(actors, int(labels.max()), rng, span, view, kind)
        camera = camera_motion(rng, span, view)
        if clip:  # The clip already shows the motion of a camera.
            camera = camera_motion(rng, replace(span, pace=0.0), view)
        shots = _Shots(size, camera, rng)
        sequence = Sequence([], [], True, twins)
        for frame in range(span.frames):
            behind = clip[frame] if clip else backdrop
            image, names = shots.take(frame, behind, remaining, place, actors)
            sequence.images.append(image)
            sequence.labels.append(names)
        return sequence

    def _photograph(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """An image (H, W, 3) uint8 RGB and its labels (H, W) uint8."""
        if self._backgrounds and rng.random() < 0.15:
            image = self._backgrounds[int(rng.integers(len(self._backgrounds)))]
            labels = np.zeros(image.shape[:2], np.uint8)
        else:
            still = self._stills[int(rng.integers(len(self._stills)))]
            image = still.image()
            labels = still.labels(*image.shape[:2])
        if rng.random() < 0.5:
            image, labels = image[:, ::-1].copy(), labels[:, ::-1].copy()
        return image, labels

    def _own_actors(
        self,
        photograph: np.ndarray,
        labels: np.ndarray,
        own: list[int],
        place: np.ndarray,
        rng: np.random.Generator,
        span: Span,
        view: np.ndarray,
        kind: str | None,
    ) -> list[_Actor]:
        """Actors made of the photograph's own objects with the labels `own`, at their original places."""
        actors = []
        for name in own:
            pixels, corner = cut_out(photograph, labels == name)
            to_scene = place @ affine(corner, 0.0, np.ones(2), np.zeros(2))
            layer = Layer.of(pixels, to_scene, name, rng)
            size = layer.size * place[0, 0]
            actors.append(_Actor(layer, object_motion(rng, span, size, layer.centre(), view, kind)))
        if len(actors) > 1 and rng.random() < 0.4:  # They move together, as a rider and a bicycle do.
            common = max(actors, key=lambda actor: actor.layer.size).motion.shift
            for actor in actors:
                actor.motion = replace(actor.motion, shift=common, angle=0.3 * actor.motion.angle)
        return actors

    def _with_others(
        self,
        actors: list[_Actor],
        last: int,
        rng: np.random.Generator,
        span: Span,
        view: np.ndarray,
        kind: str | None,
    ) -> tuple[list[_Actor], tuple[tuple[int, ...], ...]]:
        """Add twins, objects from other pictures, and occluders; returns all actors, and pairs of labels of twins.

        last: the highest label that is in use
        """
        twins = []
        names = iter(range(last + 1, VOID))
        if actors and rng.random() < 0.25:
            original = actors[int(rng.integers(len(actors)))]
            twin = replace(original.layer, name=next(names))
            twin.place = affine(rng.normal(0, 0.35, 2) * view, rng.normal(0, 0.2), np.ones(2), np.zeros(2)) @ twin.place
            if rng.random() < 0.5:
                twin.pixels = lit(twin.pixels, rng, 0.5)
            else:
                twins.append((original.layer.name, twin.name))
            actors.insert(
                int(rng.integers(len(actors) + 1)),
                _Actor(twin, object_motion(rng, span, twin.size * twin.place[0, 0], twin.centre(), view)),
            )
        for _ in range(int(rng.choice(4, p=[0.35, 0.35, 0.2, 0.1])) + (not actors)):
            actors.insert(
                int(rng.integers(len(actors) + 1)),
                self._visitor(next(names), rng, span, view, kind if not actors else None),
            )
        if actors and rng.random() < 0.3:
            actors.append(self._occluder(actors, next(names), rng, span, view))
        return actors, tuple(twins)

    def _visitor(self, name: int, rng: np.random.Generator, span: Span, view: np.ndarray, kind: str | None) -> _Actor:
        """An object from another picture at a random place."""
        pixels = lit(self._props.thing(rng), rng, 1.0)
        side = np.exp(rng.uniform(np.log(28), np.log(0.55 * view.min())))
        layer = _placed(pixels, name, rng.uniform(0.1, 0.9, 2) * view, side, rng)
        absent = range(int(rng.integers(1, span.frames)), span.frames) if rng.random() < 0.1 else range(0)
        shadow = rng.uniform(0.15, 0.5) if rng.random() < 0.4 else 0.0
        return _Actor(layer, object_motion(rng, span, side, layer.centre(), view, kind), absent, shadow)

    def _occluder(
        self, actors: list[_Actor], name: int, rng: np.random.Generator, span: Span, view: np.ndarray
    ) -> _Actor:
        """An object that passes in front of an actor and hides a part of it, or all of it."""
        hidden = actors[int(rng.integers(len(actors)))]
        pixels = self._props.piece(rng) if rng.random() < 0.4 else lit(self._props.thing(rng), rng, 0.7)
        size = hidden.layer.size * float(np.sqrt(abs(np.linalg.det(hidden.layer.place[:2, :2]))))
        side = np.clip(size * np.exp(rng.uniform(-0.5, 0.7)), 20, 1.2 * view.min())
        when = int(rng.integers(1, span.frames))
        layer = _placed(pixels, name, hidden.layer.centre() + hidden.motion.shift[when], side, rng)
        direction = rng.normal(0, 1, 2)
        step = direction / np.linalg.norm(direction) * rng.uniform(0.2, 1.0) * span.pace * max(side, size)
        motion = object_motion(rng, span, side, layer.centre(), view, "rests")
        offset = (np.arange(span.frames) - when)[:, None]
        # Some stay in front for a while, others pass without a stop.
        waits = np.sign(offset) * np.maximum(np.abs(offset) - rng.uniform(0, 2) / span.pace, 0)
        return _Actor(layer, replace(motion, shift=waits * step))


def _framing(size: tuple[int, int], view: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(3, 3) matrix from a photograph's pixels to the view's: it fills the view, which is near one of its objects."""
    fills = float(np.max(view / size[::-1]))
    scale = max(fills * 1.02, fills * rng.uniform(1.02, 1.35), rng.uniform(*_SCALES) * 0.8)
    room = np.array(size[::-1]) * scale - view
    names = np.unique(labels[labels > 0])
    if len(names):
        y, x = np.nonzero(labels == rng.choice(names))
        wanted = np.array([x.mean(), y.mean()]) * scale - view * rng.uniform(0.3, 0.7, 2)
    else:
        wanted = rng.uniform(0, 1, 2) * room
    corner = np.clip(wanted, 0, np.maximum(room, 0))
    return affine(-corner, 0.0, np.array([scale, scale]), np.zeros(2))


def _placed(pixels: np.ndarray, name: int, centre: np.ndarray, side: float, rng: np.random.Generator) -> Layer:
    """A layer around a point (x, y) of the scene, with an area of about side * side pixels."""
    height, width = pixels.shape[:2]
    scale = side / float(np.sqrt(height * width))
    flip = float(rng.choice([-1, 1]))
    middle = np.array([width / 2, height / 2])
    place = affine(centre - middle, rng.normal(0, 0.25), np.array([scale * flip, scale]), middle)
    return Layer.of(pixels, place, name, rng)


class _Shots:
    """The camera that takes the frames of one scene."""

    def __init__(self, size: tuple[int, int], camera: Motion, rng: np.random.Generator) -> None:
        self._size, self._camera, self._rng = size, camera, rng
        self._shutter = float(rng.choice([0.0, 0.35, 0.8], p=[0.35, 0.35, 0.3]))  # Exposure, share of a frame's time.
        self._readout = rng.uniform(0, 0.7) * (rng.random() < 0.4)  # Time to read all rows (rolling shutter), likewise.
        self._shadow_shift = rng.uniform(-12, 12, 2)
        self._focus = rng.uniform(0.6, 2.5) if rng.random() < 0.15 else 0.0  # Blur of the background.

    def take(
        self, frame: int, backdrop: np.ndarray, labels: np.ndarray, place: np.ndarray, actors: list[_Actor]
    ) -> tuple[np.ndarray, np.ndarray]:
        """The image (H, W, 3) uint8 RGB and the labels (H, W) uint8 of a frame.

        backdrop, labels  the photograph without its moving objects, and the labels of the others
        place             (3, 3) matrix from the photograph's pixels to the scene's
        """
        motion, middle = self._camera, np.array(self._size[::-1]) / 2
        seen = affine(motion.shift[frame], motion.angle[frame], motion.stretch[frame], middle)
        panned = self._shutter * motion.speed[frame]
        skew = np.eye(3)
        skew[:2, 1] += self._readout * motion.speed[frame] / self._size[0]
        seen = skew @ seen
        image, names = self._background(seen @ place, backdrop, labels, panned)
        for actor in actors:
            if frame in actor.absent:
                continue
            moves = actor.motion
            moved = affine(moves.shift[frame], moves.angle[frame], moves.stretch[frame], actor.layer.centre())
            blur = panned + self._shutter * (seen[:2, :2] @ moves.speed[frame])
            drawn, (left, top) = actor.layer.drawn(
                seen @ moved @ actor.layer.place, moves.bend[frame], float(moves.fold[frame]), blur, self._size
            )
            if not drawn.size:
                continue
            region = np.s_[top : top + drawn.shape[0], left : left + drawn.shape[1]]
            if actor.shadow:
                cast_shadow(image[region], drawn[..., 3], actor.shadow, self._shadow_shift)
            blend(image[region], drawn)
            names[region][drawn[..., 3] > _SOLID] = actor.layer.name
        return np.clip(np.rint(image), 0, 255).astype(np.uint8), names

    def _background(
        self, to_view: np.ndarray, backdrop: np.ndarray, labels: np.ndarray, panned: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The background of the actors: image (H, W, 3) float32 and labels (H, W) uint8."""
        back = np.linalg.inv(to_view)
        maps = warp_maps(self._size, back[:2, :2], back[:2, 2])
        image = cv2.remap(backdrop, maps, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT).astype(np.float32)
        names = cv2.remap(labels, maps, None, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT)
        kernel = line_kernel(panned)
        if kernel is not None:
            image = cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REFLECT)
        if self._focus:
            image = cv2.GaussianBlur(image, (0, 0), self._focus)
        return image, names
