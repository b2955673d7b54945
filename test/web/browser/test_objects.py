"""Objects are started, corrected, renamed, removed and followed by what somebody does on the page."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from browser_page import CAN, DEMO, MUG, TABLE, Person, wait_until
from web_helpers import FakeBackend, served, view

from sampt_ros.data_types import LocalMask, ObjectState
from sampt_ros.io.video import open_source


@pytest.fixture(scope="module")
def frames() -> list[np.ndarray]:
    return list(open_source(str(DEMO / "tabletop.mp4")))


@pytest.fixture(scope="module")
def truth() -> np.ndarray:
    return np.load(DEMO / "tabletop_labels.npz")["labels"]


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


def test_positions_and_states_are_shown_and_names_are_text(browser):
    backend = FakeBackend()
    page = browser.new_page()
    with served(backend) as server:
        page.goto(server.url)
        wait_until(lambda: backend.show is not None)
        found = view()
        lost = replace(found.result.objects[0], id=2, state=ObjectState.LOST, local_mask=LocalMask.empty((48, 64)))
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
