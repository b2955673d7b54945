"""Textures drawn with numpy and OpenCV. Every function returns an (H, W, 3) uint8 RGB picture."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np

Color = tuple[int, int, int]
CREAM: Color = (238, 226, 200)
INK: Color = (44, 42, 46)


def noise(height: int, width: int, cell: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Smooth noise, (height, width) float32, zero mean, unit deviation; `cell`: a blob's (height, width)."""
    rows, columns = max(2, height // cell[0]), max(2, width // cell[1])
    field = rng.standard_normal((rows, columns)).astype(np.float32)
    field[:, -1] = field[:, 0]
    field = cv2.resize(field, (width, height), interpolation=cv2.INTER_CUBIC)
    return (field - field.mean()) / field.std()


def plain(height: int, width: int, color: Color) -> np.ndarray:
    return np.full((height, width, 3), color, np.uint8)


def _shade(picture: np.ndarray, amount: np.ndarray) -> np.ndarray:
    """Brighten or darken by an (H, W) amount in grey levels."""
    return np.clip(picture.astype(np.float32) + amount[..., None], 0, 255).astype(np.uint8)


def _blend(low: Color, high: Color, weight: np.ndarray) -> np.ndarray:
    """Mix two colours by an (H, W) weight in [0, 1]; returns float32."""
    weight = np.clip(weight, 0, 1)[..., None]
    return (1 - weight) * np.array(low, np.float32) + weight * np.array(high, np.float32)


def _text(
    picture: np.ndarray, text: str, center: tuple[float, float], width: float, color: Color, weight: float = 1.0
) -> None:
    """Write `text` centred at (x, y), `width` pixels wide."""
    font = cv2.FONT_HERSHEY_DUPLEX
    scale = width / cv2.getTextSize(text, font, 1.0, 1)[0][0]
    thickness = max(1, round(2.6 * weight * scale))
    (w, h), _ = cv2.getTextSize(text, font, scale, thickness)
    origin = (round(center[0] - w / 2), round(center[1] + h / 2))
    cv2.putText(picture, text, origin, font, scale, color, thickness, cv2.LINE_AA)


def wood(height: int, width: int, planks: int, low: Color, high: Color, rng: np.random.Generator) -> np.ndarray:
    """Planks along the width, each with its own grain and tone."""
    edges = np.linspace(0, height, planks + 1).astype(int)
    rows = []
    for top, bottom in pairwise(edges):
        h = bottom - top
        y = np.linspace(-1, 1, h, dtype=np.float32)[:, None] + rng.uniform(-0.6, 0.6)
        warp = 0.30 * noise(h, width, (h, width // 3), rng)
        warp += 0.05 * noise(h, width, (h // 3, width // 10), rng)
        rings = np.sin(rng.uniform(9, 15) * (np.abs(y + warp) ** 1.3))
        fibre = noise(h, width, (2, width // 12), rng)
        weight = 0.52 + 0.16 * rings + 0.10 * fibre + 0.07 * noise(h, width, (h // 2, width // 4), rng)
        plank = _blend(low, high, weight + rng.uniform(-0.13, 0.13))
        plank[: max(1, height // 500)] *= 0.55
        rows.append(plank)
    return np.clip(np.concatenate(rows), 0, 255).astype(np.uint8)


def tiles(height: int, width: int, rows: int, columns: int, rng: np.random.Generator) -> np.ndarray:
    """Glazed wall tiles in a running bond."""
    picture = plain(height, width, (196, 191, 180))
    tile_h, tile_w = height / rows, width / columns
    for row in range(rows):
        for column in range(-1, columns + 1):
            x0, y0 = (column + 0.5 * (row % 2)) * tile_w, row * tile_h
            tone = np.array([205, 211, 203]) + rng.normal(0, 5) + rng.normal(0, 2, 3)
            corner, far = (round(x0 + 3), round(y0 + 3)), (round(x0 + tile_w - 3), round(y0 + tile_h - 3))
            cv2.rectangle(picture, corner, far, tone.tolist(), -1, cv2.LINE_AA)
            cv2.line(picture, corner, (far[0], corner[1]), (tone + 16).clip(0, 255).tolist(), 2)
            cv2.line(picture, (corner[0], far[1]), far, (tone - 20).tolist(), 2)
    glaze = 3.5 * noise(height, width, (40, 60), rng) + 1.5 * noise(height, width, (4, 4), rng)
    return cv2.GaussianBlur(_shade(picture, glaze), (0, 0), 1.2)


def soup_label(rng: np.random.Generator) -> np.ndarray:
    """The paper label of a tomato can, the same panel twice round it."""
    panel = plain(480, 512, (176, 36, 30))
    cv2.rectangle(panel, (0, 0), (512, 34), (214, 168, 84), -1)
    cv2.rectangle(panel, (0, 446), (512, 480), (214, 168, 84), -1)
    cv2.rectangle(panel, (0, 44), (512, 50), CREAM, -1)
    cv2.rectangle(panel, (0, 430), (512, 436), CREAM, -1)
    _text(panel, "TOMATO", (256, 112), 330, CREAM, 1.5)
    cv2.circle(panel, (256, 270), 96, CREAM, -1, cv2.LINE_AA)
    cv2.ellipse(panel, (256, 282), (72, 62), 0, 0, 360, (204, 58, 38), -1, cv2.LINE_AA)
    cv2.ellipse(panel, (232, 262), (22, 14), -30, 0, 360, (232, 118, 88), -1, cv2.LINE_AA)
    for angle in range(-90, 270, 72):
        tip = (256 + 46 * np.cos(np.radians(angle)), 226 + 20 * np.sin(np.radians(angle)))
        cv2.line(panel, (256, 226), (round(tip[0]), round(tip[1])), (62, 104, 48), 11, cv2.LINE_AA)
    _text(panel, "WHOLE PEELED", (256, 398), 230, CREAM, 1.2)
    picture = np.concatenate([panel, panel], 1)
    cv2.rectangle(picture, (6, 60), (70, 424), (228, 220, 200), -1)
    for y in range(80, 410, 13):
        cv2.line(picture, (14, y), (rng.integers(36, 62), y), (90, 80, 78), 3)
    return _shade(picture, 2.5 * noise(480, 1024, (3, 3), rng))


def glaze(rng: np.random.Generator) -> np.ndarray:
    """Speckled slate-blue stoneware; rows run from the inside (top) over the rim to the foot (bottom)."""
    h, w = 512, 512
    picture = _blend((40, 72, 108), (72, 108, 142), 0.5 + 0.18 * noise(h, w, (60, 80), rng))
    v = np.linspace(0, 1, h)[:, None] + 0.006 * noise(h, w, (24, 24), rng)
    inside = np.clip((0.545 - v) / 0.02, 0, 1)[..., None]
    picture = picture * (1 - inside) + np.array((206, 202, 190), np.float32) * inside
    foot = np.clip((v - 0.925) / 0.012, 0, 1)[..., None]
    picture = picture * (1 - foot) + np.array((186, 160, 128), np.float32) * foot
    rim = np.exp(-(((v - 0.555) / 0.012) ** 2))[..., None]
    picture = picture * (1 - 0.8 * rim) + np.array((138, 104, 76), np.float32) * 0.8 * rim
    picture = np.ascontiguousarray(picture.clip(0, 255).astype(np.uint8))
    specks = zip(rng.integers(0, w, 420), rng.integers(0, h, 420), rng.choice([1, 1, 1, 2], 420), strict=True)
    for x, y, r in specks:
        cv2.circle(picture, (int(x), int(y)), int(r), (34, 42, 56), -1, cv2.LINE_AA)
    return picture


def _bowl(picture: np.ndarray, center: tuple[int, int], size: int, rng: np.random.Generator) -> None:
    """Draw a bowl of cereal rings."""
    x, y = center
    cv2.ellipse(picture, (x, y), (size, size), 0, 0, 180, (214, 92, 52), -1, cv2.LINE_AA)
    cv2.ellipse(picture, (x, y + size // 8), (size, size), 0, 20, 60, (232, 128, 84), size // 10, cv2.LINE_AA)
    cv2.ellipse(picture, (x, y), (size, size // 3), 0, 0, 360, (246, 240, 226), -1, cv2.LINE_AA)
    for _ in range(26):
        a, r = rng.uniform(0, 2 * np.pi), np.sqrt(rng.uniform(0, 0.72))
        at = (round(x + size * r * np.cos(a)), round(y + size / 3 * r * np.sin(a) - 4))
        tone = np.array([206, 152, 78]) + rng.normal(0, 14)
        cv2.ellipse(picture, at, (size // 8, size // 12), 0, 0, 360, tone.tolist(), size // 18, cv2.LINE_AA)


def carton(rng: np.random.Generator) -> np.ndarray:
    """A cereal carton's 3 x 2 face atlas."""
    teal, deep, w, h = (36, 108, 106), (24, 78, 80), 480, 640
    front = plain(h, w, teal)
    cv2.circle(front, (240, 470), 330, deep, -1, cv2.LINE_AA)
    for angle in range(0, 360, 20):
        ray = np.array([[0, 0], [600, -40], [600, 40]]) @ cv2.getRotationMatrix2D((0, 0), angle, 1)[:, :2].T
        cv2.fillPoly(front, [np.int32(ray + np.array((240, 455)))], (30, 94, 94), cv2.LINE_AA)
    cv2.rectangle(front, (0, 0), (w, 46), (226, 178, 84), -1)
    _text(front, "WHOLE GRAIN", (240, 24), 190, INK, 1.2)
    _text(front, "OAT", (240, 118), 250, CREAM, 1.7)
    _text(front, "RINGS", (240, 224), 330, (240, 190, 88), 1.6)
    _bowl(front, (240, 430), 150, rng)
    _text(front, "375 g", (410, 612), 80, CREAM, 1.2)
    side = plain(h, w, teal)
    cv2.rectangle(side, (60, 60), (420, 430), (240, 234, 218), -1)
    _text(side, "NUTRITION", (240, 92), 300, INK, 1.2)
    for y in range(130, 420, 24):
        cv2.line(side, (80, y), (int(rng.integers(200, 320)), y), INK, 4, cv2.LINE_AA)
        cv2.line(side, (350, y), (400, y), INK, 4, cv2.LINE_AA)
    cv2.rectangle(side, (100, 480), (380, 600), (246, 244, 238), -1)
    for x in range(112, 370, 9):
        cv2.line(side, (x, 490), (x, 590), INK, int(rng.integers(1, 6)))
    top = plain(h, w, teal)
    cv2.line(top, (0, h // 2), (w, h // 2), deep, 10)
    _text(top, "OAT RINGS", (240, 160), 360, CREAM, 1.2)
    atlas = np.concatenate([np.concatenate([front, side, front], 1), np.concatenate([side, top, top], 1)])
    return _shade(atlas, 2.0 * noise(2 * h, 3 * w, (3, 3), rng))


def baseball(rng: np.random.Generator) -> np.ndarray:
    """White leather with a red-stitched seam, as longitude by latitude."""
    h, w, bend = 512, 1024, 0.44
    t = np.linspace(0, 4 * np.pi, 217)[:-1]
    polar, around = np.pi / 2 - (np.pi / 2 - bend) * np.cos(t), t / 2 + bend * np.sin(2 * t)
    seam = np.stack([np.sin(polar) * np.cos(around), np.sin(polar) * np.sin(around), np.cos(polar)], -1)
    lat, lon = np.meshgrid(np.linspace(np.pi / 2, -np.pi / 2, h), np.linspace(0, 2 * np.pi, w), indexing="ij")
    rays = np.stack([np.cos(lat) * np.sin(lon), -np.cos(lat) * np.cos(lon), np.sin(lat)], -1)
    cosine = rays @ seam.T
    nearest, away = cosine.argmax(-1), np.arccos(cosine.max(-1).clip(-1, 1))
    picture = plain(h, w, (226, 219, 204)).astype(np.float32)
    picture[away < 0.02] = (168, 156, 140)
    picture[(away > 0.03) & (away < 0.15) & (nearest % 2 == 0)] = (170, 44, 40)
    dirt = -5 * np.abs(noise(h, w, (50, 60), rng)) + 2 * noise(h, w, (3, 3), rng)
    return cv2.GaussianBlur(_shade(picture, dirt), (0, 0), 1.0)


def pear_skin(rng: np.random.Generator) -> np.ndarray:
    """Green to yellow with a blush on one side, and lenticels; the top row is the stem end."""
    h, w = 384, 512
    v = np.linspace(0, 1, h)[:, None]
    u = np.linspace(0, 2 * np.pi, w)[None]
    picture = _blend((128, 148, 44), (196, 184, 72), v + 0.18 * noise(h, w, (60, 80), rng))
    blush = np.clip(0.55 * np.cos(u - 3.9) + 0.12 * noise(h, w, (50, 50), rng) - 0.1, 0, 0.6)[..., None]
    picture = picture * (1 - blush) + np.array((190, 104, 48), np.float32) * blush
    picture = np.ascontiguousarray(picture.astype(np.uint8))
    for x, y in zip(rng.integers(0, w, 500), rng.integers(20, h, 500), strict=True):
        cv2.circle(picture, (int(x), int(y)), 1, (122, 108, 48), -1, cv2.LINE_AA)
    return picture


def mustard_label(rng: np.random.Generator) -> np.ndarray:
    """A mustard bottle's body: yellow with an oval label, twice round it."""
    panel = plain(512, 384, (222, 168, 34))
    cv2.ellipse(panel, (192, 280), (168, 150), 0, 0, 360, (120, 34, 30), -1, cv2.LINE_AA)
    cv2.ellipse(panel, (192, 280), (154, 136), 0, 0, 360, (244, 232, 196), -1, cv2.LINE_AA)
    _text(panel, "MUSTARD", (192, 262), 250, (120, 34, 30), 1.6)
    _text(panel, "mild & smooth", (192, 320), 180, (70, 84, 40), 1.2)
    cv2.line(panel, (90, 292), (294, 292), (206, 150, 30), 6, cv2.LINE_AA)
    return _shade(np.concatenate([panel, panel], 1), 2.0 * noise(512, 768, (3, 3), rng))


def screwdriver_handle(rng: np.random.Generator) -> np.ndarray:
    """Black rubber with orange flutes along it."""
    h, w = 256, 384
    u, v = np.meshgrid(np.linspace(0, 1, w), np.linspace(0, 1, h))
    flute = (np.abs((u * 6) % 1 - 0.5) < 0.27) & (v > 0.22) & (v < 0.86)
    picture = plain(h, w, (214, 104, 34))
    picture[flute | (v > 0.95)] = (52, 50, 52)
    return _shade(picture, 4 * noise(h, w, (3, 3), rng))


def mottled(color: Color, strength: float, cell: int, rng: np.random.Generator) -> np.ndarray:
    """One colour with soft blotches and a fine grain (terracotta, steel, plastic, leaves)."""
    field = noise(256, 256, (cell, cell), rng) + 0.5 * noise(256, 256, (3, 3), rng)
    return _shade(plain(256, 256, color), strength * field)


def lid(rng: np.random.Generator) -> np.ndarray:
    """Sheet steel with pressed rings: dark and bright rows, which a lathe turns into circles."""
    row = np.zeros(512, np.float32)
    for at, width in ((60, 9), (120, 6), (150, 6)):
        row += 26 * np.gradient(np.exp(-(((np.arange(512) - at) / width) ** 2))) * width
    picture = plain(512, 512, (182, 183, 186))
    brushed = 2.5 * noise(512, 512, (2, 64), rng) + 3 * noise(512, 512, (60, 60), rng)
    return _shade(picture, row[:, None] + brushed)


def leaf_skin(rng: np.random.Generator) -> np.ndarray:
    """A leaf with a pale midrib and veins, its tip to the right."""
    picture = mottled((62, 98, 52), 6, 40, rng)
    cv2.line(picture, (0, 128), (256, 128), (128, 152, 92), 5, cv2.LINE_AA)
    for x in range(20, 230, 30):
        for y in (30, 226):
            cv2.line(picture, (x, 128), (x + 40, y), (92, 126, 70), 2, cv2.LINE_AA)
    return picture
