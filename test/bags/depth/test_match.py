"""Which depth an image of a bag has."""

from __future__ import annotations

import bags
import compressed_depth
import numpy as np
import pytest
from bags import images
from depth_bags import FOCAL, HEIGHT, INFO, MS, WIDTH, depths, tracked, wall
from fakes import DriftingTracker, SquareSegmenter, blank

from sampt_ros.bags.reader import BagReader
from sampt_ros.bags.topics import choose_inputs, inspect_topics
from sampt_ros.bags.tracker import BagTracker
from sampt_ros.cli.options.prompts import parse_starts
from sampt_ros.config.core import SamPtConfig
from sampt_ros.tracking.sam_pt import SamPt


@pytest.mark.parametrize("kind", [np.uint16, np.float32])
@pytest.mark.parametrize("first", ["image", "depth"])
def test_every_image_has_the_depth_of_its_own_time(tmp_path, sam_pt, first, kind):
    sent = [INFO]
    for index, picture in enumerate(images(6)):
        pair = [picture, bags.depth(index, wall(1 + index, kind))]
        sent += pair if first == "image" else pair[::-1]
    results, tracker = tracked(bags.write(tmp_path / "in", sent), sam_pt)
    assert [each.header for each in results] == [bags.header(index) for index in range(6)]
    assert depths(results) == [1, 2, 3, 4, 5, 6]
    assert tracker.refused == 0


def test_the_nearest_within_the_slop_counts_whatever_came_first(tmp_path, sam_pt):
    sent = [INFO, *images(1)]
    sent += [bags.depth(0, wall(1), late=30 * MS), bags.image(1, blank()), bags.depth(0, wall(2), late=90 * MS)]
    sent += [bags.image(2, blank()), bags.depth(1, wall(3), late=90 * MS), bags.depth(2, wall(4), late=5 * MS)]
    sent += [bags.image(3, blank()), bags.image(4, blank())]
    results, _ = tracked(bags.write(tmp_path / "in", sent), sam_pt, slop=0.02)
    assert depths(results) == [None, 2, 4, None, None]
    results, _ = tracked(tmp_path / "in", SamPt(SamPtConfig(), SquareSegmenter(), DriftingTracker()), slop=0.04)
    assert depths(results) == [1, 2, 4, None, None]


def test_depth_that_was_recorded_late_is_waited_for_but_not_forever(tmp_path, sam_pt):
    sent = [INFO, *images(8), *(bags.depth(index, wall(1 + index)) for index in range(8))]
    assert depths(tracked(bags.write(tmp_path / "in", sent), sam_pt)[0]) == [1, 2, 3, 4, 5, 6, 7, 8]
    sam_pt.reset()
    sent = [INFO, *images(14), *(bags.depth(index, wall(1 + index)) for index in range(14))]
    expected = [None] * 4 + list(range(5, 15))
    assert depths(tracked(bags.write(tmp_path / "late", sent), sam_pt)[0]) == expected


def test_a_camera_info_after_the_first_image_is_in_time(tmp_path, sam_pt):
    sent = [bags.depth(0, wall(1)), *images(1), INFO, bags.image(1, blank())]
    assert depths(tracked(bags.write(tmp_path / "in", sent), sam_pt)[0]) == [1, None]


def test_memory_for_depth_is_bounded_and_time_may_jump_back(tmp_path, sam_pt):
    ahead = [message for index in range(50) for message in (bags.depth(index, wall(2)), bags.image(index, blank()))]
    again = [message for index in range(9) for message in (bags.depth(index, wall(3)), bags.image(index, blank()))]
    path = bags.write(tmp_path / "in", [INFO, *ahead, *again])
    with BagReader(path) as bag:
        tracker = BagTracker(sam_pt, choose_inputs(bag.topics, inspect_topics(bag)), parse_starts(["20,20"], [], []))
        results, kept = [], []
        for each in tracker.track(bag):
            results.append(each)
            kept.append(len(tracker._stream.depth_queue._depths))
    assert len(results) == 59
    assert max(kept) <= 12
    frames = [each for each in results if each is not None]
    assert [each.surfaces is not None for each in frames] == [True] * 55
    assert not len(frames[50].surfaces[1].xy)  # the object is looked for again


def test_after_a_jump_back_every_image_gets_its_own_depth_again(tmp_path, sam_pt):
    loop = [(index, [bags.image(index, blank()), bags.depth(index, wall(2))]) for index in range(7)]
    far = [(index, [bags.image(index, blank()), bags.depth(index, wall(3))]) for index in (50, 51)]
    sent = [INFO, *(message for _, pair in [*far, *loop] for message in pair)]
    results, _ = tracked(bags.write(tmp_path / "in", sent), sam_pt, points=("20,20",))
    results = [each for each in results if each is not None]  # four frames show the jump before it is believed
    assert [each.surfaces is not None for each in results] == [True] * 5
    assert depths(results[:2]) == [3, 3]


def test_without_stamps_the_times_of_the_recording_count(tmp_path, sam_pt):
    sent = [INFO]
    for index in range(4):
        sent += [bags.image(index, blank()), bags.depth(index, wall(1 + index), late=MS)]
    for _, message in sent:
        message.at, message.header = message.header, bags.header(-1)
    assert depths(tracked(bags.write(tmp_path / "in", sent), sam_pt)[0]) == [1, 2, 3, 4]


def test_an_image_has_the_camera_of_its_own_time(tmp_path, sam_pt):
    other = bags.camera_info(1, 2 * FOCAL, HEIGHT, WIDTH)
    sent = [INFO, *images(2), other, bags.depth(0, wall(2)), bags.depth(1, wall(2))]
    results, _ = tracked(bags.write(tmp_path / "in", sent), sam_pt)
    assert results[0].surfaces[1].centre[0] == pytest.approx((20 - WIDTH / 2) / FOCAL * 2, abs=0.05)


def test_depth_is_not_kept_for_a_camera_that_never_comes(tmp_path, sam_pt):
    uncalibrated = bags.camera_info(0, 0, HEIGHT, WIDTH)
    sent = [uncalibrated, *images(2), *(bags.depth(index, wall(2)) for index in range(60))]
    path = bags.write(tmp_path / "in", sent)
    with BagReader(path) as bag:
        tracker = BagTracker(sam_pt, choose_inputs(bag.topics, inspect_topics(bag)), parse_starts(["20,20"], [], []))
        results = list(tracker.track(bag))
        assert len(tracker._stream.depth_queue._depths) <= 12
    assert depths(results) == [None, None]


def test_depth_that_is_there_raw_and_compressed_is_read_once(tmp_path):
    sent = [INFO, *images(1), bags.compressed_depth(0, compressed_depth.png(wall(2, np.uint16)))]
    sent += [bags.depth(0, wall(3))]
    with BagReader(bags.write(tmp_path / "in", sent)) as bag:
        assert choose_inputs(bag.topics, inspect_topics(bag)).depth.name == bags.DEPTHS
