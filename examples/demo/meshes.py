"""Small triangle meshes with texture coordinates, as Wavefront OBJ. All lengths are metres."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Profile = np.ndarray | Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Mesh:
    """A triangle mesh, one normal and one texture coordinate a vertex.

    Attributes:
        vertices: (N, 3) float64, metres.
        normals: (N, 3) float64, unit length, outwards.
        uv: (N, 2) float64 in [0, 1]; u to the right, v down the texture picture.
        faces: (M, 3) int64, counter-clockwise seen from outside.
    """

    vertices: np.ndarray
    normals: np.ndarray
    uv: np.ndarray
    faces: np.ndarray

    def to_obj(self) -> bytes:
        """Return the mesh as the bytes of an OBJ file."""
        lines = [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in self.vertices]
        lines += [f"vt {u:.5f} {1.0 - v:.5f}" for u, v in self.uv]
        lines += [f"vn {x:.5f} {y:.5f} {z:.5f}" for x, y, z in self.normals]
        lines += ["f " + " ".join(f"{i}/{i}/{i}" for i in face) for face in self.faces + 1]
        return "\n".join(lines).encode()


def merge(*meshes: Mesh) -> Mesh:
    """Return one mesh with the triangles of all."""
    offsets = np.cumsum([0] + [len(mesh.vertices) for mesh in meshes[:-1]])
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([mesh.normals for mesh in meshes]),
        np.concatenate([mesh.uv for mesh in meshes]),
        np.concatenate([mesh.faces + offset for mesh, offset in zip(meshes, offsets, strict=True)]),
    )


def _grid_faces(rows: int, columns: int) -> np.ndarray:
    """Triangles of a (rows, columns) grid of vertices: ((rows - 1) * (columns - 1) * 2, 3) int64."""
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    return np.concatenate([np.stack(t, -1).reshape(-1, 3) for t in ((a, b, c), (a, c, d))])


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def smooth_profile(points: Sequence[tuple[float, float]], count: int = 48) -> np.ndarray:
    """Return a (count, 2) Catmull-Rom curve through (radius, height) points, metres."""
    knots = np.array([points[0], *points, points[-1]])
    where = np.linspace(0, len(points) - 1 - 1e-9, count)
    i, t = where.astype(int), (where % 1)[:, None]
    p0, p1, p2, p3 = (knots[i + k] for k in range(4))
    curve = 0.5 * (2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2 + (3 * p1 - p0 - 3 * p2 + p3) * t**3)
    return np.maximum(curve, [0.0, -np.inf])


def lathe(profile: Profile, segments: int = 96, v_range: tuple[float, float] = (1.0, 0.0)) -> Mesh:
    """Turn a smooth (N, 2) profile of (radius, height), bottom to top on the outside, about the z axis.

    The texture goes once round (u, its middle facing +y); v_range is v at the profile's ends.
    """
    profile = np.asarray(profile, dtype=float)
    tangent = np.gradient(profile, axis=0)
    angle = np.linspace(0, 2 * np.pi, segments + 1)[None, :]
    ring = np.stack([np.sin(angle), -np.cos(angle)], -1)
    shape = (len(profile), segments + 1)
    height = np.broadcast_to(profile[:, 1:, None], (*shape, 1))
    slope = np.broadcast_to(-tangent[:, :1, None], (*shape, 1))
    vertices = np.concatenate([profile[:, :1, None] * ring, height], -1).reshape(-1, 3)
    normals = _unit(np.concatenate([tangent[:, 1:, None] * ring, slope], -1).reshape(-1, 3))
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(profile, axis=0), axis=1))])
    v = v_range[0] + (v_range[1] - v_range[0]) * length / length[-1]
    uv = np.stack([np.broadcast_to(angle / (2 * np.pi), shape), np.broadcast_to(v[:, None], shape)], -1)
    return Mesh(vertices, normals, uv.reshape(-1, 2), _grid_faces(*shape))


def turned(*strips: Profile, segments: int = 96) -> Mesh:
    """Turn several profiles with sharp edges between them; v runs from 1 to 0 over them by their length."""
    lengths = [np.linalg.norm(np.diff(strip, axis=0), axis=1).sum() for strip in map(np.asarray, strips)]
    v = 1.0 - np.concatenate([[0], np.cumsum(lengths)]) / np.sum(lengths)
    return merge(*(lathe(strip, segments, (v[i], v[i + 1])) for i, strip in enumerate(strips)))


def tube(
    path: np.ndarray,
    radii: np.ndarray,
    aspect: float = 1.0,
    segments: int = 24,
    v_range: tuple[float, float] = (0.0, 1.0),
) -> Mesh:
    """Sweep an ellipse along an (N, 3) path in the x-z plane.

    `radii` (N,) lie in that plane, `aspect` times as much along y; v_range is v at the path's ends.
    """
    tangent = _unit(np.gradient(path, axis=0))
    side = np.array([0.0, 1.0, 0.0])
    out = np.cross(tangent, side)
    angle = np.linspace(0, 2 * np.pi, segments + 1)[None, :, None]
    across, along = np.cos(angle) * out[:, None], np.sin(angle) * side
    offset = radii[:, None, None] * (across + aspect * along)
    vertices = path[:, None] + offset
    normals = _unit(across + along / aspect)
    u, v = np.meshgrid(np.linspace(0, 1, segments + 1), np.linspace(*v_range, len(path)))
    return Mesh(
        vertices.reshape(-1, 3),
        normals.reshape(-1, 3),
        np.stack([u, v], -1).reshape(-1, 2),
        _grid_faces(len(path), segments + 1)[:, ::-1],
    )


def rounded_box(half: tuple[float, float, float], radius: float, inner: int = 8) -> Mesh:
    """A box of half sizes `half` with rounded edges, centred.

    Its texture is a 3 x 2 atlas of faces, each seen from outside: front (-y), right (+x), back (+y) over
    left (-x), top (+z), bottom (-z).
    """
    frames = [
        ([1, 0, 0], [0, 0, 1]),
        ([0, 1, 0], [0, 0, 1]),
        ([-1, 0, 0], [0, 0, 1]),
        ([0, -1, 0], [0, 0, 1]),
        ([1, 0, 0], [0, 1, 0]),
        ([1, 0, 0], [0, -1, 0]),
    ]
    half_sizes, core = np.array(half), np.array(half) - radius
    meshes = []
    for cell, (right, up) in enumerate(np.array(frames, dtype=float)):
        outward = np.cross(right, up)
        width, height = np.abs(right) @ half_sizes, np.abs(up) @ half_sizes
        a, b = (
            np.concatenate(
                [
                    -h + radius * (1 - np.cos(np.linspace(0, np.pi / 2, 5))),
                    np.linspace(radius - h, h - radius, inner)[1:-1],
                    h - radius * (1 - np.cos(np.linspace(np.pi / 2, 0, 5))),
                ]
            )
            for h in (width, height)
        )
        grid_a, grid_b = np.meshgrid(a, b)
        points = (grid_a[..., None] * right + grid_b[..., None] * up + outward * half_sizes).reshape(-1, 3)
        inside = np.clip(points, -core, core)
        normals = _unit(points - inside)
        u = (cell % 3 + 0.5 + grid_a / width * 0.495) / 3
        v = (cell // 3 + 0.5 - grid_b / height * 0.495) / 2
        meshes.append(
            Mesh(inside + radius * normals, normals, np.stack([u, v], -1).reshape(-1, 2), _grid_faces(len(b), len(a)))
        )
    return merge(*meshes)


def leaf(length: float, width: float, droop: float) -> Mesh:
    """A leaf growing from the origin along +x, bending down by `droop`, visible from both sides."""
    s, t = np.meshgrid(np.linspace(0, 1, 17), np.linspace(-1, 1, 9))
    half = 0.5 * width * np.sin(np.pi * s**0.75) ** 0.9
    surface = np.stack([length * s, half * t, -droop * s**2 + 0.3 * half * np.abs(t)], -1)
    normals = _unit(np.cross(np.gradient(surface, axis=1), np.gradient(surface, axis=0)))
    uv = np.stack([s, (t + 1) / 2], -1).reshape(-1, 2)
    points, normals = surface.reshape(-1, 3), normals.reshape(-1, 3)
    faces = _grid_faces(*s.shape)
    top = Mesh(points + 2e-4 * normals, normals, uv, faces)
    return merge(top, Mesh(points - 2e-4 * normals, -normals, uv, faces[:, ::-1]))
