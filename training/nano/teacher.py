"""Masks for clips that have none: ISNet finds what stands out, optical flow says which part is which object.

ISNet (Qin et al., "Highly Accurate Dichotomous Image Segmentation", ECCV 2022) runs in onnxruntime. A frame it is
unsure of is left out, and pixels it is unsure of are void.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
from tqdm import tqdm

from training.nano.sources import TEACHER

FRAMES = 24  # taken of each clip, evenly spaced
WIDTH = 640
VOID = 255
_SIDE = 1024  # ISNet's input
_UNSURE = (0.15, 0.85)  # probabilities between these, away from a contour, are void
_CONTOUR = 4  # pixels around a contour where doubt is natural
_MOST_UNSURE = 0.25  # of the mask's area; more and the frame is left out
_LEAST_AREA = 0.002  # of the image, for an object
_SAME = 0.4  # IoU of a moved object with one of the next frame, to be the same


def label_clips(work: Path, clips: Path) -> None:
    """Write `work`/clips/teacher/CLIP/NN.jpg and NN.png (uint8 object ids, 255 void) for every video in `clips`."""
    videos = sorted(clips.glob("*.mp4"))
    if not videos:
        raise FileNotFoundError(f"expected .mp4 files in {clips}; got none")
    teacher = None
    for video in tqdm(videos, "teacher", unit="clip"):
        folder = work / "clips/teacher" / video.stem
        if (folder / "done").exists():
            continue
        folder.mkdir(parents=True, exist_ok=True)
        teacher = teacher or Teacher(work / "downloads" / TEACHER)
        written = _label_clip(teacher, video, folder)
        (folder / "done").write_text(f"{written} frames\n")


class Teacher:
    """ISNet: an image to the probability of every pixel to belong to what stands out."""

    def __init__(self, model: Path) -> None:
        self._session = onnxruntime.InferenceSession(str(model), providers=onnxruntime.get_available_providers())

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """(H, W) float32 0..1 of an image (H, W, 3) uint8 RGB."""
        scaled = cv2.resize(image, (_SIDE, _SIDE)).astype(np.float32)
        batch = ((scaled - 128) / 256).transpose(2, 0, 1)[None]
        probability = self._session.run(["output"], {"input": batch})[0][0, 0]
        return cv2.resize(probability, image.shape[1::-1])


def _label_clip(teacher: Teacher, video: Path, folder: Path) -> int:
    """The number of frames written."""
    written, last_id = 0, 0
    previous: tuple[np.ndarray, np.ndarray] | None = None
    for image in _frames(video):
        probability = teacher(image)
        image = cv2.resize(image, (WIDTH, round(image.shape[0] * WIDTH / image.shape[1])), interpolation=cv2.INTER_AREA)
        parts, void = _objects(cv2.resize(probability, image.shape[1::-1], interpolation=cv2.INTER_AREA))
        if not parts:
            previous = None
            continue
        gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        ids = _linked(parts, gray, previous, last_id)
        last_id = max(last_id, *ids)
        if last_id >= VOID:
            break
        labels = np.zeros(gray.shape, np.uint8)
        for name, part in zip(ids, parts):
            labels[part] = name
        previous = gray, labels
        cv2.imwrite(str(folder / f"{written:02d}.jpg"), image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])
        cv2.imwrite(str(folder / f"{written:02d}.png"), np.where(void & (labels == 0), VOID, labels).astype(np.uint8))
        written += 1
    return written


def _frames(video: Path) -> Iterator[np.ndarray]:
    """FRAMES images (H, W, 3) uint8 RGB, evenly spaced."""
    capture = cv2.VideoCapture(str(video))
    wanted = set(np.linspace(0, capture.get(cv2.CAP_PROP_FRAME_COUNT) - 1, FRAMES).round().astype(int).tolist())
    for index in range(max(wanted) + 1):
        read, image = capture.read()
        if not read:
            return
        if index in wanted:
            yield cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _objects(probability: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """The separate objects (H, W) bool of a frame, and where nobody knows (H, W) bool; no objects: leave it out."""
    mask = (probability > 0.5).astype(np.uint8)
    kernel = np.ones((2 * _CONTOUR + 1,) * 2, np.uint8)
    contour = cv2.dilate(mask, kernel) != cv2.erode(mask, kernel)
    void = (probability > _UNSURE[0]) & (probability < _UNSURE[1]) & ~contour
    if np.count_nonzero(void) > _MOST_UNSURE * max(int(np.count_nonzero(mask)), 1):
        return [], void
    count, parts, statistics, _ = cv2.connectedComponentsWithStats(mask)
    large = [part for part in range(1, count) if statistics[part, cv2.CC_STAT_AREA] > _LEAST_AREA * mask.size]
    void |= (mask > 0) & ~np.isin(parts, large)
    return [parts == part for part in large], void


def _linked(
    parts: list[np.ndarray], gray: np.ndarray, previous: tuple[np.ndarray, np.ndarray] | None, last_id: int
) -> list[int]:
    """The ids of objects (H, W) bool: that of the object of the previous frame that moved there, else a new one."""
    ids: list[int] = []
    moved = np.zeros(gray.shape, np.uint8)
    if previous is not None:
        flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(gray, previous[0], None)
        x, y = np.meshgrid(np.arange(gray.shape[1], dtype=np.float32), np.arange(gray.shape[0], dtype=np.float32))
        moved = cv2.remap(previous[1], x + flow[..., 0], y + flow[..., 1], cv2.INTER_NEAREST)
    for part in parts:
        overlaps = np.bincount(moved[part], minlength=VOID + 1)
        overlaps[0] = overlaps[VOID] = 0
        best = int(overlaps.argmax())
        union = np.count_nonzero(part | (moved == best))
        if best and overlaps[best] > _SAME * union and best not in ids:
            ids.append(best)
        else:
            last_id += 1
            ids.append(last_id)
    return ids
