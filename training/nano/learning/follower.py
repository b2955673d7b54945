"""One object followed through a training sequence the way the stream follows it, its own errors included."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from sampt_ros.config.presets import load_preset
from sampt_ros.config.segmenters import NanoConfig
from sampt_ros.data_types import Frame, LocalMask
from sampt_ros.geometry.crops import Window, box_of, longest_side
from sampt_ros.point_trackers.dis_flow import DisFlow
from sampt_ros.segmenters.nano.interface import MASK
from training.nano.learning import prompts
from training.nano.learning.damage import damaged, lightly_damaged, misplaced
from training.nano.learning.parts import Habits
from training.nano.pictures.camera import Camera
from training.nano.sequence import VOID, Sequence

CAPACITY = NanoConfig().memories  # frames that are remembered of an object
_ACCEPTED = load_preset("default").prompting.iou_threshold  # predicted IoU; below it the stream refuses a mask
_LEAST = 16  # pixels of a mask that is a mask
_PROMISING = 0.3  # IoU of a mask that is a start
_GOOD = 0.92  # IoU of a mask; with a lower one a person would click again
_MOST_CLICKS = 4


class Look(NamedTuple):
    """What the network gets in one step, and what would be right; S = window size.

    window   (S, S, 3) uint8 RGB
    prompts  (6, S / 4, S / 4) float32, see segmenters/nano/network.py
    truth    (S / 2, S / 2) float32, the object's share of the pixel; known, likewise, 0 where nobody knows
    beyond   pixels of `truth` that the window does not show
    first    whether the object is clicked, with no mask and no memory
    """

    window: np.ndarray
    prompts: np.ndarray
    truth: np.ndarray
    known: np.ndarray
    beyond: float
    first: bool


@dataclass(frozen=True, eq=False)
class Remembered:
    """A look that is remembered: the step in which the network saw it, and the mask in it, (S, S) float32 0..1."""

    shown: int
    mask: np.ndarray


@dataclass(frozen=True, eq=False)
class Again:
    """Another look at the same frame.

    logits        (H, W) float32 of the mask that was found in it
    is_corrected  whether there is a new click
    searches      whether the object is searched anew at all the clicks
    """

    logits: np.ndarray
    is_corrected: bool = False
    searches: bool = False


class Follower:
    """Asked for a `look`, told by `take` what the network made of it, until it is `done`."""

    def __init__(
        self, sequence: Sequence, names: tuple[int, ...], rng: np.random.Generator, habits: Habits, guided: float
    ) -> None:
        """Follow the object of these ids from the first frame, in which it must be.

        guided: see Habits; higher at the beginning of training
        """
        self._images, self._complete, self._names, self._rng = sequence.images, sequence.complete, names, rng
        self._labels = sequence.labels
        self._twins = {other for pair in sequence.twins if set(names) & set(pair) for other in pair} - set(names)
        self._habits, self._guided = habits, rng.random() < guided
        self._camera, self._flow = Camera(rng), DisFlow()
        self._has_rivals = rng.random() < 0.35
        self._frame, self.done = 0, False
        self._target = np.isin(sequence.labels[0], names)
        self._carried: np.ndarray | None = None
        self._again: Again | None = None
        self._click = self._off = np.zeros((0, 2))
        self._memories: list[Remembered] = []
        self._missed = 0
        self._is_sought = self._is_part = False
        start = rng.choice(3, p=habits.starts)
        self._start = ("click", "box", "mask")[start] if len(names) == 1 else "mask"
        self._window: Window | None = None

    # What the network gets

    def look(self, size: int) -> Look:
        """What the network sees next, in a window of `size` pixels."""
        rng, cells = self._rng, size // 4
        self._is_sought = False
        if self._again is not None:
            window, given = self._looked_again(self._again, size)
        elif self._frame == 0 and self._start != "mask":
            window, given = self._started(size)
        elif self._frame > 0 and self._wants_search():
            window, given = self._sought(size)
        else:
            window, given = self._followed(size)
        if self._has_rivals and not self._is_part:
            prompts.add_rivals(given, self._labels[self._frame], self._names, window, rng)
        self._window = window
        target, half = self._target.astype(np.float32), size // 2
        truth = window.cut(target, half)
        cell = (window.side / half) ** 2
        beyond = max(0.0, float(np.count_nonzero(self._target)) / cell - float(truth.sum()))
        image = self._camera.shoot(window.cut(self._images[self._frame]), rng)
        known = 1 - window.cut((self._labels[self._frame] == VOID).astype(np.float32), half)
        assert given.shape[-1] == cells
        return Look(image, given, truth, known, beyond if beyond > 1 else 0.0, self._is_first())

    def _is_first(self) -> bool:
        return self._frame == 0 and self._start != "mask" and self._again is None

    def _started(self, size: int) -> tuple[Window, np.ndarray]:
        """The object at a click, or in a box."""
        rng, labels, cells = self._rng, self._labels[0], size // 4
        mask = prompts.largest_part(self._target)
        box = box_of(mask)
        longest = longest_side(box)
        count = 1 if rng.random() < 0.8 else int(rng.integers(2, 4))
        self._click = np.array([prompts.click_on(mask, rng) for _ in range(count)])
        self._off = negative = prompts.off(labels, self._names, rng, 1) if rng.random() < 0.12 else np.zeros((0, 2))
        if self._start == "click":
            window = prompts.search_window(self._click[0], longest, mask.shape, size, rng)
            return window, prompts.clicked(window, self._click, negative, None, cells)
        if rng.random() < self._habits.part:
            box, self._target = prompts.part_in_a_box(mask, rng)
            self._is_part = True
        longest = longest_side(box)
        box = box + rng.normal(0, 0.03 * longest, 4)
        window = Window.around(box, rng.uniform(1.3, 2.0), mask.shape, size)
        on = self._click if rng.random() < 0.3 and not self._is_part else np.zeros((0, 2))
        self._click = on
        return window, prompts.clicked(window, on, negative, box, cells)

    def _looked_again(self, again: Again, size: int) -> tuple[Window, np.ndarray]:
        """The window around what was found, with what was found and the clicks, or another search with all clicks."""
        if again.searches:
            longest = longest_side(box_of(self._target))
            window = prompts.search_window(self._click.mean(0), longest, self._target.shape, size, self._rng)
            return window, prompts.clicked(window, self._click, self._off, None, size // 4)
        found = again.logits > 0
        shown = found.copy()
        x, y = np.rint(self._click).astype(int).T
        shown[y, x] = True
        window = self._around(shown, size)
        off = self._off if again.is_corrected else np.zeros((0, 2))
        given = prompts.followed(window, found.astype(np.float32), self._click, off, size // 4)
        if not again.is_corrected:
            given[MASK] = np.tanh(window.cut(again.logits, size // 4) / 2)
        return window, given

    def _followed(self, size: int) -> tuple[Window, np.ndarray]:
        """The object whose mask was carried here, with tracked points."""
        rng, labels = self._rng, self._labels[self._frame]
        carried = self._carry()
        on = carried > 0.5
        source = on if rng.random() < 0.6 or not self._target.any() else self._target
        points = np.zeros((0, 2))
        if rng.random() < 0.85:
            points = prompts.spread(source, rng, int(rng.integers(1, 9))) + rng.normal(0, 1.5, 2)
            if rng.random() < 0.12:
                points[0] += rng.normal(0, 0.25 * np.sqrt(np.count_nonzero(on)), 2)  # lost its object
        negative = prompts.off(labels, self._names, rng, 2) if rng.random() < 0.15 else np.zeros((0, 2))
        self._carried = carried
        window = self._around(on, size)
        return window, prompts.followed(window, carried, points, negative, size // 4)

    def _sought(self, size: int) -> tuple[Window, np.ndarray]:
        """A place that resembles the object, clicked: it may be another."""
        rng, labels = self._rng, self._labels[self._frame]
        self._is_sought = True
        others = [other for other in prompts.areas(labels) if other not in {*self._names, *self._twins}]
        if np.count_nonzero(self._target) >= prompts.LEAST_AREA and (rng.random() < 0.65 or not others):
            place = self._target
        elif others and rng.random() < 0.7:
            place = labels == others[int(rng.integers(len(others)))]
        else:
            place = ~np.isin(labels, [*self._names, VOID, *self._twins])
            place = place if place.any() else np.ones_like(place)
        part = prompts.largest_part(place)
        box = box_of(part)
        longest = min(longest_side(box), 0.5 * max(labels.shape))
        self._click = prompts.click_on(part, rng)[None]
        window = prompts.search_window(self._click[0], longest, labels.shape, size, rng)
        return window, prompts.clicked(window, self._click, np.zeros((0, 2)), None, size // 4)

    def _wants_search(self) -> bool:
        if self._is_part or not self._memories:
            return False
        return self._rng.random() < (0.5 if self._missed else self._habits.sought)

    def _around(self, mask: np.ndarray, size: int) -> Window:
        """A window around a mask (H, W) bool, not always quite as the segmenter's."""
        rng, box = self._rng, box_of(mask)
        longest = longest_side(box)
        centre = (box[:2] + box[2:]) / 2 + rng.normal(0, 0.03, 2) * longest
        return Window.centred(centre, longest * rng.uniform(1.35, 2.0), mask.shape, size)

    # How the mask gets to the next frame

    def _carry(self) -> np.ndarray:
        """(H, W) float32: the last mask moved to this frame, or something worse; never empty."""
        rng, labels = self._rng, self._labels[self._frame]
        names = [name for name in prompts.areas(labels) if name not in self._names]
        last = self._carried
        truth = self._target if np.count_nonzero(self._target) >= _LEAST else None
        if self._frame == 0 or (self._guided and truth is not None):
            others = np.isin(labels, names)
            assert truth is not None
            last = damaged(truth, others, rng)
        elif last is not None:
            before, now = (Frame(index, self._images[index]) for index in (self._frame - 1, self._frame))
            last = self._flow.propagate_mask(LocalMask.of(last), before, now).whole()
            if truth is not None and rng.random() < self._habits.damage:
                last = damaged(last > 0.5, np.isin(labels, names), rng) if (last > 0.5).any() else last
        if last is not None and np.count_nonzero(last > 0.5) >= _LEAST and rng.random() < self._habits.accident:
            other = [name for name in names if name not in self._twins]
            chosen = labels == other[int(rng.integers(len(other)))] if other else np.zeros_like(self._target)
            last = misplaced(last > 0.5, chosen, rng)
        if last is None or np.count_nonzero(last > 0.5) < _LEAST:
            fallback = truth if truth is not None else np.isin(labels, names[:1])
            if not fallback.any():
                fallback = np.zeros_like(self._target)
                height, width = fallback.shape
                fallback[height // 3 : height // 2, width // 3 : width // 2] = True
            last = damaged(fallback, np.zeros_like(fallback), rng)
            last = last if (last > 0.5).any() else fallback.astype(np.float32)
        return last

    # What the network made of it

    def take(self, logits: np.ndarray, score: float, shown: int) -> None:
        """Go on after a look.

        logits  (S / 2, S / 2) float32 of the mask that was found
        score   its predicted IoU
        shown   the step in which the network saw it
        """
        window, size = self._window, self._target.shape
        assert window is not None
        mask = window.paste(logits, size, -10.0)
        found = mask > 0
        is_mask = bool(np.count_nonzero(found) >= _LEAST)
        if (again := self._next_look(mask, is_mask)) is not None:
            self._again = again
            return
        self._again = None
        if self._frame == 0 and (self._guided or _iou(found, self._target) < _PROMISING or self._start == "mask"):
            found, is_mask, score = self._seed(), True, 1.0
        if self._is_sought and np.count_nonzero(found & self._target) < 0.3 * np.count_nonzero(found | self._target):
            is_mask = False  # the stream's own check refuses it
        if is_mask and score >= _ACCEPTED:
            self._missed = 0
            is_wrong = self._target.any() and _iou(found, self._target) < _PROMISING
            if is_wrong and self._rng.random() < self._habits.rescued:
                self._carried = lightly_damaged(self._target, self._rng)
            else:
                self._carried = found.astype(np.float32)
                self._remember(window, found, shown)
        else:
            self._missed += 1
        self._advance()

    @property
    def remembered(self) -> list[Remembered]:
        """What is remembered of the object, oldest first."""
        return self._memories

    @property
    def recalls(self) -> bool:
        """Whether the network is told what is remembered; not where clicks correct a mask: it may be of that mask."""
        return not (self._again and self._again.is_corrected)

    def _next_look(self, logits: np.ndarray, is_mask: bool) -> Again | None:
        """How the same frame is looked at once more, after logits (H, W) were found in it, or None."""
        found, rng, habits = logits > 0, self._rng, self._habits
        iou = _iou(found, self._target)
        is_start = self._is_first() and not self._is_part and is_mask
        is_start = is_start and (iou >= _PROMISING or rng.random() < 0.3)
        if is_start and (habits.refined == 1 or rng.random() < habits.refined):  # 1 needs no draw.
            return Again(logits)
        if self._is_part or self._is_sought or iou >= _GOOD or not self._target.any():
            return None
        starts_here = self._frame == 0 and self._start == "click"
        if rng.random() >= (habits.corrected if starts_here else habits.later):
            return None
        if self._frame and self._again is None:
            self._click = self._off = np.zeros((0, 2))
        return self._clicked_again(logits, is_mask) if len(self._click) + len(self._off) < _MOST_CLICKS else None

    def _clicked_again(self, logits: np.ndarray, is_mask: bool) -> Again | None:
        """Click where the mask is wrong, if it is; the object is searched anew where there is no mask to correct."""
        xy = prompts.correction(logits > 0, self._target, self._labels[self._frame] == VOID, self._rng)
        if xy is None:
            return None
        if self._target[int(xy[1]), int(xy[0])]:
            self._click = np.append(self._click, xy[None], 0)
        else:
            self._off = np.append(self._off, xy[None], 0)
        searches = len(self._click) > 0 and (not is_mask or self._rng.random() < 0.2)
        return Again(logits, is_corrected=True, searches=searches) if is_mask or searches else None

    def _seed(self) -> np.ndarray:
        """(H, W) bool: the mask that an object starts with, as a person or a program gives it."""
        if self._rng.random() < 0.5:
            return self._target
        rough = lightly_damaged(self._target, self._rng) > 0.5
        return rough if rough.any() else self._target

    def _remember(self, window: Window, mask: np.ndarray, shown: int) -> None:
        """Remember the first mask for good, and the latest of the others."""
        if self._memories and self._rng.random() < 0.3:
            return
        inside = mask
        if self._guided and self._frame:
            inside = lightly_damaged(self._target, self._rng) > 0.5 if self._target.any() else mask
        self._memories.append(Remembered(shown, window.cut(inside)))
        if len(self._memories) > CAPACITY:
            del self._memories[1]

    def _advance(self) -> None:
        """On to the next frame, if there is one of which the truth is known."""
        self._frame += 1
        if self._frame >= len(self._images) or self._is_part:
            self.done = True
            return
        self._target = np.isin(self._labels[self._frame], self._names)
        if not self._complete and not self._target.any():
            self.done = True


def _iou(mask: np.ndarray, truth: np.ndarray) -> float:
    union = np.count_nonzero(mask | truth)
    return np.count_nonzero(mask & truth) / union if union else 0.0


def chosen_object(labels: np.ndarray, rng: np.random.Generator) -> tuple[int, ...]:
    """The ids of an object of a label image (H, W) uint8 to follow, rather a large one; empty if there is none.

    Sometimes two that touch are one, as a rider and a bicycle.
    """
    found = prompts.areas(labels)
    if not found:
        return ()
    weights = np.sqrt(np.minimum(np.array(list(found.values()), float), 0.08 * labels.size))
    name = int(rng.choice(list(found), p=weights / weights.sum()))
    if rng.random() > 0.1:
        return (name,)
    rim = cv2.dilate((labels == name).view(np.uint8), np.ones((5, 5), np.uint8)) > 0
    touched = np.bincount(labels[rim], minlength=256)
    others = [other for other in found if other != name and touched[other] > 10]
    return (name, others[int(rng.integers(len(others)))]) if others else (name,)


def mirrored(sequence: Sequence) -> Sequence:
    """The sequence as a mirror shows it."""
    images, labels = (
        [np.ascontiguousarray(each[:, ::-1]) for each in part] for part in (sequence.images, sequence.labels)
    )
    return sequence._replace(images=images, labels=labels)


def drawn_frames(count: int, rng: np.random.Generator) -> list[int]:
    """Which of `count` frames are shown, in which order: mostly all from somewhere on, sometimes every second."""
    step = min(int(rng.choice([1, 2, 3], p=[0.8, 0.15, 0.05])), count)
    frames = list(range(int(rng.integers(step)), count, step))
    if rng.random() < 0.5:
        frames.reverse()
    longest = int(rng.integers(min(3, count), count + 1))
    first = int(rng.integers(max(1, len(frames) - longest + 1)))
    return frames[first : first + longest]
