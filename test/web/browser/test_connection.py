"""A connection that is lost, and one that needs a token."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from browser_page import DEMO, PATIENCE, Person, wait_until
from web_helpers import FakeBackend, served, view

from sampt_ros.io.video import open_source
from sampt_ros.tracking.sam_pt import SamPt
from sampt_ros.web.player import Player


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
