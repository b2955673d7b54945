"""Makes a screenshot of the page in the browser, docs/images/web.jpg; with --phone, also one of the page on a phone.

Needs aiohttp, playwright (pip) and Chromium (apt).
"""

from __future__ import annotations

import argparse
import shutil
import time
from pathlib import Path
from typing import Any

import cv2
from playwright.sync_api import sync_playwright

from sampt_ros.config.web import WebConfig
from sampt_ros.io.video import open_source
from sampt_ros.tracking.sam_pt import SamPt
from sampt_ros.web.player import Player
from sampt_ros.web.server import WebServer

ROOT = Path(__file__).resolve().parents[1]
VIDEO = ROOT / "examples/demo/tabletop.mp4"
CLICKS = {"soup can": (464, 282), "mug": (283, 252)}  # pixels of the first frame
RATE = 15.0  # Frames per second, half of the video's, so that a small machine can also run the browser.
SECONDS = 5.2  # Time after which the can is in the air.
WIDTH = 1100  # Width of the picture in the documentation, pixels.


def photograph(url: str, player: Player, out: Path, phone: Path | None) -> None:
    """Click both objects on the page, let the video run for a while, and take the screenshots."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 790}, device_scale_factor=2, color_scheme="dark")
        page.goto(url)
        page.wait_for_selector("#waiting", state="hidden")
        for number, (name, pixel) in enumerate(CLICKS.items(), start=1):
            click(page, pixel)
            page.locator(f'.object[data-id="{number}"] .name').fill(name)
            page.keyboard.press("Enter")
        player.pause(False, print)
        page.mouse.move(0, 0)
        page.wait_for_timeout(1000 * SECONDS)
        page.screenshot(path=out.with_suffix(".png"))
        player.pause(True, print)
        if phone is not None:
            context = browser.new_context(
                viewport={"width": 390, "height": 844}, device_scale_factor=2, has_touch=True, is_mobile=True
            )
            small = context.new_page()
            small.goto(url)
            small.wait_for_selector("#waiting", state="hidden")
            small.wait_for_timeout(1000)
            small.screenshot(path=phone)
        browser.close()


def click(page: Any, pixel: tuple[float, float]) -> None:
    box = page.locator("#picture").bounding_box()
    scale = box["width"] / 640
    page.mouse.click(box["x"] + pixel[0] * scale, box["y"] + pixel[1] * scale)
    page.wait_for_timeout(1500)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--phone", type=Path, metavar="FILE", help="also a picture of the page on a phone")
    parsed = parser.parse_args()
    out = ROOT / "docs/images/web.jpg"
    out.parent.mkdir(exist_ok=True)
    with open_source(str(VIDEO)) as source:
        source.fps = RATE
        player = Player(source, SamPt(), "tabletop.mp4", "default")
        with player, WebServer(player, WebConfig(port=0)) as server:
            while player.statistics["frames_tracked"] == 0:
                time.sleep(0.05)
            player.pause(True, print)
            photograph(server.url, player, out, parsed.phone)
    picture = cv2.imread(str(out.with_suffix(".png")))
    size = WIDTH, round(picture.shape[0] * WIDTH / picture.shape[1])
    cv2.imwrite(str(out), cv2.resize(picture, size, interpolation=cv2.INTER_AREA), [cv2.IMWRITE_JPEG_QUALITY, 82])
    out.with_suffix(".png").unlink()


if __name__ == "__main__":
    main()
