"""The page on a phone and in windows of many sizes."""

from __future__ import annotations

import pytest
from browser_page import MUG, TABLE, Person, wait_until
from web_helpers import FakeBackend, served, view


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
