"""Labels clips without masks: ISNet segments salient objects, and optical flow links them from frame to frame.

ISNet (Qin et al., "Highly Accurate Dichotomous Image Segmentation", ECCV 2022) runs in onnxruntime. Frames in which it
is unsure are left out, and pixels of which it is unsure get the label VOID.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
from tqdm import tqdm

from training.nano.pictures.sources import TEACHER
from training.nano.sequence import VOID, Sequence, is_held_out, write_sequence

RUNS, FRAMES = 10, 5  # Most runs of a clip that training is given, and frames of a run.
GAP = 3  # The step from one frame of a run to the next.
WIDTH = 448  # Width of the labelled images, pixels.
_SIDE = 1024  # Side of ISNet's input, pixels.
_UNSURE = (0.15, 0.85)  # Pixels with probabilities between these are void, except near a contour.
_CONTOUR = 4  # Distance in pixels from a contour within which such probabilities are normal.
_MOST_UNSURE = 0.25  # If the void area is a larger share of the mask's, the frame is left out.
_LEAST_AREA = 0.002  # Smallest area of an object, as a share of the image.
_SAME = 0.4  # Smallest IoU of an object moved by the flow with one in the next frame, to be the same object.


def label_clips(work: Path, clips: Path) -> None:
    """Write work/sequences/teacher/CLIP_N.npz for the runs of every video in `clips` that is not held out.

    Videos that were labelled before are skipped. Raises FileNotFoundError if there are no videos.
    """
    videos = [video for video in sorted(clips.glob("*.mp4")) if not is_held_out(video.stem)]
    if not videos:
        raise FileNotFoundError(f"expected .mp4 files in {clips}; got none")
    teacher = None
    for video in tqdm(videos, "teacher", unit="clip"):
        done = work / "sequences/teacher" / f"{video.stem}.txt"
        if done.exists():
            continue
        done.parent.mkdir(parents=True, exist_ok=True)
        teacher = teacher or Teacher(work / "downloads" / TEACHER)
        runs = labelled_runs(teacher, video, RUNS, FRAMES)
        usable = [sequence for sequence in runs if len(sequence.images) > 1]
        for number, sequence in enumerate(usable):
            write_sequence(done.with_name(f"{video.stem}_{number}.npz"), sequence)
        done.write_text(f"{sum(len(sequence.images) for sequence in usable)} frames\n")


class Teacher:
    """ISNet, which predicts for every pixel the probability that it belongs to a salient object."""

    def __init__(self, model: Path) -> None:
        options = onnxruntime.SessionOptions()
        # Threads that wait in busy loops would slow down all other programs on the machine.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        providers = onnxruntime.get_available_providers()
        self._session = onnxruntime.InferenceSession(str(model), options, providers=providers)

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """The probabilities (H, W) float32 0..1 of an image (H, W, 3) uint8 RGB."""
        scaled = cv2.resize(image, (_SIDE, _SIDE)).astype(np.float32)
        batch = ((scaled - 128) / 256).transpose(2, 0, 1)[None]
        probability = self._session.run(["output"], {"input": batch})[0][0, 0]
        return cv2.resize(probability, image.shape[1::-1])


def labelled_runs(teacher: Teacher, video: Path, runs: int, frames: int) -> Iterator[Sequence]:
    """Up to so many runs of a video, evenly spread over it; sequences may be shorter than `frames`, or empty."""
    for run in _runs(video, runs, frames):
        yield _labelled(teacher, run)


def _labelled(teacher: Teacher, run: list[np.ndarray]) -> Sequence:
    """The frames of a run with labels: from the first frame of which the teacher is sure, to the next unsure one."""
    sequence = Sequence([], [], complete=False)
    last_id = 0
    previous: tuple[np.ndarray, np.ndarray] | None = None
    for image in run:
        probability = teacher(image)
        image = cv2.resize(image, (WIDTH, round(image.shape[0] * WIDTH / image.shape[1])), interpolation=cv2.INTER_AREA)
        parts, void = _objects(cv2.resize(probability, image.shape[1::-1], interpolation=cv2.INTER_AREA))
        if not parts:
            if sequence.images:
                break
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
        sequence.images.append(image)
        sequence.labels.append(np.where(void & (labels == 0), VOID, labels).astype(np.uint8))
    return sequence


def _runs(video: Path, most: int, frames: int) -> Iterator[list[np.ndarray]]:
    """Up to `most` runs of so many images (H, W, 3) uint8 RGB each, evenly spread over the video."""
    capture = cv2.VideoCapture(str(video))
    span = GAP * (frames - 1) + 1
    count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    runs = max(1, min(most, count // span))
    starts = np.linspace(0, max(0, count - span), runs).round().astype(int)
    wanted = {int(start) + GAP * step for start in starts for step in range(frames)}
    run: list[np.ndarray] = []
    for index in range(count):
        read, image = capture.read()
        if not read:
            break
        if index in wanted:
            run.append(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
            if len(run) == frames:
                yield run
                run = []


def _objects(probability: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """The separate objects (H, W) bool of a frame, and its void pixels (H, W) bool.

    There are no objects if the frame is to be left out.
    """
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
    """The id of each object (H, W) bool: that of the previous frame's object that moved there, or else a new one.

    gray      (H, W) uint8, the frame in grey
    previous  the frame before in grey, and its labels (H, W) uint8; None for the first frame
    last_id   the highest id that is in use
    """
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
