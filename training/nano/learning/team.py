"""Followers in processes of their own: while the network computes for one group, the other one makes its next looks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.multiprocessing import get_context

from sampt_ros.segmenters.nano.interface import PROMPT_CHANNELS
from training.nano.learning.follower import Follower, Look
from training.nano.learning.library import Library
from training.nano.learning.parts import Part

GROUPS = 2  # of followers, which take turns


class Glance(NamedTuple):
    """What there is to know of a follower's look, besides the arrays.

    first       whether the object is clicked, with no mask and no memory
    beyond      pixels of the truth that the window does not show
    remembered  the steps of the looks that are remembered of the object, oldest first
    is_recalled whether the network is to be told of them
    mask        (S, S) uint8 0..255 of the object in the look before, if that is remembered from now on
    """

    first: bool
    beyond: float
    remembered: tuple[int, ...]
    is_recalled: bool
    mask: np.ndarray | None


class Turn(NamedTuple):
    """The looks of a group's B followers, valid until the group is called again.

    See Look for the arrays, of which each has B rows, and Glance.
    """

    group: int
    windows: Tensor
    prompts: Tensor
    truth: Tensor
    known: Tensor
    glances: list[Glance]


class Board:
    """Memory that all processes see: what a group's followers show the network, and what it answers."""

    def __init__(self, rows: int, largest: int) -> None:
        """rows: followers of the group; largest: pixels of the largest window"""
        half = rows * (largest // 2) ** 2
        self._rows = rows
        self._windows = torch.zeros(rows * largest**2 * 3, dtype=torch.uint8).share_memory_()
        self._prompts = torch.zeros(rows * PROMPT_CHANNELS * (largest // 4) ** 2).share_memory_()
        self._truth, self._known, self._logits = (torch.zeros(half).share_memory_() for _ in range(3))

    def shown(self, size: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Windows, prompts, truth and known of looks of this size, to be read and written."""
        cells, half = size // 4, size // 2
        return (
            _shaped(self._windows, self._rows, size, size, 3),
            _shaped(self._prompts, self._rows, PROMPT_CHANNELS, cells, cells),
            _shaped(self._truth, self._rows, half, half),
            _shaped(self._known, self._rows, half, half),
        )

    def answers(self, size: int) -> Tensor:
        """The masks' logits (B, size / 2, size / 2) float32, to be read and written."""
        return _shaped(self._logits, self._rows, size // 2, size // 2)


def _shaped(memory: Tensor, *shape: int) -> Tensor:
    return memory[: math.prod(shape)].view(shape)


@dataclass(frozen=True)
class _Start:
    """Everybody starts anew; see Library.follower."""

    seed: list[int]
    guided: float
    part: Part


@dataclass(frozen=True)
class _Call:
    """A group is to show its next looks; scores: of those of step `shown`, whose logits are on the board."""

    group: int
    size: int
    shown: int
    scores: list[float] | None


class Team:
    """GROUPS groups of followers, spread over processes; `close` it in the end."""

    def __init__(self, library: Path, rows: int, largest: int, workers: int) -> None:
        """Start the processes.

        library  folder of sequences
        rows     followers of each group
        largest  pixels of the largest window
        workers  number of processes; what the followers do does not depend on it
        """
        context = get_context("spawn")  # Forked processes could hang, because OpenCV's threads have been running.
        self._boards = [Board(rows, largest) for _ in range(GROUPS)]
        self._sizes: dict[int, int] = {}  # of the looks that a group has been asked for
        self._shares = [range(rows)[index::workers] for index in range(min(workers, rows))]
        self._rows = rows
        self._processes, self._lines = [], []
        for share in self._shares:
            line, other = context.Pipe()
            process = context.Process(target=_work, args=(other, self._boards, share, library), daemon=True)
            process.start()
            other.close()  # Else a process that died would go unnoticed.
            self._processes.append(process)
            self._lines.append(line)

    def start(self, seed: list[int], guided: float, part: Part) -> None:
        """Begin anew, with other followers for each seed; see Library.follower."""
        for group in list(self._sizes):
            self.turn(group)
        for line in self._lines:
            _send(line, _Start(seed, guided, part))

    def call(
        self, group: int, size: int, shown: int = 0, answers: Tensor | None = None, scores: Sequence[float] = ()
    ) -> None:
        """Let a group make its next looks, in windows of `size` pixels.

        shown    the step of its looks before
        answers  logits (B, S / 2, S / 2) of the masks that the network found in them, or None for the first looks
        scores   B predicted IoUs of these
        """
        if answers is not None:
            self._boards[group].answers(2 * answers.shape[-1]).copy_(answers)
        self._sizes[group] = size
        for line, share in zip(self._lines, self._shares):
            mine = [scores[row] for row in share] if answers is not None else None
            _send(line, _Call(group, size, shown, mine))

    def turn(self, group: int) -> Turn:
        """The looks that the group was asked for, as soon as they are there. Raises what a process has raised."""
        glances: list[Any] = [None] * self._rows
        for line, share in zip(self._lines, self._shares):
            try:
                answer = line.recv()
            except (EOFError, ConnectionError):
                raise RuntimeError("a process that prepares samples has died, perhaps for lack of memory") from None
            if isinstance(answer, Exception):
                raise answer
            for row, glance in zip(share, answer):
                glances[row] = glance
        return Turn(group, *self._boards[group].shown(self._sizes.pop(group)), glances)

    def close(self) -> None:
        """End the processes."""
        for line, process in zip(self._lines, self._processes):
            line.close()
            process.join(5)
            process.kill()


def _send(line: Connection, message: Any) -> None:
    try:
        line.send(message)
    except ConnectionError:
        raise RuntimeError("a process that prepares samples has died, perhaps for lack of memory") from None


class _Crew:
    """Some rows of a group; a follower that is done is relieved by a new one."""

    def __init__(self, library: Library, start: _Start, group: int, rows: range, board: Board) -> None:
        self._library, self._start, self._group, self._rows, self._board = library, start, group, rows, board
        self._hired = dict.fromkeys(rows, 0)
        self._followers = {row: self._hire(row) for row in rows}
        self._size = 0

    def answer(self, call: _Call) -> list[Glance]:
        """Take what the network found, and write the next looks on the board."""
        if call.scores is not None:
            logits = self._board.answers(self._size).numpy()
            for row, score in zip(self._rows, call.scores):
                self._followers[row].take(logits[row].copy(), score, call.shown)
                if self._followers[row].done:
                    self._followers[row] = self._hire(row)
        self._size = call.size
        shown = [each.numpy() for each in self._board.shown(call.size)]
        return [self._glance(row, call, shown) for row in self._rows]

    def _glance(self, row: int, call: _Call, shown: list[np.ndarray]) -> Glance:
        follower = self._followers[row]
        look: Look = follower.look(call.size)
        for place, values in zip(shown, look):
            place[row] = values
        remembered = follower.remembered
        is_new = bool(remembered) and remembered[-1].shown == call.shown and call.scores is not None
        mask = np.rint(255 * remembered[-1].mask).astype(np.uint8) if is_new else None
        steps = tuple(entry.shown for entry in remembered)
        return Glance(look.first, look.beyond, steps, follower.recalls, mask)

    def _hire(self, row: int) -> Follower:
        self._hired[row] += 1
        seed = [*self._start.seed, self._group, row, self._hired[row]]
        return self._library.follower(seed, self._start.guided, self._start.part)


def _work(line: Connection, boards: list[Board], rows: range, folder: Path) -> None:
    """What a process does until the line is closed."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    library, crews = Library(folder), list[_Crew]()
    with suppress(EOFError, ConnectionError):
        while True:
            message = line.recv()
            try:
                if isinstance(message, _Start):
                    crews = [_Crew(library, message, group, rows, board) for group, board in enumerate(boards)]
                else:
                    line.send(crews[message.group].answer(message))
            except ConnectionError:
                raise
            except Exception as error:  # Raised again where the looks are waited for.
                line.send(error)
