"""In a real browser somebody clicks in the demo's video, corrects, removes, uploads, on a desktop and a phone."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("aiohttp", reason="aiohttp is missing: pip install aiohttp")
pytest.importorskip("playwright.sync_api", reason="playwright is missing: pip install playwright")

from playwright.sync_api import sync_playwright
from web_helpers import FakeBackend, served, view

from sampt_ros.data_types import ObjectState
from sampt_ros.io.video import FrameSource, open_source
from sampt_ros.tracking.sam_pt import SamPt
from sampt_ros.web.packets import split
from sampt_ros.web.player import Player

DEMO = Path(__file__).resolve().parents[2] / "examples/demo"
if not DEMO.is_dir():
    pytest.skip("the demo's video is not part of an installed package", allow_module_level=True)
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PATIENCE = 60.0  # seconds, for a machine that does a lot besides
CAN, MUG, TABLE = (464, 282), (283, 252), (60, 440)  # pixels of the first frame


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("needs Chromium (apt install chromium)")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"] if os.geteuid() == 0 else [])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def frames() -> list[np.ndarray]:
    return list(open_source(str(DEMO / "tabletop.mp4")))


@pytest.fixture(scope="module")
def truth() -> np.ndarray:
    return np.load(DEMO / "tabletop_labels.npz")["labels"]


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


@pytest.fixture
def address() -> Iterator[str]:
    """Where the page is, with the demo's video stopped at its beginning."""
    with PatientVideo() as source:
        player = Player(source, SamPt(), "tabletop.mp4", "default")
        counts = player.statistics
        source.is_due = lambda: counts["frames_tracked"] + counts["frames_dropped"] >= counts["frames_received"]
        with player, served(player) as server:
            wait_until(lambda: player.statistics["frames_tracked"] > 0)
            player.pause(True, lambda attempt: None)
            yield server.url


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


@pytest.fixture
def person(browser, address) -> Iterator[Person]:
    page = browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme="dark")
    person = Person(page, address)
    yield person
    page.close()
    assert person.errors == []


def center(item: dict[str, Any]) -> np.ndarray:
    x, y, width, height = item["box"]
    return np.array([x + width / 2, y + height / 2])


def drawn_mask(item: dict[str, Any], size: tuple[int, int]) -> np.ndarray:
    """(H, W) bool: what a page draws of an object."""
    drawn = np.zeros(size, np.uint8)
    cv2.fillPoly(drawn, [np.array(line).reshape(-1, 2) for line in item["outlines"]], 1)
    return drawn.astype(bool)


def assert_is_tinted(person: Person) -> None:
    """The page shows the picture, and over the mask its object's colour."""
    picture = cv2.imdecode(np.frombuffer(person.picture, np.uint8), cv2.IMREAD_COLOR)
    size = person.frame["height"], person.frame["width"]
    picture = cv2.cvtColor(cv2.resize(picture, size[::-1]), cv2.COLOR_BGR2RGB)
    mask = drawn_mask(person.object(1), size).astype(np.uint8)
    near, inner = cv2.dilate(mask, np.ones((81, 81))), cv2.erode(mask, np.ones((9, 9)))
    color = np.array([int(person.object(1)["color"][at : at + 2], 16) for at in (1, 3, 5)])
    random = np.random.default_rng(0)
    for where, opacity in ((inner == 1, 0.42), (near == 0, 0.0)):
        pixels = random.permutation(np.argwhere(where))[:60, ::-1]
        expected = picture[pixels[:, 1], pixels[:, 0]] * (1 - opacity) + color * opacity
        assert np.median(np.abs(person.colors_at(pixels) - expected)) < 20


def region_similarity(item: dict[str, Any], mask: np.ndarray) -> float:
    """J of what a page draws of an object."""
    drawn = drawn_mask(item, mask.shape)
    return (drawn & mask).sum() / (drawn | mask).sum()


def number_of(picture: bytes, frames: list[np.ndarray]) -> int:
    """Which frame of the video a picture shows."""
    shown = cv2.cvtColor(cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    return int(np.argmin([np.abs(small(frame) - small(shown)).mean() for frame in frames]))


def small(image: np.ndarray) -> np.ndarray:
    return cv2.resize(image, (160, 120), interpolation=cv2.INTER_AREA).astype(np.int16)


def test_a_clicked_can_is_followed_as_it_moves(person, frames, truth):
    person.click(CAN)
    person.wait_until(lambda: person.object(1))
    start = center(person.object(1))
    assert person.object(1)["state"] == "TRACKING"
    person.page.get_by_role("button", name="Resume").click()
    person.wait_until(lambda: person.object(1).get("area") and np.abs(center(person.object(1)) - start).max() > 40)
    frame, number = person.frame, number_of(person.picture, frames)
    assert number > 30
    assert region_similarity(frame["objects"][0], truth[number] == 1) > 0.6
    person.page.keyboard.press("Space")
    person.page.wait_for_selector("text=Resume")
    person.page.wait_for_timeout(1500)  # the frame that was worked on comes
    assert_is_tinted(person)
    assert person.card(1).locator(".state").inner_text() in ("Tracking", "Reacquired")
    assert person.page.locator("#latency").inner_text().endswith(" ms")


def test_clicks_correct_an_object_and_take_away_from_it(person):
    person.click(MUG)
    person.wait_until(lambda: person.object(1).get("area"))
    person.card(1).get_by_role("button", name="Correct").click()
    person.click((300, 235))
    person.page.wait_for_selector("text=corrected object 1")
    before = len(person.object(1)["points"])
    person.click((340, 262), button="right")
    person.page.keyboard.down("Shift")
    person.click(TABLE)
    person.page.keyboard.up("Shift")
    person.wait_until(lambda: sum(point[2] == 0 for point in person.object(1)["points"]) >= 2)
    assert len(person.object(1)["points"]) >= before
    assert len(person.frame["objects"]) == 1


def test_a_box_starts_an_object_and_the_list_renames_and_removes_it(person):
    person.drag((235, 205), (350, 320))
    person.wait_until(lambda: person.object(1).get("area"))
    assert np.abs(center(person.object(1)) - MUG).max() < 40
    person.card(1).locator(".name").fill("my mug")
    person.page.keyboard.press("Enter")
    person.page.reload()
    person.wait_until(lambda: person.card(1).count() and person.card(1).locator(".name").input_value() == "my mug")
    person.card(1).get_by_role("button", name="Remove object 1").click()
    person.wait_until(lambda: not person.frame["objects"] and person.card(1).count() == 0)
    assert person.page.locator("#empty").is_visible()


def test_a_reference_that_is_uploaded_is_found(person, frames, truth, tmp_path):
    cv2.imwrite(str(tmp_path / "can.png"), cv2.cvtColor(frames[0], cv2.COLOR_RGB2BGR))
    cv2.imwrite(str(tmp_path / "mask.png"), (truth[0] == 1).astype(np.uint8) * 255)
    person.page.get_by_role("button", name="From a picture…").click()
    person.page.set_input_files("#picture-file", tmp_path / "can.png")
    person.page.set_input_files("#mask-file", tmp_path / "mask.png")
    person.page.get_by_role("button", name="Look for it").click()
    person.wait_until(lambda: person.object(1))
    person.page.get_by_role("button", name="Resume").click()
    person.wait_until(lambda: person.object(1).get("area"))
    frame, number = person.frame, number_of(person.picture, frames)
    assert region_similarity(frame["objects"][0], truth[number] == 1) > 0.5


def test_what_is_refused_is_told_and_a_reset_drops_everything(person, tmp_path):
    (tmp_path / "no.png").write_bytes(b"no picture at all")
    person.page.get_by_role("button", name="From a picture…").click()
    person.page.set_input_files("#picture-file", tmp_path / "no.png")
    person.page.get_by_role("button", name="Look for it").click()
    person.page.wait_for_selector("text=expected a picture as JPEG, PNG, WebP or BMP")
    person.click(MUG)
    person.wait_until(lambda: person.object(1).get("area"))
    person.page.get_by_role("button", name="Reset").click()
    person.wait_until(lambda: not person.frame["objects"])
    person.click(CAN)  # also while it is paused
    person.wait_until(lambda: person.object(1).get("area"))


def test_on_a_phone_a_tap_starts_an_object_and_all_fits(browser, address):
    phone = browser.new_context(
        viewport={"width": 390, "height": 844}, device_scale_factor=3, has_touch=True, is_mobile=True
    )
    person = Person(phone.new_page(), address)
    person.page.touchscreen.tap(*person.place(MUG))
    person.wait_until(lambda: person.object(1).get("area"))
    assert person.page.evaluate("document.documentElement.scrollWidth") <= 390
    assert person.page.locator("#hint").inner_text().startswith("Tap an object")
    person.page.get_by_role("radio", name="Take away").tap()
    person.page.touchscreen.tap(*person.place(TABLE))
    person.wait_until(lambda: any(point[2] == 0 for point in person.object(1)["points"]))
    assert person.errors == []
    phone.close()


@pytest.mark.parametrize(
    ("size", "least"),
    [
        ((390, 844), 0.3),
        ((844, 390), 0.35),
        ((320, 568), 0.3),
        ((768, 1024), 0.5),
        ((1100, 480), 0.3),
        ((1920, 1080), 0.5),
    ],
)
def test_the_picture_has_a_good_part_of_every_window_and_nothing_is_beside_it(browser, size, least):
    backend = FakeBackend()
    page = browser.new_page(viewport=dict(zip(("width", "height"), size)))
    with served(backend) as server:
        page.goto(server.url)
        wait_until(lambda: backend.show is not None)
        backend.show(view(size=(480, 640)))
        page.wait_for_selector("#waiting", state="hidden")
        page.wait_for_timeout(200)
        box = page.locator("#picture").bounding_box()
        assert box["width"] * box["height"] >= least * size[0] * size[1]
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        for name in ("#picture", "#pause", "#reset"):
            box = page.locator(name).bounding_box()
            assert box["y"] + box["height"] <= size[1] and box["x"] + box["width"] <= size[0]
    page.close()


def test_without_a_connection_the_picture_is_called_old_and_a_click_lost_until_the_server_comes_back(browser):
    backend = FakeBackend()
    page = browser.new_page()
    with served(backend) as server:
        port = int(server.url.rsplit(":", 1)[1].strip("/"))
        page.goto(server.url)
        page.wait_for_selector("#message[data-kind=good]", timeout=1000 * PATIENCE)
        backend.show(view())
        page.wait_for_selector("#waiting", state="hidden")
    page.wait_for_selector("#message[data-kind=bad]", timeout=1000 * PATIENCE)
    assert page.locator("#message").inner_text() == "connection lost; trying again"
    assert page.locator("#waiting").inner_text() == "no connection: this picture is old"
    page.locator("#picture").click()
    page.wait_for_selector('#notices li:text("There is no connection: nothing was done.")')
    with served(backend, port=port):
        page.wait_for_selector("#message[data-kind=good]", timeout=1000 * PATIENCE)
        backend.show(view(2))
        page.wait_for_selector("#waiting", state="hidden")
        page.locator("#picture").click()
        wait_until(lambda: backend.asked)
    page.close()


def test_positions_and_states_are_shown_and_names_are_text(browser):
    backend = FakeBackend()
    page = browser.new_page()
    with served(backend) as server:
        page.goto(server.url)
        wait_until(lambda: backend.show is not None)
        found = view()
        lost = replace(found.result.objects[0], id=2, state=ObjectState.LOST, mask=np.zeros((48, 64), bool))
        result = replace(found.result, objects=(*found.result.objects, lost))
        backend.show(replace(found, result=result, positions={1: np.array([0.1, -0.2, 1.5])}))
        page.wait_for_selector('.object[data-id="1"] .place:text("x 0.10  y -0.20  z 1.50 m")')
        page.wait_for_selector('.object[data-id="2"] .state[data-state="LOST"]')
        page.fill('.object[data-id="2"] .name', "a mistake")
        page.keyboard.press("Escape")
        page.fill('.object[data-id="1"] .name', "<img src=x onerror=alert(1)>")
        page.keyboard.press("Enter")
        page.locator("#reference").click()
        choices = page.locator("#reference-object option").all_inner_texts()
        assert choices == ["a new one", "1: <img src=x onerror=alert(1)>", "2"]
        assert page.locator("main img").count() == 0
    page.close()


@pytest.fixture
def guarded() -> Iterator[str]:
    """Where the page is, with a token."""
    with (
        open_source(str(DEMO / "tabletop.mp4")) as source,
        Player(source, SamPt()) as player,
        served(player, token="a-long-secret") as server,
    ):
        yield server.url


def test_the_token_is_asked_for_and_does_not_stay_in_the_address(browser, guarded):
    page = browser.new_page()
    page.goto(guarded.partition("#")[0])
    page.wait_for_selector("#token-dialog[open]", timeout=1000 * PATIENCE)
    page.fill("#token", "a-long-secret")
    page.get_by_role("button", name="Watch").click()
    page.wait_for_selector("#waiting", state="hidden", timeout=1000 * PATIENCE)
    page.close()
    page = Person(browser.new_page(), guarded).page
    assert "#" not in page.url
    page.close()
