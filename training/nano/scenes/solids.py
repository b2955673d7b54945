"""Random objects like household objects, made of one to five meshes each, for render.py. Lengths are in metres."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from training.nano.scenes.shapes import Mesh, Paint, Painter, ball, box, lathe, prism, rod, tube, turn

Solid = list[tuple[Mesh, Paint]]


def _boxes(p: Painter) -> Solid:
    u = p.rng.uniform
    return [(box(u(0.03, 0.16), u(0.02, 0.1), u(0.02, 0.22), u(0, 0.008)), p.paint(0.75))]


def _round(p: Painter) -> Solid:
    """A can, cone, capsule, ball, ellipsoid or ring."""
    u, kind, paint = p.rng.uniform, p.rng.integers(6), p.paint(0.6)
    r = u(0.018, 0.05)
    if kind < 2:
        h = u(0.02, 0.16)
        body = [(rod(r, h, 1.0 if kind else u(0.05, 1.4), u(0, 0.006)), paint)]
        return body + [(rod(0.93 * r, 0.004).moved((0, 0, h - 0.002)), p.paint(0.1))] * int(kind and u() < 0.5)
    if kind == 2:
        arc, h = np.linspace(0, np.pi / 2, 7), u(0.02, 0.12)
        top = np.stack([r * np.cos(arc), r + h + r * np.sin(arc)], -1)
        return [(lathe(np.concatenate([(top * [1, -1] + [0, h + 2 * r])[::-1], top])), paint)]
    if kind < 5:
        sphere = ball(r, 1.0 if kind == 3 else u(0.4, 1.6))
        return [(sphere if kind == 3 else sphere.scaled((u(0.6, 1.5), 1, 1)), paint)]
    a, q = np.linspace(-np.pi, np.pi, 13), u(0.15, 0.4) * r
    return [(lathe(np.stack([r + q * np.cos(a), q + q * np.sin(a)], -1)), paint)]


def _bottle(p: Painter) -> Solid:
    """A bottle, jar or vase: a random profile, often with a cap and a label band."""
    u = p.rng.uniform
    r, h, neck, rise = u(0.02, 0.045), u(0.08, 0.24), u(0.25, 0.9), u(0.5, 0.85)
    z = np.linspace(0, rise, 5)
    wave = 1 + (u(0, 0.25) if u() < 0.4 else 0.0) * np.sin(u(0, 6) + 5 * z)
    shoulder = np.linspace(0, 1, 5)[1:]
    fall = wave[-1] + (neck - wave[-1]) * (1 - np.cos(np.pi * shoulder)) / 2
    radii = r * np.concatenate([[0, 0.93], wave, fall, [neck, 0]])
    heights = h * np.concatenate([[0, 0], np.maximum(z, 0.02), rise + (0.94 - rise) * shoulder, [1, 1]])
    solid = [(lathe(np.stack([radii, heights], -1)), p.paint(0.4))]
    if u() < 0.7:
        cap = rod(r * neck * u(1.02, 1.2), h * u(0.06, 0.16), u(0.5, 1), 0.002)
        solid.append((cap.moved((0, 0, 0.94 * h)), p.paint(0.1)))
    if u() < 0.5:
        band = np.stack([1.015 * r * wave[1:4], h * z[1:4]], -1)
        solid.append((lathe(np.concatenate([[(0.5 * r, band[0, 1])], band, [(0.5 * r, band[-1, 1])]])), p.paint(1.0)))
    return solid


def _bowl(p: Painter) -> Solid:
    """An open bowl, plate, cup or mug, the mug with a handle."""
    u, mug = p.rng.uniform, p.rng.random() < 0.5
    r = u(0.028, 0.045) if mug else u(0.03, 0.1)
    h, foot, bend = r * (u(1.3, 2.6) if mug else u(0.2, 1.4)), u(0.5, 0.95), u(0.3, 1.0)
    t = np.linspace(0, 1, 7)
    outer = np.stack([r * (foot + (1 - foot) * t**bend), h * t], -1)
    wall = np.array([0.08 * r, -0.05 * h])
    inner = np.maximum(outer[::-1] - wall * [1, 0], 0) + np.stack([0 * t, np.linspace(0, 0.06 * h, 7)], -1)
    outside, inside = p.paint(0.4), p.paint(0.1)
    inside = outside if u() < 0.6 else inside
    solid = [(lathe(np.concatenate([[(0, 0)], outer, inner[:1]])), outside)]
    solid.append((lathe(np.concatenate([inner, [(0, inner[-1, 1])]])), inside))
    if mug and u() < 0.8:
        a, size = np.linspace(-np.pi / 2, np.pi / 2, 10), u(0.25, 0.36) * h
        grip = np.stack([0.93 * r + u(0.5, 0.8) * r * np.cos(a), 0 * a, h * 0.52 + size * np.sin(a)], -1)
        solid.append((tube(grip, np.full(10, u(0.08, 0.16) * r)), outside if u() < 0.7 else p.paint(0.1)))
    return solid


def _polygon(p: Painter) -> Solid:
    """An extruded random star-shaped outline: a cookie, gear, star, leaf or tile."""
    u, count = p.rng.uniform, int(p.rng.choice([3, 4, 5, 6, 8, 12, 24, 32]))
    a = np.linspace(0, 2 * np.pi, count, endpoint=False)
    r = 1 + u(0, 0.35) * np.sin(p.rng.integers(1, 6) * a + u(0, 6)) + p.rng.uniform(-0.12, 0.12, count)
    r[::2] *= u(0.5, 1) if u() < 0.4 else 1.0
    outline = u(0.02, 0.07) * (r * np.stack([np.cos(a), u(0.4, 1) * np.sin(a)])).T
    return [(prism(outline, u(0.006, 0.07), u(0, 0.004)), p.paint(0.55))]


def _tool(p: Painter) -> Solid:
    """A lying tool: a handle, a shaft and perhaps a head (screwdriver, hammer, brush, spoon, knife)."""
    u, along = p.rng.uniform, turn(1, np.pi / 2)
    r, grip, shaft = u(0.006, 0.018), u(0.06, 0.13), u(0.04, 0.15)
    t = np.linspace(0, 1, 9)
    bulge = r * (1 + u(0, 0.25) * np.sin(u(2, 9) * t))
    handle = lathe(np.concatenate([[(0, 0)], np.stack([bulge, grip * t], -1), [(0, grip)]]), 16)
    thin = u(0.2, 0.8) * r
    solid = [(handle.moved((0, 0, 0), along), p.paint(0.35))]
    solid.append((rod(thin, shaft, u(0.5, 1)).moved((grip, 0, 0), along), p.paint(0.1)))
    head, end = p.rng.integers(5), (grip + shaft, 0.0, 0.0)
    if head == 0:
        size = (u(0.015, 0.035), u(0.04, 0.11), u(0.012, 0.03))
        solid.append((box(*size, 0.003).moved((end[0], 0, -size[2] / 2)), p.paint(0.2)))
    elif head == 1:
        solid.append((ball(u(0.012, 0.03), 0.3).scaled((u(1, 1.8), 1, 1)).moved(end), p.paint(0.1)))
    elif head == 2:
        solid.append((box(u(0.03, 0.08), u(0.01, 0.03), u(0.002, 0.02)).moved(end), p.paint(0.3)))
    elif head == 3:
        solid.append((rod(u(0.01, 0.03), u(0.02, 0.06), u(0.6, 1.3)).moved(end, along), p.paint(0.3)))
    return solid


def _bolt(p: Painter) -> Solid:
    """A bolt with a polygonal head, a shank, and perhaps a nut or washer, standing on its head."""
    u, paint = p.rng.uniform, p.paint(0.15)
    r, h, sides = u(0.008, 0.03), u(0.006, 0.025), int(p.rng.choice([4, 6, 6, 8]))
    a = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    outline, length = r * np.stack([np.cos(a), np.sin(a)], -1), u(0.02, 0.1)
    solid = [(prism(outline, h, 0.1 * h), paint), (rod(u(0.4, 0.65) * r, length).moved((0, 0, h)), paint)]
    if u() < 0.5:
        solid.append((prism(outline * u(0.8, 1.1), 0.7 * h).moved((0, 0, h + u(0.2, 0.7) * length)), p.paint(0.1)))
    return solid


def _toy(p: Painter) -> Solid:
    """A composite: a car, a figure, or a stack of blocks."""
    u, kind = p.rng.uniform, p.rng.integers(3)
    if kind == 0:
        x, y, z, r = u(0.06, 0.14), u(0.03, 0.06), u(0.015, 0.035), u(0.008, 0.016)
        cab, wheel = box(x * u(0.3, 0.6), 0.9 * y, u(0.012, 0.035), 0.003), p.paint(0.1)
        solid = [(box(x, y, z, 0.005).moved((0, 0, r)), p.paint(0.4))]
        solid.append((cab.moved((u(-0.15, 0.15) * x, 0, r + z)), p.paint(0.3)))
        disc = rod(r, y * 1.15).moved((0, 0, -y * 0.575)).moved((0, 0, 0), turn(0, np.pi / 2))
        return solid + [(disc.moved((s * x, 0, r)), wheel) for s in (-0.3, 0.3)]
    if kind == 1:
        r, h = u(0.018, 0.03), u(0.03, 0.07)
        solid = [(rod(r, h, u(0.5, 1), 0.004), p.paint(0.5)), (ball(u(0.6, 1.1) * r).moved((0, 0, h)), p.paint(0.2))]
        arm = tube(
            np.array([[0, -2 * r, h * 0.5], [0, 0, h * 0.85], [0, 2 * r, h * u(0.5, 1.1)]]), np.full(3, 0.25 * r)
        )
        return solid + [(arm, p.paint(0.1))] * int(u() < 0.6)
    solid, z, side = [], 0.0, u(0.03, 0.09)
    for _ in range(p.rng.integers(2, 5)):
        h = u(0.012, 0.05)
        block = box(side, side * u(0.5, 1), h, 0.002) if u() < 0.6 else rod(side / 2, h, u(0.7, 1), 0.002)
        solid.append((block.moved((u(-0.1, 0.1) * side, 0, z)), p.paint(0.3)))
        z, side = z + h, side * u(0.5, 1)
    return solid


def _bent(p: Painter) -> Solid:
    """A lying bent tube of varying radius: a banana, pepper, hose or pipe."""
    u, t = p.rng.uniform, np.linspace(0, 1, 12)
    length, angle = u(0.06, 0.2), u(0.3, 4) * (t - 0.5)
    path = length * np.stack([t - 0.5, u(0.1, 0.4) * np.cos(angle), 0 * t], -1)
    radii = u(0.006, 0.022) * (u(0.3, 1) + np.sin(np.pi * t) ** u(0.3, 1.5) * u(0, 1.2))
    return [(tube(path, radii), p.paint(0.35))]


# For each kind of object its probability, and whether it may also lie on its side or upside down.
KINDS: tuple[tuple[Callable[[Painter], Solid], float, bool], ...] = (
    (_boxes, 0.17, True),
    (_round, 0.18, True),
    (_bottle, 0.14, True),
    (_bowl, 0.12, False),
    (_polygon, 0.10, False),
    (_tool, 0.11, False),
    (_bolt, 0.05, True),
    (_toy, 0.08, False),
    (_bent, 0.05, False),
)


def random_solid(painter: Painter) -> tuple[Solid, bool]:
    """Return a random object, whose lowest point is near z=0, and whether it may lie on a side."""
    odds = np.array([kind[1] for kind in KINDS])
    make, _, rolls = KINDS[painter.rng.choice(len(KINDS), p=odds / odds.sum())]
    scale = float(painter.rng.lognormal(0, 0.25))
    return [(mesh.scaled((scale,) * 3), paint) for mesh, paint in make(painter)], rolls


def gripper(p: Painter, gap: float, reach: float) -> Solid:
    """A two-finger gripper and its arm; the finger tips are at the origin, `gap` apart in x, and the arm is above.

    reach: factor of the length of the arm's links
    """
    u, shell = p.rng.uniform, p.paint(0.15)
    dark = p.paint(0.1) if u() < 0.4 else Paint(np.full(3, u(0.03, 0.3)))
    long, thick, deep = u(0.05, 0.09), u(0.006, 0.014), u(0.012, 0.028)
    wide = max(0.5 * gap + 2 * thick, u(0.04, 0.07))
    solid = [(box(2 * wide, deep * u(1.2, 2.2), u(0.03, 0.07), 0.006).moved((0, 0, long)), shell)]
    for sign in (-1, 1):
        solid.append((box(thick, deep, long + 0.005, 0.002).moved((sign * (gap + thick) / 2, 0, 0)), dark))
        solid.append((box(2 * thick, deep, 0.02, 0.002).moved((sign * (gap / 2 + thick), 0, long - 0.02)), dark))
    point, radius, z = np.array([0, 0, long + 0.02]), u(0.022, 0.045), np.array([0, 0, 1.0])
    lean = p.rng.normal(0, 0.35, 3)
    for link in range(4):
        step = (z + (link > 0) * lean * link) * (u(0.05, 0.09) if link == 0 else u(0.12, 0.3) * reach)
        ends = np.stack([point, point + step])
        solid.append((tube(ends, np.full(2, radius)), shell if link % 2 else dark))
        solid.append((ball(1.15 * radius).moved(tuple(ends[1] - [0, 0, 1.15 * radius])), dark if link % 2 else shell))
        point, lean = ends[1], lean + p.rng.normal(0, 0.3, 3)
    return solid
