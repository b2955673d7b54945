"""The page in a real browser, with the demo's video, and a person in front of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("aiohttp", reason="aiohttp is missing: pip install aiohttp")
pytest.importorskip("playwright.sync_api", reason="playwright is missing: pip install playwright")

from sampt_ros.io.video import FrameSource, open_source
from sampt_ros.web.packets import split

DEMO = Path(__file__).resolve().parents[2] / "examples/demo"
if not DEMO.is_dir():
    pytest.skip("the demo's video is not part of an installed package", allow_module_level=True)

PATIENCE = 60.0  # seconds, for a machine that does a lot besides
CAN, MUG, TABLE = (464, 282), (283, 252), (60, 440)  # pixels of the first frame


class PatientVideo(FrameSource):
    """The demo's video, slowed down: a frame comes when the one before it was tracked, however slow the machine is."""

    def __init__(self) -> None:
        self._video = open_source(str(DEMO / "tabletop.mp4"))
        self.fps, self.size, self.length = 10.0, self._video.size, self._video.length
        self.is_due: Callable[[], bool] = lambda: True

    def __iter__(self) -> Iterator[np.ndarray]:
        for image in self._video:
            deadline = time.monotonic() + 5
            while not self.is_due() and time.monotonic() < deadline:
                time.sleep(0.01)
            yield image


def wait_until(is_so: Callable[[], Any], patience: float = PATIENCE) -> None:
    deadline = time.monotonic() + patience
    while not is_so():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


class Person:
    """Somebody in front of the page."""

    def __init__(self, page: Any, url: str) -> None:
        self.page = page
        self.frame: dict[str, Any] = {"objects": []}  # the newest that the page was sent
        self.picture = b""
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: message.type == "error" and self.errors.append(message.text))
        page.on("websocket", lambda socket: socket.on("framereceived", self._receive))
        page.goto(url)
        page.wait_for_selector("#waiting", state="hidden", timeout=1000 * PATIENCE)

    def _receive(self, message: str | bytes) -> None:
        if isinstance(message, bytes):
            self.frame, self.picture = split(message)

    def place(self, pixel: tuple[float, float]) -> tuple[float, float]:
        """Where a pixel of the camera's image is in the window."""
        box = self.page.locator("#picture").bounding_box()
        scale = box["width"] / self.frame["width"]
        return box["x"] + (pixel[0] + 0.5) * scale, box["y"] + (pixel[1] + 0.5) * scale

    def click(self, pixel: tuple[float, float], **options: Any) -> None:
        self.page.mouse.click(*self.place(pixel), **options)

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        self.page.mouse.move(*self.place(start))
        self.page.mouse.down()
        self.page.mouse.move(*self.place(end), steps=4)
        self.page.mouse.up()

    def wait_until(self, is_so: Callable[[], Any]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not is_so():
            assert time.monotonic() < deadline, f"it did not happen in time; {self.errors}; {self.frame['objects']}"
            self.page.wait_for_timeout(50)

    def object(self, name: int) -> dict[str, Any]:
        return next((item for item in self.frame["objects"] if item["id"] == name), {})

    def card(self, name: int) -> Any:
        return self.page.locator(f'.object[data-id="{name}"]')

    def colors_at(self, pixels: np.ndarray) -> np.ndarray:
        """What is drawn at pixels (n, 2) of the camera's image: (n, 3) RGB."""
        script = """([pixels, width]) => {
            const canvas = document.getElementById("picture");
            const scale = canvas.width / width;
            const context = canvas.getContext("2d");
            const at = (value) => Math.floor((value + .5) * scale);
            return pixels.map(([x, y]) => [...context.getImageData(at(x), at(y), 1, 1).data].slice(0, 3));
        }"""
        return np.array(self.page.evaluate(script, [pixels.tolist(), self.frame["width"]]))
