"""Depth, clicks and cameras that cannot be used: what they cost, and what is said of them."""

from __future__ import annotations

import bags
from bags import images
from depth_bags import FOCAL, INFO, MS, depths, tracked, wall
from fakes import blank


def test_a_click_on_what_something_nearer_hides_is_refused(tmp_path, sam_pt, caplog):
    sent = [INFO, bags.depth(0, wall(1)), *images(1), bags.click(0, (0, 0, 2)), bags.click(0, (0.2, 0, 1))]
    results, tracker = tracked(bags.write(tmp_path / "in", [*sent, bags.image(1, blank())]), sam_pt)
    assert tracker.refused == 1
    assert "it is 2.00 m deep, and something 1.00 m deep hides it" in caplog.text
    assert [item.id for item in results[-1].result.objects] == [1, 2]


def test_depth_that_cannot_be_used_costs_nothing_else(tmp_path, sam_pt, caplog):
    sent = [INFO]
    for index, plane in enumerate([wall(2), wall(2), wall(2)[:24], wall(2)[:24], wall(3)]):
        sent += [bags.image(index, blank()), bags.depth(index, plane)]
    sent[4][1].data = sent[4][1].data[:100]
    results, tracker = tracked(bags.write(tmp_path / "in", sent), sam_pt)
    assert depths(results) == [2, None, None, None, 3]
    assert (tracker.dropped, tracker.refused) == (0, 3)
    assert "a depth image is dropped: expected 48 rows of 256 bytes" in caplog.text
    assert caplog.text.count("no 3D: expected depth of the image's size 64x48; got 64x24") == 1


def test_why_there_is_no_3d_is_said_once(tmp_path, sam_pt, caplog):
    sent = [INFO]
    for index in range(5):
        sent += [bags.image(index, blank()), bags.depth(index, wall(2), late=30 * MS)]
    assert depths(tracked(bags.write(tmp_path / "in", sent), sam_pt)[0]) == [None] * 5
    assert (
        caplog.text.count("no 3D: expected depth within 0.02 s of each image (depth_slop); got it 0.030 s apart") == 1
    )
    assert caplog.text.count("no 3D") == 1


def test_the_camera_info_of_other_images_is_told(tmp_path, sam_pt, caplog):
    sent = [bags.camera_info(0, FOCAL, 24, 32), *images(2), bags.depth(0, wall(2)), bags.depth(1, wall(2))]
    assert depths(tracked(bags.write(tmp_path / "in", sent), sam_pt)[0]) == [None, None]
    assert caplog.text.count("no 3D: expected the CameraInfo of 64x48 images; got one of 32x24") == 1
