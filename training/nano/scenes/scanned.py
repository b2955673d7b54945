"""Makes solids of scanned household objects for render.py, from NAME.npz with a mesh and NAME.jpg with its texture."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from training.nano.scenes.shapes import Mesh, Paint
from training.nano.scenes.solids import Solid
from training.nano.sequence import is_held_out

_TEXTURE = 512  # Largest side of a texture, pixels; larger ones would only cost time.
_STRETCH = 0.12  # Standard deviation of the logarithm of a varied object's lengths.
_RECOLOURED, _EXCHANGED = 0.5, 0.12  # Shares of varied objects in other colours, and with another one's texture.


class Scans:
    """The scanned objects in a folder; each is read when it is first used."""

    def __init__(self, folder: Path, held_out: bool = False, varied: bool = False) -> None:
        """Raises FileNotFoundError if there are none.

        held_out  whether to use those for validation
        varied    whether they have other proportions and colours, so that more objects are seen than were scanned
        """
        self._varied = varied
        self.names = [path.stem for path in sorted(folder.glob("*.npz")) if is_held_out(path.stem) == held_out]
        if not self.names:
            raise FileNotFoundError(f"expected scanned objects (*.npz) in {folder}; got none")
        self._folder = folder
        self._known: dict[str, tuple[Mesh, np.ndarray]] = {}

    def draw(self, rng: np.random.Generator) -> Solid:
        """A random object, upright as it was scanned, its centre above the origin, its lowest point at z = 0."""
        mesh, texture = self._any(rng)
        specular, shininess = (rng.uniform(0.2, 0.7), rng.uniform(0.3, 0.9)) if rng.random() < 0.4 else (0.05, 0.1)
        size = float(np.exp(rng.normal(0, 0.12)))
        lengths = (size, size, size)
        if self._varied:
            lengths = tuple(size * np.exp(rng.normal(0, _STRETCH, 3)))
            chance = rng.random()
            if chance < _EXCHANGED:
                texture = self._any(rng)[1]
            elif chance < _EXCHANGED + _RECOLOURED:
                texture = _recoloured(texture, rng)
        return [(mesh.scaled(lengths), Paint(np.ones(3), texture, specular, shininess))]

    def _any(self, rng: np.random.Generator) -> tuple[Mesh, np.ndarray]:
        name = self.names[int(rng.integers(len(self.names)))]
        if name not in self._known:
            self._known[name] = _read(self._folder, name)
        return self._known[name]


def _recoloured(texture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A texture (H, W, 3) uint8 RGB in other hues, perhaps paler or darker."""
    hsv = cv2.cvtColor(texture, cv2.COLOR_RGB2HSV).astype(np.float32)
    hsv[..., 0] = (hsv[..., 0] + rng.uniform(0, 180)) % 180
    hsv[..., 1:] = np.clip(hsv[..., 1:] * [rng.uniform(0.2, 1.4), rng.uniform(0.5, 1.3)], 0, 255)
    other: np.ndarray = cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB)
    return other


def _read(folder: Path, name: str) -> tuple[Mesh, np.ndarray]:
    with np.load(folder / f"{name}.npz") as arrays:
        vertices, uv = arrays["vertices"].astype(float), arrays["texcoords"].astype(float)
        faces, uv_faces = arrays["faces"].astype(np.int64), arrays["face_texcoords"].astype(np.int64)
    # A vertex at a seam of the texture becomes several vertices, one for each of its texture coordinates.
    pairs, corners = np.unique(np.stack([faces.ravel(), uv_faces.ravel()], 1), axis=0, return_inverse=True)
    low, high = vertices.min(0), vertices.max(0)
    middle = np.array([*(low + high)[:2] / 2, low[2]])
    texture = cv2.cvtColor(cv2.imread(str(folder / f"{name}.jpg")), cv2.COLOR_BGR2RGB)
    scale = min(1.0, _TEXTURE / max(texture.shape))
    texture = cv2.resize(texture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    # In these files v points up; here it points down.
    mesh = Mesh(vertices[pairs[:, 0]] - middle, uv[pairs[:, 1]] * [1, -1] + [0, 1], corners.reshape(-1, 3))
    return mesh, texture
