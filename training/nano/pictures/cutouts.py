"""Makes cut-outs with opacity, and backgrounds, from collections of pictures; sequences are composed of them.

Run `sources.fetch` first. Each function leaves a marker file beside its results, and does nothing if there is one.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from sampt_ros.io.image_files import decode
from training.nano.pictures.sources import used_for

CUTOUT_SIDE = 320  # Longest side, pixels.
CUTOUT_SHORT_SIDE = 40  # Smallest length of the shorter side, pixels.
CUTOUT_COVER = (0.10, 0.97)  # Share of the box; with less it is a line drawing, with more a full rectangle.
CUTOUT_ONE_PIECE = 0.6  # Smallest share of the largest connected part; with less it is a sheet of several things.
CUTOUT_OPAQUE = 0.85  # Smallest share with alpha > 0.9; with less it is glass, a shadow or a placeholder.
CLIPART_COUNT = 1200
BACKGROUND_SIDE = 960  # Longest side, pixels.
GRADIENT_ENTROPY = 2.8  # Smallest entropy of a photograph, bits; see gradient_entropy.

# Names of folders, at any depth, that do not contain photographs of objects.
STAMP_FOLDERS_LEFT_OUT = {"symbols", "cartoon", "flags", "roadsigns", "naturalforces"}
# Names of folders, at any depth, that contain glyphs and flat shapes, which are unlike real objects.
CLIPART_FOLDERS_LEFT_OUT = {
    *("buttons", "cards", "flags", "geography", "icons", "logos", "office", "shapes", "signs_and_symbols", "special"),
}
PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".jxl"}
# Drawn or rendered wallpapers with as much gradient as a photograph, found by eye because no measure recognizes them.
DRAWINGS = {
    *("Autumn", "Canopee", "Cascade", "Elephants", "Float-into-MATE", "Gulp", "Honeywave", "Kay", "Opal", "Patak"),
    *("SafeLanding", "Shell", "Stripes", "analogpattern_by_Peter_Nerlich", "Infinite-Sea_by_Aury88"),
}


def make_cutouts(work: Path) -> None:
    """Write work/cutouts/SOURCE/NAME.png, uint8 RGBA objects cropped to alpha > 0.5, from the stamps and the clip art.

    Raises FileNotFoundError if a source is not unpacked.
    """
    target = work / "cutouts"
    if _made(target):
        return
    stamps, clipart = (source.name for source in used_for("cutouts"))
    counts = {
        stamps: _write_cutouts(_pictures(work, stamps, STAMP_FOLDERS_LEFT_OUT), target / stamps, limit=None),
        clipart: _write_cutouts(
            _shuffled(_pictures(work, clipart, CLIPART_FOLDERS_LEFT_OUT)), target / clipart, limit=CLIPART_COUNT
        ),
    }
    _finish(target, "cutouts", counts)


def make_backgrounds(work: Path) -> None:
    """Write work/backgrounds/SOURCE/NAME.jpg, the photographs among the wallpapers, scaled to `BACKGROUND_SIDE`.

    Files that OpenCV cannot read are skipped. Raises FileNotFoundError if a source is not unpacked.
    """
    target = work / "backgrounds"
    if _made(target):
        return
    counts = {}
    for source in used_for("backgrounds"):
        folder = target / source.name
        folder.mkdir(parents=True)
        counts[source.name] = 0
        for name, path in tqdm(_largest_of_each(_pictures(work, source.name, set())).items(), desc=source.name):
            if name in DRAWINGS:
                continue
            image = decode(path.read_bytes(), cv2.IMREAD_COLOR)
            if image is None or gradient_entropy(image) < GRADIENT_ENTROPY:
                continue
            cv2.imwrite(str(folder / f"{name}.jpg"), _at_most(image, BACKGROUND_SIDE), [cv2.IMWRITE_JPEG_QUALITY, 92])
            counts[source.name] += 1
    _finish(target, "backgrounds", counts)


def gradient_entropy(image: np.ndarray) -> float:
    """Return the entropy, in bits, of the gradient's magnitude in a uint8 (H, W, 3) BGR image scaled to 512 pixels.

    Photographs have gradients of every magnitude; those of drawings fall into a few bins of the histogram.
    """
    grey = cv2.cvtColor(_at_most(image, 512), cv2.COLOR_BGR2GRAY).astype(np.float32)
    size = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)) / 4
    share = np.bincount(np.minimum(size, 63).astype(np.int64).ravel()) / size.size
    share = share[share > 0]
    return float(-(share * np.log2(share)).sum())


def cut_out(image: np.ndarray) -> np.ndarray | None:
    """Return a uint8 (H, W, 4) picture cropped to alpha > 0.5 and scaled to `CUTOUT_SIDE`, or None if it is unsuitable.

    That is, if its opaque part is a full rectangle, nearly empty, thin, translucent, or shows several things.
    """
    solid = (image[..., 3] > 127).astype(np.uint8)
    x, y, width, height = cv2.boundingRect(solid)
    if min(width, height) < CUTOUT_SHORT_SIDE:
        return None
    box = solid[y : y + height, x : x + width]
    area = int(box.sum())
    _, _, parts, _ = cv2.connectedComponentsWithStats(box)
    whole = parts[1:, cv2.CC_STAT_AREA].max() >= CUTOUT_ONE_PIECE * area
    opaque = np.count_nonzero(image[..., 3] > 229) >= CUTOUT_OPAQUE * area
    if not (whole and opaque and CUTOUT_COVER[0] <= area / box.size <= CUTOUT_COVER[1]):
        return None
    cutout = _shrunk_with_alpha(image[y : y + height, x : x + width])
    return cutout if min(cutout.shape[:2]) >= CUTOUT_SHORT_SIDE else None


def _shrunk_with_alpha(image: np.ndarray) -> np.ndarray:
    """Shrink a uint8 (H, W, 4) picture with its colours weighted by alpha, so that hidden colours do not bleed in."""
    if max(image.shape[:2]) <= CUTOUT_SIDE:
        return image
    weighed = image.astype(np.float32)
    weighed[..., :3] *= weighed[..., 3:] / 255
    small = _at_most(weighed, CUTOUT_SIDE)
    small[..., :3] *= 255 / np.maximum(small[..., 3:], 1)
    return np.clip(small + 0.5, 0, 255).astype(np.uint8)


def _write_cutouts(paths: list[Path], folder: Path, limit: int | None) -> int:
    """Write the first `limit` suitable cut-outs, without duplicates; returns their number."""
    folder.mkdir(parents=True)
    seen: set[str] = set()
    for path in tqdm(paths, desc=folder.name):
        if len(seen) == limit:
            break
        image = decode(path.read_bytes(), cv2.IMREAD_UNCHANGED)
        if image is None or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 4:
            continue
        cutout = cut_out(image)
        if cutout is None:
            continue
        digest = hashlib.sha256(cutout.tobytes()).hexdigest()
        if digest not in seen:
            seen.add(digest)
            # The folder is part of the name: file names repeat among folders.
            cv2.imwrite(str(folder / f"{path.parent.name}-{path.stem}-{digest[:6]}.png"), cutout)
    return len(seen)


def _pictures(work: Path, name: str, left_out: set[str]) -> list[Path]:
    """Return the pictures of an unpacked package, sorted, without links and folders whose names are in `left_out`."""
    root = work / "downloads" / name / "usr" / "share"
    found = [
        path
        for path in sorted(root.rglob("*"))
        if path.suffix.lower() in PICTURES and not path.is_symlink() and left_out.isdisjoint(path.parts)
    ]
    if not found:
        raise FileNotFoundError(f"expected the pictures of {name} in {root}, found none: fetch the sources first")
    return found


def _shuffled(paths: list[Path]) -> list[Path]:
    """Return the paths in an order that looks random, but depends only on their names."""
    return sorted(paths, key=lambda path: hashlib.sha256(path.name.encode()).digest())


def _largest_of_each(paths: list[Path]) -> dict[str, Path]:
    """Return, by the picture's name, the largest of the files of each picture; previews are left out.

    The files of a picture differ in their names (NAME_1920x1080.jpg), or are in one folder, as in Plasma
    (wallpapers/NAME/contents/...).
    """
    largest: dict[str, Path] = {}
    for path in paths:
        if path.stem == "screenshot":
            continue
        if "wallpapers" in path.parts:
            name = path.parts[path.parts.index("wallpapers") + 1]
        else:
            name = re.sub(r"_\d+x\d+$", "", path.stem)
        if name not in largest or path.stat().st_size > largest[name].stat().st_size:
            largest[name] = path
    return largest


def _at_most(image: np.ndarray, side: int) -> np.ndarray:
    """Return the image scaled down so that its longer side is at most `side` pixels."""
    height, width = image.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return image
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def _made(target: Path) -> bool:
    """Return whether `target` is complete, and print its marker; an incomplete one is deleted and made again, empty."""
    marker = target / "made.txt"
    if marker.is_file():
        print(marker.read_text().strip())
        return True
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    return False


def _finish(target: Path, what: str, counts: dict[str, int]) -> None:
    """Print the number of results of each source, and write it to the marker."""
    listed = ", ".join(f"{count} {name}" for name, count in counts.items())
    line = f"{sum(counts.values())} {what} in {target}: {listed}"
    (target / "made.txt").write_text(f"{line}\n")
    print(line)
