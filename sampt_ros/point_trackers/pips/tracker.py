"""Persistent independent particles (PIPS; Harley et al., ECCV 2022) as a causal stream of chained windows."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from itertools import count

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sampt_ros.config.point_trackers import PipsConfig
from sampt_ros.data_types import Frame, LocalMask
from sampt_ros.point_trackers.base import PointTracker, Tracks, inside, moved_by_points
from sampt_ros.point_trackers.pips.network import Pips
from sampt_ros.utils.cuda_graphs import Graphed, rounded
from sampt_ros.utils.torch_device import (
    SideStream,
    downloaded,
    padded,
    staged,
    torch_device,
    torch_precision,
    uploaded,
)
from sampt_ros.weights.loading import read_weights

_VISIBLE = 0.5
_SPARE_SLOTS = 2  # Frames whose maps have room in the store besides those of one window.
_RESTART, _LOWER = 0.9, 0.02  # how visible a point must be to start a new window, and by how much the bar is lowered


class PipsTracker(PointTracker):
    """Every point has a window: its frames from where the window began to the newest, which fills the places left.

    The positions in the newest frame are those of the windows as they are. A full window is chained: the next one
    begins at the last of its frames where the point is clearly visible, and keeps the feature of the query.
    """

    carries_masks = True

    def __init__(self, network: Pips, config: PipsConfig | None = None, device: str = "auto") -> None:
        self._config = config or PipsConfig()
        self._device = torch_device(device)
        self._network = network.to(self._device).eval()
        self._network.lower_precision(torch_precision(self._config.precision, self._device, "float16"))
        if self._device.type == "cuda":  # Its convolutions are faster in this layout.
            self._network.fnet.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._maps = _Maps(self._network, self._device)
        self._move_graphed = Graphed(self._move, self._device, allow_tf32=True)
        # Many small kernels, each of which would otherwise wait for a large one of the segmenter's encoder.
        self._stream = SideStream(self._device, urgent=True)
        self.reset()

    @classmethod
    def from_checkpoint(cls, config: PipsConfig, device: str = "auto") -> PipsTracker:
        """The network with the weights of `config.checkpoint`; raises CheckpointError."""
        network = Pips()
        weights = read_weights(
            "pips.checkpoint", config.checkpoint, "pips", network.state_dict(), entry="model_state_dict"
        )
        network.load_state_dict(weights)
        return cls(network, config, device)

    def reset(self) -> None:
        self._maps.keep([])
        self._recent: list[int] = []  # the stream's last frames, a window of them
        self._points = _Points.start([], np.zeros((0, 2)), torch.zeros(0, 0, device=self._device), 0, 0)
        # All points, also those removed since, on the last two frames.
        self._last: deque[tuple[Frame, Tracks]] = deque(maxlen=2)

    def add(self, ids: np.ndarray, xy: np.ndarray, frames: Sequence[Frame]) -> Tracks:
        tracks = Tracks.start(ids, xy)
        if len(tracks) == 0:
            return tracks
        with torch.inference_mode(), self._stream():
            return self._add(tracks, frames)

    def _add(self, tracks: Tracks, frames: Sequence[Frame]) -> Tracks:
        numbers = [self._maps.number(frame) for frame in frames]
        slots = self._maps.slots(np.full(len(tracks), numbers[0]))
        xy = uploaded(tracks.xy, self._device)
        feature = self._network.feature(*self._maps.stored, uploaded(slots, self._device), xy)
        points = _Points.start(tracks.id, tracks.xy, feature, numbers[0], self._network.window)
        for position, number in enumerate(numbers[1:], 2):
            points = points.onto(number)
            newest = position == len(numbers)
            rows = np.flatnonzero(points.full | newest)  # other windows would change nothing
            if len(rows):
                tracks, moved = self._followed(points.at(rows), frames[-1])
                points = moved if newest else points.with_rows(rows, moved)
                self._maps.keep([*self._recent, *self._points.frames, *points.frames, *numbers[position:]])
        self._points = self._points + points if len(self._points) else points
        if self._last:
            frame, others = self._last[-1]
            self._last[-1] = frame, others + tracks
        return tracks

    def remove(self, ids: np.ndarray) -> None:
        self._points = self._points.at(np.flatnonzero(~np.isin(self._points.id, ids)))

    def update(self, frame: Frame) -> Tracks:
        with torch.inference_mode(), self._stream():
            return self._update(frame)

    def _update(self, frame: Frame) -> Tracks:
        number = self._maps.new_number(frame)
        tracks = Tracks.start(np.zeros(0), np.zeros((0, 2)))
        if len(self._points):
            tracks, self._points = self._followed(self._points.onto(number), frame)
        self._recent = [*self._recent, number][-self._network.window :]
        self._maps.keep([*self._recent, *self._points.frames])
        self._last.append((frame, tracks))
        return tracks

    def propagate_mask(self, mask: LocalMask, previous: Frame, current: Frame, among: int = 1) -> LocalMask | None:
        """Move a mask as the points in it moved; None between other frames than the last two, or without points."""
        if [frame for frame, _ in self._last] != [previous, current]:
            return None
        before, after = (tracks for _, tracks in self._last)
        _, rows, rows_after = np.intersect1d(before.id, after.id, return_indices=True)
        start, moved = before.at(rows), after.at(rows_after)
        whole = mask.soft()
        x, y = np.clip(np.rint(start.xy).astype(int), 0, [whole.shape[1] - 1, whole.shape[0] - 1]).T
        chosen = start.visible & moved.visible & (whole[y, x] > 0.5)
        if not chosen.any():
            return None
        propagated = moved_by_points(whole, start.xy[chosen], moved.xy[chosen])
        return None if propagated is None else LocalMask.of(propagated)

    def _followed(self, points: _Points, newest: Frame) -> tuple[Tracks, _Points]:
        """The points in the newest frames of their windows, and the points with full windows chained."""
        slots, start_xy, feature = self._maps.slots(points.windows), points.start_xy, points.feature
        if self._device.type == "cuda":  # So that recordings for few numbers of points suffice.
            count = rounded(len(points))
            slots, start_xy = padded(slots, count), padded(start_xy, count)
            feature = functional.pad(feature, (0, 0, 0, count - len(points)))
        inputs = staged(slots, self._device), staged(start_xy, self._device), feature
        xy, visibility = downloaded(*self._move_graphed(*inputs, resident=self._maps.stored))
        xy, visibility = xy[:, : len(points)], visibility[:, : len(points)]
        rows = np.arange(len(points))
        newest_xy, confidence = xy[points.age, rows], visibility[points.age, rows]
        within = inside(newest_xy, newest)
        tracks = Tracks(points.id, newest_xy, (confidence > _VISIBLE) & within, confidence * within)
        return tracks, points.chained(np.where(points.full, restart(visibility), 0), xy)

    def _move(
        self, windows: Tensor, start_xy: Tensor, feature: Tensor, maps: Tensor, levels: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Positions (window, N, 2) of points in their windows' frames, pixels, and visibility (window, N) 0..1."""
        trajectory, logits = self._network.follow(maps, levels, windows, start_xy, feature, self._config.iterations)
        return trajectory[-1], logits.sigmoid()


def restart(visibility: np.ndarray) -> np.ndarray:
    """(N,) int: where in its window each point's next one begins, by visibility (window, N) in 0..1.

    The last frame over the bar, or over the first lower one that any frame is over; never the window's first frame,
    which would lead nowhere.
    """
    bars = np.arange(_RESTART, -2 * _LOWER, -_LOWER)  # down to where any frame is over
    over = visibility[1:, :, None] > bars
    bar = over.any(0).argmax(-1)
    from_last = np.take_along_axis(over, bar[None, :, None], -1)[::-1, :, 0].argmax(0)
    return len(visibility) - 1 - from_last


@dataclass(frozen=True, eq=False)
class _Points:
    """N points and their windows.

    id        (N,) uint32
    start_xy  (N, 2) float32, pixels in the window's first frame
    feature   (N, 128), of the query, on the network's device
    windows   (N, window) int, numbers of frames; the newest fills the places left
    age       (N,) int, the newest frame's place in the window
    """

    id: np.ndarray
    start_xy: np.ndarray
    feature: Tensor
    windows: np.ndarray
    age: np.ndarray

    @classmethod
    def start(
        cls, ids: Sequence[int] | np.ndarray, xy: np.ndarray, feature: Tensor, frame: int, window: int
    ) -> _Points:
        """Points on the frame they were queried in."""
        shape = (len(ids), window)
        return cls(np.asarray(ids, np.uint32), xy, feature, np.full(shape, frame), np.zeros(len(ids), int))

    def __len__(self) -> int:
        return len(self.id)

    def __add__(self, other: _Points) -> _Points:
        pairs = {item.name: (getattr(self, item.name), getattr(other, item.name)) for item in fields(self)}
        feature = torch.cat(pairs.pop("feature"))
        return _Points(**{name: np.concatenate(pair) for name, pair in pairs.items()}, feature=feature)

    @property
    def full(self) -> np.ndarray:
        """(N,) bool: whose windows have no place left."""
        return self.age == self.windows.shape[1] - 1

    @property
    def frames(self) -> list[int]:
        """The numbers of all frames in the windows."""
        return np.unique(self.windows).tolist()

    def at(self, rows: np.ndarray) -> _Points:
        """Some of the points."""
        return _Points(*(getattr(self, item.name)[rows] for item in fields(self)))

    def with_rows(self, rows: np.ndarray, other: _Points) -> _Points:
        """These points with the windows of some of them replaced."""
        changed = {name: getattr(self, name).copy() for name in ("start_xy", "windows", "age")}
        for name, values in changed.items():
            values[rows] = getattr(other, name)
        return replace(self, **changed)

    def onto(self, frame: int) -> _Points:
        """The points with one more frame in their windows."""
        age = self.age + 1
        later = np.arange(self.windows.shape[1]) >= age[:, None]
        return replace(self, windows=np.where(later, frame, self.windows), age=age)

    def chained(self, places: np.ndarray, xy: np.ndarray) -> _Points:
        """Each point's window begun anew at a place (N,) in it; xy (window, N, 2) is where the points are in it."""
        last = self.windows.shape[1] - 1
        kept = np.minimum(np.arange(last + 1) + places[:, None], last)
        return replace(
            self,
            start_xy=np.where(places[:, None] > 0, xy[places, np.arange(len(self))], self.start_xy),
            windows=np.take_along_axis(self.windows, kept, 1),
            age=self.age - places,
        )


class _Maps:
    """The network's maps of numbered frames: each is made once, when a window first needs it, and has its own slot."""

    def __init__(self, network: Pips, device: torch.device) -> None:
        self._network = network
        self._device = device
        self._encode = Graphed(lambda image: (network.encode(image[None])[0],), device)
        self._count = count()
        self._frames: dict[int, Frame] = {}
        self._slots: dict[int, int] = {}  # Number of a frame -> its slot in the store.
        # The maps of all slots (slots, pixels, 128), and their levels; see Pips.encode. Without slots before a frame.
        self.stored = torch.zeros(0, 0, 0), torch.zeros(0, 3)
        self._size: tuple[int, int] | None = None  # (height, width) of the frames in the store.

    def new_number(self, frame: Frame) -> int:
        """The number of a frame not seen before."""
        number = next(self._count)
        self._frames[number] = frame
        return number

    def number(self, frame: Frame) -> int:
        """The number of a frame: the newest that is this very object, or a new one."""
        known = (number for number in sorted(self._frames, reverse=True) if self._frames[number] is frame)
        found = next(known, None)
        return self.new_number(frame) if found is None else found

    def slots(self, numbers: np.ndarray) -> np.ndarray:
        """The slots of frames, in an array of the same shape; maps that are not there yet are made."""
        known, rows = np.unique(numbers, return_inverse=True)
        for number in known.tolist():
            if number not in self._slots:
                self._slots[number] = self._put(self._frames[number])
        return np.array([self._slots[number] for number in known.tolist()])[rows.reshape(numbers.shape)]

    def _put(self, frame: Frame) -> int:
        """Encode a frame and store its maps; returns their slot."""
        (maps,) = self._encode(staged(frame.image, self._device))
        if frame.size != self._size:
            levels = uploaded(self._network.levels(frame.size).numpy(), self._device)
            store = maps.new_empty(self._network.window + _SPARE_SLOTS, *maps.shape)
            self.stored, self._size = (store, levels), frame.size
        store, levels = self.stored
        slot = next(slot for slot in count() if slot not in self._slots.values())
        if slot == len(store):
            store = torch.cat([store, torch.empty_like(store)])
            self.stored = store, levels
        store[slot] = maps
        return slot

    def keep(self, numbers: Iterable[int]) -> None:
        """Forget all other frames."""
        wanted = set(numbers)
        self._frames = {number: frame for number, frame in self._frames.items() if number in wanted}
        self._slots = {number: slot for number, slot in self._slots.items() if number in wanted}
