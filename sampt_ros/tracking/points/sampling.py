"""Query points from a mask (Rajič et al., "Segment Anything Meets Point Tracking", section 3.2).

Every method is a function `(mask, count, rng, gray) -> xy`:

mask   (H, W) bool
count  how many points are wanted; a mask with fewer pixels gives each of its pixels once, an empty one none
rng    numpy Generator; the same state gives the same points
gray   (H, W) uint8 luminance of the same frame
xy     (n, 2) float32 pixels, n = min(count, pixels in the mask), all different, all inside the mask
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from sampt_ros.utils.blas_threads import on_one_thread

Selection = Callable[[np.ndarray, int, np.random.Generator, np.ndarray], np.ndarray]

_SAMPLE = 400  # Pixels that stand for the mask in k-medoids; the distance matrix is as large as its square.
_ITERATIONS = 20  # At most; k-medoids converges in fewer.


def random(mask: np.ndarray, count: int, rng: np.random.Generator, gray: np.ndarray) -> np.ndarray:
    """Pixels drawn uniformly without replacement."""
    if count == 0:
        return np.zeros((0, 2), np.float32)
    inside = np.flatnonzero(mask)
    chosen = inside[rng.choice(len(inside), min(count, len(inside)), replace=False)]
    return np.stack([chosen % mask.shape[1], chosen // mask.shape[1]], axis=1).astype(np.float32)


@on_one_thread
def k_medoids(mask: np.ndarray, count: int, rng: np.random.Generator, gray: np.ndarray) -> np.ndarray:
    """Centres of `count` compact parts of the mask: k-medoids by Voronoi iteration (Park and Jun, 2009)."""
    sample = random(mask, max(_SAMPLE, count) if count else 0, rng, gray)
    if len(sample) <= count:
        return sample
    distance = _distances(sample)
    medoids, parts = _spread(distance, count, rng), np.arange(count)
    for _ in range(_ITERATIONS):
        nearest = distance[:, medoids].argmin(axis=1)
        nearest[medoids] = parts  # Each part keeps its medoid, so that none is ever empty.
        is_member = nearest[:, None] == parts
        to_members = distance @ is_member.astype(np.float32)  # (n, count): the sum of distances to each part
        moved = np.where(is_member, to_members, np.inf).argmin(axis=0)
        if np.array_equal(moved, medoids):
            break
        medoids = moved
    centres: np.ndarray = sample[medoids]
    return centres


def _distances(xy: np.ndarray) -> np.ndarray:
    """(n, n) float32: how far each of the points (n, 2) is from each."""
    across, down = (xy[:, None, axis] - xy[None, :, axis] for axis in (0, 1))
    distance: np.ndarray = np.sqrt(across * across + down * down)
    return distance


def _spread(distance: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Seeds for k-medoids, each drawn with probability ~ squared distance to those drawn before (k-means++)."""
    seeds = [int(rng.integers(len(distance)))]
    nearest = distance[seeds[0]].copy()
    while len(seeds) < count:
        weight = nearest**2
        seeds.append(int(rng.choice(len(distance), p=weight / weight.sum())))
        np.minimum(nearest, distance[seeds[-1]], out=nearest)
    return np.array(seeds)


def shi_tomasi(mask: np.ndarray, count: int, rng: np.random.Generator, gray: np.ndarray) -> np.ndarray:
    """The best corners to track (Shi and Tomasi, 1994), and random pixels where there are too few corners.

    The mask is eroded first, since corners of the object's outline belong half to the background.
    """
    inner = cv2.erode(mask.astype(np.uint8), np.ones((5, 5), np.uint8), borderType=cv2.BORDER_REPLICATE)
    if not inner.any():
        inner = mask.astype(np.uint8)
    if count == 0 or not inner.any():
        return np.zeros((0, 2), np.float32)
    apart = max(1.0, 0.5 * np.sqrt(np.count_nonzero(inner) / count))
    x, y, width, height = cv2.boundingRect(inner)
    window = np.s_[y : y + height, x : x + width]
    corners = cv2.goodFeaturesToTrack(gray[window], count, 0.001, apart, mask=inner[window])
    corners = np.zeros((0, 2), np.float32) if corners is None else corners.reshape(-1, 2) + np.array([x, y], np.float32)
    return np.concatenate([corners, random(_without(mask, corners), count - len(corners), rng, gray)])


def mixed(mask: np.ndarray, count: int, rng: np.random.Generator, gray: np.ndarray) -> np.ndarray:
    """A quarter of the points by k-medoids, a third by Shi-Tomasi, the rest at random."""
    chosen = np.zeros((0, 2), np.float32)
    if count == 0:
        return chosen
    for select, share in ((k_medoids, count // 4), (shi_tomasi, count // 3), (random, count)):
        wanted = min(share, count - len(chosen))
        chosen = np.concatenate([chosen, select(_without(mask, chosen), wanted, rng, gray)])
    return chosen


def _without(mask: np.ndarray, xy: np.ndarray) -> np.ndarray:
    """The mask less the pixels already chosen."""
    rest = mask.copy()
    x, y = xy.astype(int).T
    rest[y, x] = False
    return rest


POINT_SELECTION: dict[str, Selection] = {
    "k_medoids": k_medoids,
    "shi_tomasi": shi_tomasi,
    "random": random,
    "mixed": mixed,
}
