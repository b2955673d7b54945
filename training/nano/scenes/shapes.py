"""Low-poly meshes with texture coordinates, and random surfaces, for solids.py and render.py. Lengths are in metres."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX, cv2.FONT_HERSHEY_SCRIPT_SIMPLEX)


@dataclass(frozen=True)
class Mesh:
    """A closed triangle mesh.

    vertices  (N, 3) float64, metres
    uv        (N, 2) float64 texture coordinates
    faces     (M, 3) int64 indices of vertices, counter-clockwise seen from outside
    """

    vertices: np.ndarray
    uv: np.ndarray
    faces: np.ndarray

    def moved(self, offset: tuple[float, float, float], rotation: np.ndarray | None = None) -> Mesh:
        """Return the mesh rotated by a (3, 3) matrix, then shifted."""
        turned = self.vertices if rotation is None else self.vertices @ rotation.T
        return Mesh(turned + np.asarray(offset), self.uv, self.faces)

    def scaled(self, factors: tuple[float, float, float]) -> Mesh:
        """Return the mesh stretched along its axes by positive factors."""
        return Mesh(self.vertices * np.asarray(factors), self.uv, self.faces)


@dataclass(frozen=True)
class Paint:
    """The appearance of a surface.

    rgb          (3,) in [0, 1], used without a texture
    texture      (H, W, 3) uint8 RGB, or None
    specular     strength of highlights, [0, 1]; shininess: their sharpness, [0, 1]
    reflectance  how much it mirrors, [0, 1]
    """

    rgb: np.ndarray
    texture: np.ndarray | None = None
    specular: float = 0.1
    shininess: float = 0.2
    reflectance: float = 0.0


def turn(axis: int, angle: float) -> np.ndarray:
    """Return the (3, 3) rotation by an angle in radians about axis 0, 1 or 2."""
    c, s, i, j = np.cos(angle), np.sin(angle), (axis + 1) % 3, (axis + 2) % 3
    rotation = np.eye(3)
    rotation[[i, j, i, j], [i, j, j, i]] = c, c, -s, s
    return rotation


def _grid(points: np.ndarray) -> Mesh:
    """Make a mesh of a (rows, columns, 3) grid of points; columns go counter-clockwise about the direction of rows."""
    rows, columns = points.shape[:2]
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    faces = np.concatenate([np.stack(t, -1).reshape(-1, 3) for t in ((a, b, c), (a, c, d))])
    step = np.linalg.norm(np.diff(points.mean(1), axis=0), axis=-1) + 1e-4
    v = 1 - np.concatenate([[0], np.cumsum(step)]) / step.sum()
    uv = np.stack(np.meshgrid(np.linspace(0, 1, columns), v), -1).reshape(-1, 2)
    return Mesh(points.reshape(-1, 3), uv, faces)


def lathe(profile: np.ndarray | list[tuple[float, float]], segments: int = 28) -> Mesh:
    """Rotate an (N, 2) profile of (radius, height), from bottom to top on the outside, about the z axis."""
    line = np.maximum(np.asarray(profile, float), [1e-4, -np.inf])
    angle = np.linspace(0, 2 * np.pi, segments + 1)
    ring = np.stack([np.cos(angle), np.sin(angle)], -1)
    height = np.broadcast_to(line[:, None, 1:], (len(line), segments + 1, 1))
    return _grid(np.concatenate([line[:, None, :1] * ring, height], -1))


def tube(path: np.ndarray, radii: np.ndarray, segments: int = 12) -> Mesh:
    """Sweep a circle of radii (N,) along a path (N, 3); the ends are closed."""
    path = np.concatenate([path[:1], path, path[-1:]])
    radii = np.concatenate([[1e-4], radii, [1e-4]])
    tangent = np.gradient(path, axis=0)
    tangent /= np.linalg.norm(tangent, axis=-1, keepdims=True) + 1e-12
    side = np.eye(3)[np.abs(tangent.mean(0)).argmin()]
    first = np.cross(tangent, side)
    first /= np.linalg.norm(first, axis=-1, keepdims=True) + 1e-12
    second = np.cross(tangent, first)
    angle = np.linspace(0, 2 * np.pi, segments + 1)[:, None]
    ring = np.cos(angle) * first[:, None] + np.sin(angle) * second[:, None]
    return _grid(path[:, None] + radii[:, None, None] * ring)


def prism(outline: np.ndarray, height: float, bevel: float = 0.0) -> Mesh:
    """Extrude an (N, 2) outline, counter-clockwise and star-shaped about the origin, from z=0 up, with sharp edges."""
    count, radius = len(outline), np.linalg.norm(outline, axis=-1, keepdims=True)
    inset = outline * (1 - np.minimum(bevel, 0.5 * radius) / radius)
    rings = [(outline, 0.0), (outline, height)]
    if bevel > 0:
        rings = [(inset, 0.0), (outline, bevel), (outline, height - bevel), (inset, height)]
    points = np.stack([np.c_[ring, np.full(count, z)] for ring, z in rings])
    after = np.roll(points, -1, 1)
    # Quads share no vertices, so that MuJoCo does not smooth the shading across edges.
    quads = np.stack([points[:-1], after[:-1], after[1:], points[1:]], 2).reshape(-1, 3)
    edge = np.arange(count) / max(1, count if count > 6 else 1) % 1
    width = 1 / count if count > 6 else 1.0
    quad_u = np.stack([edge, edge + width, edge + width, edge], -1)[None].repeat(len(rings) - 1, 0)
    quad_uv = np.stack([quad_u.reshape(-1), 1 - quads[:, 2] / height], -1)
    corner = 4 * np.arange(len(quads) // 4)[:, None]
    faces = [np.concatenate([corner + np.array([0, 1, 2]), corner + np.array([0, 2, 3])])]
    vertices, uv, start, k = [quads], [quad_uv], len(quads), np.arange(count)
    low, high = outline.min(0), outline.max(0)
    for ring, flip in ((points[0], True), (points[-1], False)):
        fan = np.concatenate([ring, [[0.0, 0.0, ring[0, 2]]]])
        triangle = np.stack([k, (k + 1) % count, np.full(count, count)], -1) + start
        faces.append(triangle[:, ::-1] if flip else triangle)
        vertices.append(fan)
        uv.append((fan[:, :2] - low) / (high - low) * [1, -1] + [0, 1])
        start += count + 1
    return Mesh(np.concatenate(vertices), np.concatenate(uv), np.concatenate(faces))


def box(x: float, y: float, z: float, bevel: float = 0.0) -> Mesh:
    """Return a box with these side lengths, standing on z=0."""
    return prism(np.array([[-x, -y], [x, -y], [x, y], [-x, y]]) / 2, z, min(bevel, 0.3 * min(x, y, z)))


def rod(radius: float, height: float, top: float = 1.0, bevel: float = 0.0) -> Mesh:
    """Return a cylinder, or a cone whose upper radius is `top` times the lower one, standing on z=0."""
    upper, b = top * radius, min(bevel, 0.4 * radius, 0.4 * height)
    return lathe([(0, 0), (radius - b, 0), (radius, b), (upper, height - b), (max(upper - b, 0), height), (0, height)])


def ball(radius: float, squash: float = 1.0) -> Mesh:
    """Return a sphere, or an ellipsoid that is `squash` times as high, standing on z=0."""
    arc = np.linspace(-np.pi / 2, np.pi / 2, 15)
    return lathe(np.stack([radius * np.cos(arc), radius * squash * (1 + np.sin(arc))], -1))


class Painter:
    """Makes random surfaces, textured with photographs if there are any."""

    def __init__(self, rng: np.random.Generator, photos: list[Path], table: np.ndarray | None = None) -> None:
        self.rng, self.photos, self.table = rng, photos, table
        # Cut-outs (.png) show single objects, which are unsuitable as textures of walls.
        self.backdrops = [path for path in photos if path.suffix == ".jpg"]

    def color(self) -> np.ndarray:
        """Return a random (3,) RGB in [0, 1]: vivid, grey, or near the table's."""
        rng, kind = self.rng, self.rng.random()
        if self.table is not None and kind < 0.2:
            return np.clip(self.table + rng.normal(0, 0.06, 3), 0.02, 1)
        if kind < 0.4:
            return np.clip(rng.choice([0.06, 0.25, 0.5, 0.75, 0.92]) + rng.normal(0, 0.03, 3), 0.02, 1)
        hsv = np.array([[[360 * rng.random(), rng.uniform(0.15, 1), rng.uniform(0.25, 1)]]], np.float32)
        return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0].astype(float)

    def noise(self, size: int, stretch: tuple[int, int] = (1, 1)) -> np.ndarray:
        """Return (size, size) float64 smooth noise in [0, 1]; stretch: factors by which it is stretched in y and x."""
        total, weight = np.zeros((size, size)), 0.0
        first = int(self.rng.integers(2, 7))
        for level in range(4):
            grid = [max(2, (first << level) // s + 1) for s in stretch]
            total += cv2.resize(self.rng.random(grid), (size, size), interpolation=cv2.INTER_CUBIC) / (1 << level)
            weight += 1 / (1 << level)
        return np.clip((total / weight - 0.5) * 1.8 + 0.5, 0, 1)

    def photo(self, size: int, backdrop: bool = False) -> np.ndarray | None:
        """Return a random square crop of a photograph, (size, size, 3) uint8 RGB, or None without photographs."""
        photos = self.backdrops if backdrop else self.photos
        if not photos:
            return None
        image = cv2.imread(str(photos[self.rng.integers(len(photos))]), cv2.IMREAD_UNCHANGED)
        if image is None or image.ndim != 3:
            return None
        if image.shape[2] == 4:
            solid = image[..., 3] > 127
            fill = image[solid][:, :3].mean(0) if solid.any() else np.full(3, 127)
            image = np.where(solid[..., None], image[..., :3], fill.astype(np.uint8))
        height, width = image.shape[:2]
        side = int(self.rng.uniform(0.4, 1.0) * min(height, width))
        y, x = self.rng.integers(height - side + 1), self.rng.integers(width - side + 1)
        return cv2.resize(image[y : y + side, x : x + side, ::-1], (size, size), interpolation=cv2.INTER_AREA)

    def texture(self, kind: str, size: int = 192) -> np.ndarray:
        """Return a (size, size, 3) uint8 RGB picture of a kind: photo, backdrop, label, wood, stripes, ..."""
        rng, near, far = self.rng, self.color(), self.color()
        y, x = np.mgrid[:size, :size] / size
        if kind in ("photo", "backdrop") and (photo := self.photo(size, kind == "backdrop")) is not None:
            return photo
        if kind in ("label", "photo"):
            return self._label(size)
        if kind == "wood":
            near = np.array([0.55, 0.38, 0.24]) * rng.uniform(0.5, 1.6) + rng.normal(0, 0.03, 3)
            far = near * rng.uniform(0.5, 0.85)
            mix = self.noise(size, (12, 1)) + 0.2 * np.sin(2 * np.pi * x * rng.integers(2, 9)) ** 8
        elif kind == "stripes":
            mix = (
                np.sin(2 * np.pi * (rng.integers(0, 9) * x + rng.integers(1, 12) * y)) > rng.uniform(-0.8, 0.8)
            ) * 1.0
        elif kind == "checks":
            n = rng.integers(2, 10)
            mix = ((np.floor(n * x) + np.floor(n * y)) % 2) * 1.0
        elif kind == "speckle":
            mix = cv2.GaussianBlur((rng.random((size, size)) < 0.03) * 1.0, (0, 0), 1.2) * 6
        else:
            mix = self.noise(size) ** rng.uniform(0.6, 2)
            if rng.random() < 0.5:
                far = np.clip(near + rng.normal(0, 0.12, 3), 0, 1)
        grain = rng.normal(0, rng.uniform(0, 0.03), (size, size, 1))
        picture = near + np.clip(mix, 0, 1)[..., None] * (far - near) + grain
        return np.clip(255 * picture, 0, 255).astype(np.uint8)

    def _label(self, size: int) -> np.ndarray:
        """Return a picture like a package's label: bands, blocks, discs, text, a bar code, perhaps a photograph."""
        rng = self.rng
        colors = [tuple(int(v) for v in 255 * self.color()) for _ in range(4)]
        picture = np.full((size, size, 3), colors[0], np.uint8)
        for _ in range(rng.integers(1, 5)):
            top, left = (int(v) for v in rng.integers(0, size, 2))
            right = size if rng.random() < 0.6 else int(rng.integers(left, size + 1))
            left = 0 if right == size else left
            cv2.rectangle(picture, (left, top), (right, top + int(rng.integers(6, 70))), colors[rng.integers(1, 4)], -1)
        if rng.random() < 0.5:
            center = tuple(int(v) for v in rng.integers(0, size, 2))
            cv2.circle(picture, center, int(rng.integers(10, 60)), colors[rng.integers(4)], -1, cv2.LINE_AA)
        if rng.random() < 0.5 and (photo := self.photo(size // 2)) is not None:
            y, x = rng.integers(0, size // 2, 2)
            picture[y : y + len(photo), x : x + len(photo)] = photo
        for _ in range(rng.integers(0, 5)):
            word = "".join(chr(c) for c in rng.integers(65, 91, rng.integers(2, 9)))
            where = (int(rng.integers(-10, size // 2)), int(rng.integers(20, size)))
            scale, font = rng.uniform(0.4, 2.2), FONTS[rng.integers(len(FONTS))]
            cv2.putText(picture, word, where, font, scale, colors[rng.integers(4)], int(1 + 2 * scale), cv2.LINE_AA)
        if rng.random() < 0.3:
            y, x = rng.integers(0, size - 60, 2)
            picture[y : y + 36, x : x + 60] = np.where(rng.random(60) < 0.5, 10, 245)[None, :, None]
        return picture

    def paint(self, textured: float = 0.55) -> Paint:
        """Return a random surface; textured: the probability of a texture."""
        rng, texture = self.rng, None
        if rng.random() < textured:
            kinds = ["photo", "label", "noise", "stripes", "checks", "speckle", "wood"]
            texture = self.texture(str(rng.choice(kinds, p=[0.36, 0.26, 0.12, 0.08, 0.05, 0.06, 0.07])))
        specular, shininess = (rng.uniform(0.4, 1), rng.uniform(0.4, 1)) if rng.random() < 0.45 else (0.05, 0.1)
        return Paint(self.color(), texture, specular, shininess, rng.uniform(0.05, 0.3) * (rng.random() < 0.1))
