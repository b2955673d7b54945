"""Damaged images, failed computations and objects that cannot start: what they cost."""

from __future__ import annotations

import bags
import numpy as np
import pytest
from bag_tracking import ONE, recorded, tracked
from bags import IMAGES, images
from fakes import blank

from sampt_ros.bags.reader import BagReader
from sampt_ros.bags.topics import choose_inputs
from sampt_ros.bags.tracker import BagTracker
from sampt_ros.cli.options.prompts import parse_starts
from sampt_ros.errors import OutOfMemoryError, QueryError


def test_a_damaged_image_is_dropped_and_counted(tmp_path, sam_pt, caplog):
    sent = images(5)
    sent[1][1].encoding = "magic"
    sent[2][1].data = sent[2][1].data[:100]
    sent[3] = bags.image(3, blank(40, 40))
    results, tracker = tracked(bags.write(tmp_path / "in", sent), sam_pt, ONE)
    assert [each is None for each in results] == [False, True, True, True, False]
    assert tracker.dropped == 3
    for reason in ("got 'magic'", "48 rows of 192 bytes", "expected an image of 64x48"):
        assert reason in caplog.text


def test_damaged_bytes_are_no_end(tmp_path, sam_pt):
    source = bags.write(tmp_path / "in", images(40))
    with BagReader(source) as bag:
        tracker = BagTracker(sam_pt, choose_inputs(bag.topics), parse_starts(ONE, [], []))
        messages = list(bag.messages({IMAGES}))
        random = np.random.default_rng(0)
        for index in range(1, 40):
            topic, time, data = messages[index]
            damaged = bytearray(data[: random.integers(len(data))] if index % 3 == 0 else data)
            for at in random.integers(0, max(1, min(len(damaged), 70)), 4 if len(damaged) else 0):
                damaged[at] = random.integers(256)
            messages[index] = (topic, time, bytes(damaged))
        bag.messages = lambda names, clock: messages
        results = list(tracker.track(bag))
    assert len(results) == 40
    assert 20 < tracker.dropped < 40


def fail_at(sam_pt, calls, error):
    """Let these steps, counted from 1, raise the error."""
    step, frames = sam_pt.step, []

    def failing(image):
        frames.append(image)
        if len(frames) in calls:
            raise error
        return step(image)

    sam_pt.step = failing


def test_an_image_without_memory_for_it_has_an_empty_mask(tmp_path, sam_pt, caplog):
    fail_at(sam_pt, (1, 3), OutOfMemoryError("out of memory"))
    written = recorded(bags.write(tmp_path / "in", images(4)), tmp_path / "out", sam_pt)
    assert [bool(bags.pixels(message).any()) for _, message in written["/sampt/mask"]] == [False, True, False, True]
    assert "is rejected: out of memory" in caplog.text


def test_a_computation_that_fails_costs_an_image_its_masks(tmp_path, sam_pt, caplog):
    fail_at(sam_pt, (2, 3), ValueError("matrices disagree"))
    written = recorded(bags.write(tmp_path / "in", images(5)), tmp_path / "out", sam_pt)
    assert [bool(bags.pixels(message).any()) for _, message in written["/sampt/mask"]] == [
        True,
        False,
        False,
        True,
        True,
    ]
    assert caplog.text.count("is rejected, because of a fault") == 1
    assert "ValueError: matrices disagree" in caplog.text


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_compressed_image_of_a_size_beyond_all_bounds_is_dropped(tmp_path, sam_pt, suffix):
    sent = [bags.compressed(index, blank(), suffix) for index in range(3)]
    data = sent[1][1].data
    if suffix == ".png":
        data[16:24] = [0, 1, 134, 160] * 2  # 100,000 x 100,000
    else:
        at = bytes(data).index(b"\xff\xc0")
        data[at + 5 : at + 9] = 0xFF
    results, tracker = tracked(bags.write(tmp_path / "in", sent), sam_pt, ONE)
    assert [each is None for each in results] == [False, True, False]
    assert tracker.dropped == 1


def test_an_object_outside_the_first_image_is_refused(tmp_path, sam_pt):
    source = bags.write(tmp_path / "in", images(1))
    with pytest.raises(QueryError, match="inside the 64x48 image"):
        tracked(source, sam_pt, ["200,20"])
