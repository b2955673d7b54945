"""A browser, and a person who looks at the page of the demo's video in it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from sampt_ros.tracking.sam_pt import SamPt

if TYPE_CHECKING:
    from browser_page import Person

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    if CHROMIUM is None:
        pytest.skip("needs Chromium (apt install chromium)")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"] if os.geteuid() == 0 else [])
        yield browser
        browser.close()


@pytest.fixture
def address() -> Iterator[str]:
    """Where the page is, with the demo's video stopped at its beginning."""
    from browser_page import PatientVideo, wait_until
    from web_helpers import served

    from sampt_ros.web.player import Player

    with PatientVideo() as source:
        player = Player(source, SamPt(), "tabletop.mp4", "default")
        counts = player.statistics
        source.is_due = lambda: counts["frames_tracked"] + counts["frames_dropped"] >= counts["frames_received"]
        with player, served(player) as server:
            wait_until(lambda: player.statistics["frames_tracked"] > 0)
            player.pause(True, lambda attempt: None)
            yield server.url


@pytest.fixture
def person(browser, address) -> Iterator[Person]:
    from browser_page import Person

    page = browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme="dark")
    person = Person(page, address)
    yield person
    page.close()
    assert person.errors == []
