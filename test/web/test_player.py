"""A video played as a live stream, and clicked in."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import pytest
from fakes import DriftingTracker, SquareSegmenter

from sampt_ros.config.core import SamPtConfig
from sampt_ros.data_types import ObjectState
from sampt_ros.errors import SourceError
from sampt_ros.io.video import FrameSource
from sampt_ros.streaming.failures import Attempt
from sampt_ros.streaming.live.view import View
from sampt_ros.streaming.requests import Action, Reference, Request
from sampt_ros.tracking.sam_pt import SamPt
from sampt_ros.web.player import Player

PATIENCE = 20.0  # seconds, for a machine that does a lot besides


class Clip(FrameSource):
    """Images that are all grey, frame n in the shade 10 * n, and black again after 25."""

    def __init__(self, length: int = 3, fps: float = 100.0, is_live: bool = False, error: Exception | None = None):
        self.length, self.fps, self.is_live, self.error = length, fps, is_live, error
        self.size = (48, 64)

    def __iter__(self) -> Iterator[np.ndarray]:
        for number in range(self.length):
            if self.is_live:
                time.sleep(1 / self.fps)
            yield np.full((*self.size, 3), 10 * (number % 25), np.uint8)
        if self.error:
            raise self.error


class Audience:
    """Remembers the views it was shown, and what came of what it asked for."""

    def __init__(self, player: Player) -> None:
        self.player = player
        self.views: list[View] = []
        self.attempts: list[Attempt] = []
        player.watch(self.views.append)

    def ask(self, **request: Any) -> Attempt:
        count = len(self.attempts)
        self.player.ask(Request(**request), self.attempts.append)
        wait_until(lambda: len(self.attempts) > count)
        return self.attempts[-1]

    def click(self, x: float = 20, y: float = 20) -> Attempt:
        point = {"points": np.array([(x, y)], np.float32), "labels": np.array([1], np.uint8)}
        return self.ask(stamp_ns=self.views[-1].stamp_ns, **point)


def wait_until(is_so: Callable[[], Any]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


@contextmanager
def playing(source: FrameSource, **options: Any) -> Iterator[Audience]:
    config = SamPtConfig(segmenter="grabcut", point_tracker="lucas_kanade")
    sam_pt = SamPt(config, SquareSegmenter(), DriftingTracker((0, 0)))
    with Player(source, sam_pt, "clip", "none", **options) as player:
        audience = Audience(player)
        wait_until(lambda: audience.views)
        yield audience


def shades(audience: Audience) -> list[int]:
    return [int(view.image[0, 0, 0]) for view in audience.views]


def test_frames_come_at_the_sources_rate_and_their_stamps_rise():
    with playing(Clip(length=1000, fps=50.0)) as audience:
        start, count = time.monotonic(), len(audience.views)
        time.sleep(0.5)
        seconds, views = time.monotonic() - start, len(audience.views) - count
    assert views <= 50 * seconds + 3
    stamps = [view.stamp_ns for view in audience.views]
    assert stamps == sorted(stamps)


def test_a_video_starts_again_after_its_last_frame():
    with playing(Clip(length=3)) as audience:
        wait_until(lambda: shades(audience).count(0) >= 3)
        assert audience.player.condition().well


def test_with_loop_off_it_ends_and_clicks_are_still_answered():
    with playing(Clip(length=3), loop=False) as audience:
        wait_until(lambda: audience.player.condition().message == "the video has ended")
        assert not audience.player.condition().well
        assert audience.click().error is None
        assert [item.id for item in audience.views[-1].result.objects] == [1]


def test_a_source_that_fails_is_told_and_ends_nothing_else():
    with playing(Clip(length=2, error=SourceError("expected a good file"))) as audience:
        wait_until(lambda: audience.player.condition().message == "expected a good file")
        assert audience.click().error is None


def test_a_click_is_answered_and_shown():
    with playing(Clip(length=1000, fps=50.0)) as audience:
        attempt = audience.click()
        assert attempt.answer.object.state is ObjectState.TRACKING
        assert attempt.answer.object_id == attempt.answer.object.id == 1
        wait_until(lambda: audience.views[-1].result.objects)
        assert audience.views[-1].result.objects[0].mask[20, 20]
        assert audience.player.condition().message == "tracking; objects: 1"


def test_a_query_that_makes_no_sense_is_refused_with_a_reason():
    with playing(Clip()) as audience:
        attempt = audience.ask(action=Action.REMOVE, object_id=9)
        assert "9" in attempt.reason
        assert audience.player.condition().values["queries_refused"] == "1"


@pytest.mark.parametrize("is_live", [False, True])
def test_a_pause_holds_the_picture_and_clicks_are_shown_on_it(is_live):
    with playing(Clip(length=1000, fps=50.0, is_live=is_live)) as audience:
        audience.player.pause(True, audience.attempts.append)
        time.sleep(0.3)
        held, count = audience.views[-1], len(audience.views)
        assert audience.player.condition().paused
        audience.click()
        wait_until(lambda: len(audience.views) > count)
        assert audience.views[-1].stamp_ns == held.stamp_ns
        assert [item.id for item in audience.views[-1].result.objects] == [1]
        audience.ask(action=Action.REMOVE, object_id=1)
        wait_until(lambda: not audience.views[-1].result.objects)
        audience.player.pause(False, audience.attempts.append)
        wait_until(lambda: audience.views[-1].stamp_ns > held.stamp_ns)


def test_after_a_reset_while_it_is_paused_clicks_start_objects_anew():
    with playing(Clip(length=1000, fps=50.0)) as audience:
        audience.player.pause(True, audience.attempts.append)
        time.sleep(0.2)
        audience.click()
        audience.player.reset(audience.attempts.append)
        wait_until(lambda: not audience.views[-1].result.objects)
        wait_until(lambda: len(audience.attempts) == 3)
        assert [attempt.answer.text for attempt in audience.attempts[::2]] == ["paused", "all objects are dropped"]
        wait_until(lambda: audience.player.condition().message == "paused")
        count = len(audience.views)
        wait_until(lambda: len(audience.views) >= count and audience.click(30, 30).error is None)
        assert [item.id for item in audience.views[-1].result.objects] == [1]


def test_a_reference_is_taken():
    image = np.zeros((48, 64, 3), np.uint8)
    image[10:20, 10:20] = 200
    with playing(Clip(length=1000, fps=50.0)) as audience:
        audience.player.refer(Reference(image, image[..., 0] > 0, 5), audience.attempts.append)
        wait_until(lambda: audience.attempts)
        assert audience.attempts[0].error is None
        wait_until(lambda: [item.id for item in audience.views[-1].result.objects] == [5])


def test_pictures_of_new_objects_and_clicks_at_the_same_time_start_an_object_each():
    with playing(Clip(length=1000, fps=50.0)) as audience:
        for edge in (10, 30):
            image = np.zeros((48, 64, 3), np.uint8)
            image[10:20, edge : edge + 10] = 200
            audience.player.refer(Reference(image, image[..., 0] > 0, 0), audience.attempts.append)
        click = Request(points=np.array([(20, 20)], np.float32), labels=np.array([1], np.uint8))
        audience.player.ask(click, audience.attempts.append)
        wait_until(lambda: len(audience.attempts) == 3)
        assert [attempt.answer.object.id for attempt in audience.attempts] == [1, 2, 3]
        wait_until(lambda: [item.id for item in audience.views[-1].result.objects] == [1, 2, 3])


def test_objects_of_a_failed_frame_are_still_there():
    class Failing(SquareSegmenter):
        fails = False

        def encode(self, frame):
            if self.fails:
                raise RuntimeError("a fault")
            return super().encode(frame)

    segmenter = Failing()
    config = SamPtConfig(segmenter="grabcut", point_tracker="lucas_kanade")
    with Player(Clip(length=1000, fps=50.0), SamPt(config, segmenter, DriftingTracker((0, 0)))) as player:
        audience = Audience(player)
        wait_until(lambda: audience.views)
        audience.click()
        segmenter.fails = True
        wait_until(lambda: player.statistics["frames_rejected"] > 3)
        view = audience.views[-1]
        assert {item.id for item in view.result.objects} | view.others == {1}


def test_a_slow_tracker_drops_frames_and_counts_them():
    gate = threading.Event()

    class Slow(SquareSegmenter):
        def encode(self, frame):
            gate.wait(0.1)
            return super().encode(frame)

    config = SamPtConfig(segmenter="grabcut", point_tracker="lucas_kanade")
    with Player(Clip(length=1000), SamPt(config, Slow(), DriftingTracker((0, 0)))) as player:
        audience = Audience(player)
        wait_until(lambda: audience.views)
        audience.click()
        wait_until(lambda: player.statistics["frames_dropped"] > 3)
        gate.set()


def test_a_crowd_at_the_door_does_not_stop_tracking():
    """A real server before a real stream: a thousand sockets, a foreign Origin, nonsense; the stream goes on."""
    pytest.importorskip("aiohttp", reason="aiohttp is missing: pip install aiohttp")
    from web_helpers import refusal, served

    with playing(Clip(length=1000, fps=50.0)) as audience, served(audience.player) as server:
        audience.click()
        port = int(server.url.rsplit(":", 1)[1].strip("/"))
        crowd = [socket.create_connection(("127.0.0.1", port), PATIENCE) for _ in range(1000)]
        with suppress(OSError):
            crowd[0].sendall(b"GET /watch HTTP/1.1\r\nHost: [\r\n\r\n\x00\xff nonsense")
        before = audience.player.statistics["frames_tracked"]
        wait_until(lambda: audience.player.statistics["frames_tracked"] > before + 10)
        for one in crowd:
            one.close()
        wait_until(lambda: refusal_or_none(server, refusal) == 403)
        assert audience.player.condition().message == "tracking; objects: 1"
        assert audience.player.statistics["tasks_failed"] == 0


def refusal_or_none(server: Any, refusal: Callable[..., int]) -> int | None:
    """How a page from elsewhere is refused; None while the crowd is still at the door."""
    try:
        return refusal(server, origin="http://elsewhere.example")
    except Exception as error:
        assert "aiohttp" in type(error).__module__ or isinstance(error, OSError)
        return None


def test_clicks_that_come_faster_than_they_are_worked_on_are_refused_and_a_reset_is_not():
    gate = threading.Event()

    class Slow(SquareSegmenter):
        def encode(self, frame):
            gate.wait(PATIENCE)
            return super().encode(frame)

    config = SamPtConfig(segmenter="grabcut", point_tracker="lucas_kanade")
    attempts: list[Attempt] = []
    with Player(Clip(length=1000), SamPt(config, Slow(), DriftingTracker((0, 0)))) as player:
        audience = Audience(player)
        wait_until(lambda: audience.views)
        request = Request(points=np.array([(20, 20)], np.float32), labels=np.array([1]))
        for _ in range(80):
            player.ask(request, attempts.append)
        refused = [attempt.reason for attempt in attempts]
        assert 80 - 8 - config.max_objects <= len(refused) <= 80 - 8
        assert set(refused) == {"expected fewer clicks at a time; 8 are still waiting"}
        player.reset(attempts.append)
        gate.set()
        wait_until(lambda: player.statistics["frames_tracked"] > 20 and not audience.views[-1].result.objects)


def test_a_reset_that_fails_or_is_not_carried_out_any_more_is_told(monkeypatch):
    attempts: list[Attempt] = []
    with playing(Clip(length=1000, fps=50.0)) as audience:
        monkeypatch.setattr(audience.player._stream.session, "reset", lambda: 1 / 0)
        audience.player.reset(attempts.append)
        wait_until(lambda: attempts)
    audience.player.reset(attempts.append)
    assert [attempt.reason for attempt in attempts] == [
        "ZeroDivisionError: division by zero",
        "expected an active node; it stopped before this was done",
    ]


def test_nobody_who_looks_is_shown_nothing():
    with playing(Clip(length=1000, fps=50.0)) as audience:
        audience.player.watch(None)
        time.sleep(0.1)
        count = len(audience.views)
        before = audience.player.statistics["frames_tracked"]
        wait_until(lambda: audience.player.statistics["frames_tracked"] > before + 3)
        assert len(audience.views) == count
