#!/usr/bin/env python3
"""Render the tabletop demo: a video, true object labels and the clicks that start the tracking."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("MUJOCO_GL", "egl")

import cv2
import imageio_ffmpeg
import motion
import mujoco
import numpy as np
import scene
import yaml

HEADER = """\
# The demo scene, written by examples/demo/render.py.
# K: pixels, pixel centres at whole numbers. objects: label id and name.
# clicks: the most interior pixel [x, y] of the object's mask in that frame.
"""
WIDTH, HEIGHT, FPS = 640, 480, 30
KEY_LAMPS, SKY_LAMPS = 2, 4
SUN, SUN_RADIUS = np.array([-0.55, -0.60, 0.85]), 0.11
SUN_COLOR, SKY_COLOR = np.array([0.64, 0.59, 0.50]), np.array([0.50, 0.54, 0.60])


@dataclass(frozen=True)
class Frame:
    """One rendered frame.

    Attributes:
        rgb: (H, W, 3) uint8.
        labels: (H, W) uint8, the visible object's id, 0 elsewhere.
        depth: (H, W) float32 metres along the optical axis, or None.
    """

    rgb: np.ndarray
    labels: np.ndarray
    depth: np.ndarray | None


def light_directions(passes: int, seed: int) -> np.ndarray:
    """Return (passes, lamps, 3) unit vectors towards the light: a small sun, a sky sampled by its cosine."""
    rng = np.random.default_rng(seed)
    sun_count, sky_count = passes * KEY_LAMPS, passes * SKY_LAMPS
    k, golden = np.arange(sun_count), np.pi * (3 - np.sqrt(5))
    radius = SUN_RADIUS * np.sqrt((k + 0.5) / sun_count)
    disc = np.stack([radius * np.cos(golden * k), radius * np.sin(golden * k), 0 * k], -1)
    sun = SUN / np.linalg.norm(SUN) + disc
    k = np.arange(sky_count)
    radius = np.sqrt((k + 0.5) / sky_count * 0.92)
    sky = np.stack([radius * np.cos(golden * k), radius * np.sin(golden * k), np.sqrt(1 - radius**2)], -1)
    sun, sky = rng.permutation(sun), rng.permutation(sky)
    lamps = np.concatenate([sun.reshape(passes, -1, 3), sky.reshape(passes, -1, 3)], 1)
    return lamps / np.linalg.norm(lamps, axis=-1, keepdims=True)


class Studio:
    """Renders frames of one scene; colours at twice the size under many lamps, averaged for soft shadows."""

    def __init__(self, model: mujoco.MjModel, objects: dict[int, str], passes: int, seed: int) -> None:
        self._model, self._data, self._passes = model, mujoco.MjData(model), passes
        self._color = mujoco.Renderer(model, 2 * HEIGHT, 2 * WIDTH)
        self._plain = mujoco.Renderer(model, HEIGHT, WIDTH)
        self._lamps = light_directions(passes, seed)
        self._jitter = np.random.default_rng(seed).uniform(-0.5, 0.5, (passes, 2))
        ids = {name: number for number, name in objects.items()}
        roots = [model.body(model.body_rootid[model.geom_bodyid[g]]).name for g in range(model.ngeom)]
        self._geom_labels = np.array([ids.get(name, 0) for name in roots] + [0], np.uint8)

    def frame(self, time: float, hidden: float, with_depth: bool) -> Frame:
        """Render the scene at `time` seconds."""
        scene.place(self._model, self._data, time, hidden)
        depth = self._depth() if with_depth else None
        return Frame(self._rgb(), self._labels(), depth)

    def _labels(self) -> np.ndarray:
        self._plain.enable_segmentation_rendering()
        self._plain.update_scene(self._data, "camera")
        geoms = self._plain.render()[..., 0]
        self._plain.disable_segmentation_rendering()
        return self._geom_labels[geoms]

    def _depth(self) -> np.ndarray:
        self._plain.enable_depth_rendering()
        self._plain.update_scene(self._data, "camera")
        depth = self._plain.render().copy()
        self._plain.disable_depth_rendering()
        return depth

    def _rgb(self) -> np.ndarray:
        total = np.zeros((2 * HEIGHT, 2 * WIDTH, 3), np.float32)
        for lamps, jitter in zip(self._lamps, self._jitter, strict=True):
            self._color.update_scene(self._data, "camera")
            self._set_lamps(lamps)
            for camera in self._color.scene.camera:
                pixel = (camera.frustum_top - camera.frustum_bottom) / (2 * HEIGHT)
                camera.frustum_center += pixel * jitter[0]
                camera.frustum_bottom += pixel * jitter[1]
                camera.frustum_top += pixel * jitter[1]
            total += self._color.render()
        small = cv2.resize(total / self._passes, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
        return develop(small)

    def _set_lamps(self, directions: np.ndarray) -> None:
        """Point the scene's lamps: the first ones are the sun, the rest the sky."""
        lights = [self._color.scene.lights[i] for i in range(self._color.scene.nlight)]
        lights = [light for light in lights if not light.headlight]
        for i, (light, towards) in enumerate(zip(lights, directions, strict=True)):
            is_sun = i < KEY_LAMPS
            color = SUN_COLOR / KEY_LAMPS if is_sun else SKY_COLOR / SKY_LAMPS
            light.dir[:] = -towards
            light.pos[:] = np.array([0.0, 0.1, 0.05]) + 0.55 * towards
            light.diffuse[:] = color
            light.specular[:] = color if is_sun else 0.25 * color
            light.ambient[:] = 0.0


def develop(picture: np.ndarray) -> np.ndarray:
    """Expose an (H, W, 3) float32 picture of 0-255: soft highlights, a faint vignette; returns uint8."""
    value = 1.62 * picture / 255
    value = np.where(value > 0.75, 0.75 + 0.25 * np.tanh((value - 0.75) / 0.25), value)
    value = value + 0.10 * value * (1 - value) * (2 * value - 1)
    y, x = np.mgrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j]
    value = value * (1 - 0.07 * (x**2 + y**2))[..., None]
    return np.clip(255 * value + 0.5, 0, 255).astype(np.uint8)


def click(labels: np.ndarray, object_id: int) -> dict[str, object]:
    """Return the click entry at the most interior pixel of the object's mask in the first frame."""
    mask = np.pad((labels == object_id).astype(np.uint8), 1)
    y, x = np.unravel_index(cv2.distanceTransform(mask, cv2.DIST_L2, 5).argmax(), mask.shape)
    return {"object": object_id, "frame": 0, "point": [int(x) - 1, int(y) - 1]}


def camera_matrix() -> list[list[float]]:
    """Return K in pixels, pixel centres at whole numbers."""
    focal = 0.5 * HEIGHT / np.tan(np.radians(scene.FOVY) / 2)
    focal = round(float(focal), 4)
    return [[focal, 0.0, (WIDTH - 1) / 2], [0.0, focal, (HEIGHT - 1) / 2], [0.0, 0.0, 1.0]]


def write_video(path: Path, frames: Iterator[np.ndarray], crf: int) -> None:
    """Encode (H, W, 3) uint8 RGB frames as H.264."""
    options = ["-crf", str(crf), "-preset", "veryslow", "-movflags", "+faststart"]
    writer = imageio_ffmpeg.write_frames(
        str(path),
        (WIDTH, HEIGHT),
        fps=FPS,
        codec="libx264",
        quality=None,
        output_params=options,
        ffmpeg_log_level="error",
    )
    writer.send(None)
    for frame in frames:
        writer.send(np.ascontiguousarray(frame))
    writer.close()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder for the results")
    parser.add_argument("--name", default="tabletop", help="stem of the result files")
    parser.add_argument("--seed", type=int, default=7, help="of textures and light samples")
    parser.add_argument("--passes", type=int, default=8, help="renderings averaged for a frame")
    parser.add_argument("--crf", type=int, default=21, help="H.264 quality, lower is better and larger")
    parser.add_argument("--depth", action="store_true", help="also write depth, uint16 millimetres")
    parser.add_argument("--twin", action="store_true", help="add a second, identical can: a distractor")
    parser.add_argument(
        "--full-occlusion",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="at the end, hide the moved can behind a card for so long",
    )
    parser.add_argument("--stills", type=int, default=0, metavar="N", help="write only N pictures, PNG")
    return parser.parse_args()


def write_all(stem: Path, frames: Iterable[Frame], crf: int, objects: dict[int, str]) -> None:
    """Write the video, the labels, the depth where frames have it, and the description beside them."""
    labels: list[np.ndarray] = []
    depths: list[np.ndarray] = []

    def colors() -> Iterator[np.ndarray]:
        for frame in frames:
            labels.append(frame.labels)
            if frame.depth is not None:
                depths.append((1000 * frame.depth + 0.5).clip(0, 65535).astype(np.uint16))
            yield frame.rgb

    write_video(stem.with_name(f"{stem.name}.mp4"), colors(), crf)
    np.savez_compressed(stem.with_name(f"{stem.name}_labels.npz"), labels=np.stack(labels))
    if depths:
        np.savez_compressed(stem.with_name(f"{stem.name}_depth.npz"), depth=np.stack(depths))
    description = {
        "fps": FPS,
        "size": [WIDTH, HEIGHT],
        "K": camera_matrix(),
        "distortion": [0.0] * 5,
        "objects": objects,
        "clicks": [click(labels[0], number) for number in (scene.MOVED, scene.STATIC)],
    }
    text = yaml.safe_dump(description, sort_keys=False, default_flow_style=None)
    stem.with_name(f"{stem.name}.yaml").write_text(HEADER + text)


def main() -> None:
    """Render and write what the arguments ask for."""
    args = arguments()
    objects = scene.OBJECTS | (scene.TWIN if args.twin else {})
    hidden = args.full_occlusion
    model = scene.build(args.seed, args.twin, hidden > 0, (2 * WIDTH, 2 * HEIGHT))
    studio = Studio(model, objects, args.passes, args.seed)
    count = round((motion.DURATION + (hidden + 2 * motion.CARD_MOVE if hidden else 0.0)) * FPS)
    args.out.mkdir(parents=True, exist_ok=True)
    if args.stills:
        for index in np.linspace(0, count - 1, args.stills).round().astype(int):
            picture = studio.frame(index / FPS, hidden, with_depth=False).rgb
            cv2.imwrite(str(args.out / f"{args.name}_{index:03d}.png"), picture[..., ::-1])
        return

    def frames() -> Iterator[Frame]:
        for index in range(count):
            print(f"\rframe {index + 1} of {count}", end="", flush=True)
            yield studio.frame(index / FPS, hidden, args.depth)
        print()

    write_all(args.out / args.name, frames(), args.crf, objects)


if __name__ == "__main__":
    main()
