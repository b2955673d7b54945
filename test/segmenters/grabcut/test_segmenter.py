"""GrabCut as a promptable segmenter."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from synthetic import disk, texture

from sampt_ros.config.segmenters import GrabCutConfig
from sampt_ros.data_types import Frame, LocalMask
from sampt_ros.evaluation.metrics import region_similarity
from sampt_ros.segmenters.base import Prompts
from sampt_ros.segmenters.grabcut.segmenter import GrabCut

HEIGHT, WIDTH = 160, 256
RED, BLUE = disk((80, 80), 30, HEIGHT, WIDTH), disk((180, 70), 24, HEIGHT, WIDTH)
ON_RED = np.array([(80, 80), (70, 75), (88, 90)], np.float32)
ON_BLUE = np.array([(180, 70)], np.float32)


@pytest.fixture
def frame() -> Frame:
    """A red and a blue disk on grey, with a little texture."""
    image = 100 + texture(HEIGHT, WIDTH) // 8
    image[RED] += np.array([100, 0, 0], np.uint8)
    image[BLUE] += np.array([0, 0, 100], np.uint8)
    return Frame(0, image)


def test_the_disk_that_was_clicked_is_found(frame):
    decoded = GrabCut().decode(frame, Prompts.pack([ON_RED], [ON_BLUE]))
    assert region_similarity(RED, decoded.masks()[0]) > 0.8


def test_in_an_image_of_one_colour_nothing_is_found_at_once(monkeypatch):
    monkeypatch.setattr("cv2.grabCut", None)  # which would take seconds
    frame = Frame(0, np.full((HEIGHT, WIDTH, 3), 255, np.uint8))
    assert not GrabCut().decode(frame, Prompts.pack([ON_RED], [ON_BLUE])).masks().any()


def test_a_drawing_in_two_colours_gets_noise_and_its_disk_is_found(monkeypatch):
    colors, cut = [], cv2.grabCut

    def counted(lab, *others):
        colors.append(len(np.unique(lab.reshape(-1, 3), axis=0)))
        return cut(lab, *others)

    monkeypatch.setattr(cv2, "grabCut", counted)
    frame = Frame(0, np.where(RED[..., None], np.uint8((200, 20, 20)), np.uint8((90, 90, 90))))
    decoded = GrabCut().decode(frame, Prompts.pack([ON_RED], [ON_BLUE]))
    assert region_similarity(RED, decoded.masks()[0]) > 0.9
    assert min(colors) > 2


def test_a_mask_prompt_that_is_a_little_off_is_drawn_to_the_disk(frame):
    off = np.roll(BLUE, (3, -4), (0, 1))
    logits = GrabCut().mask_prompt(frame, [LocalMask.of(off)])
    prompts = replace(Prompts.pack([ON_BLUE], [ON_RED]), logits=logits)
    found = GrabCut().decode(frame, prompts).masks()[0]
    assert region_similarity(BLUE, found) > max(0.9, region_similarity(BLUE, off))


def test_a_mask_too_thin_to_see_at_its_scale_is_not_learned(frame):
    grabcut, line = GrabCut(GrabCutConfig(work_size=32)), np.eye(HEIGHT, WIDTH, dtype=bool)
    assert grabcut.remember(frame, LocalMask.of(line), None) is None
    assert grabcut.remember(frame, LocalMask.of(RED), None) is not None
