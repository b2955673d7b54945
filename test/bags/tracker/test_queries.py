"""Queries, clicks and references in a bag."""

from __future__ import annotations

import bags
import numpy as np
import pytest
from bag_tracking import ONE, tracked
from bags import FRAME, IMAGES, STORAGES, images
from fakes import blank

from sampt_ros.data_types import NEGATIVE


def test_a_query_counts_from_the_image_after_which_it_came(tmp_path, sam_pt):
    asked = [
        *images(3),
        bags.query(2, [(20, 20)]),
        bags.image(3, blank()),
        # about an image that is past; its answer is tracked to here
        bags.query(1, [(40, 30)]),
        bags.image(4, blank()),
        bags.query(4, action=2, object_id=1),
        bags.image(5, blank()),
    ]
    results, tracker = tracked(bags.write(tmp_path / "in", asked), sam_pt)
    assert [[item.id for item in each.result.objects] for each in results] == [[], [], [], [1], [1, 2], [2]]
    drifted = [item.points.xy[0].tolist() for item in results[4].result.objects]
    assert drifted == [[22, 20], [43, 30]]
    assert (tracker.dropped, tracker.refused) == (0, 0)


def test_queries_that_make_no_sense_are_refused_and_counted(tmp_path, sam_pt, caplog):
    asked = [
        bags.query(-1, [(20, 20)]),
        *images(1),
        bags.query(0, [(200, 20)]),
        bags.query(0, [(20, 20)], frame="elsewhere"),
        bags.image(1, blank()),
    ]
    results, tracker = tracked(bags.write(tmp_path / "in", asked), sam_pt, ONE)
    assert len(results) == 2
    assert tracker.refused == 3
    for reason in ("expected an image before the first query", "inside the 64x48 image", "got 'elsewhere'"):
        assert reason in caplog.text


@pytest.mark.parametrize("storage", STORAGES)
def test_clicks_in_the_images_frame_count(tmp_path, sam_pt, storage):
    asked = [
        *images(1),
        bags.camera_info(0, 50, 48, 64),
        # 20 pixels left of the middle, then on what is tracked there, off it
        bags.click(0, (-0.8, 0, 2)),
        bags.click(0, (-0.76, 0, 2), topic="/sampt/clicked_background"),
        bags.image(1, blank()),
    ]
    results, tracker = tracked(bags.write(tmp_path / "in", asked, storage), sam_pt)
    assert tracker.refused == 0
    (item,) = results[1].result.objects
    positive, negative = item.points.xy[0], item.points.xy[item.points.label == NEGATIVE][0]
    np.testing.assert_allclose([positive, negative], [[13, 24], [14, 24]], atol=0.01)


def test_clicks_that_need_more_than_the_bag_tells_are_refused(tmp_path, sam_pt, caplog):
    asked = [*images(1), bags.click(0, (0, 0, 2)), bags.click(0, (0, 0, 2), "map"), bags.image(1, blank())]
    results, tracker = tracked(bags.write(tmp_path / "in", asked), sam_pt)
    assert [len(each.result.objects) for each in results] == [0, 0]
    assert tracker.refused == 2
    assert "expected a CameraInfo of these images (--camera-info TOPIC) before a 3D click" in caplog.text
    assert f"expected a click in the images' frame '{FRAME}', as transforms are not read" in caplog.text


def test_mouse_clicks_and_references_count_too(tmp_path, sam_pt):
    seed = np.zeros((48, 64), np.uint8)
    seed[10:30, 10:30] = 255
    mouse = f"{IMAGES}_mouse_left", bags.make("geometry_msgs/Point", x=64.0, y=20.0, z=0.0)  # one pixel too far
    source = bags.write(tmp_path / "in", [bags.reference(blank(), seed, 7), *images(2), mouse, bags.image(2, blank())])
    results, tracker = tracked(source, sam_pt)
    assert tracker.refused == 0
    items = results[-1].result.objects
    assert [item.id for item in items] == [7, 8]
    assert items[1].mask[20, 63]


@pytest.mark.parametrize("view", [f"{IMAGES}/compressed", "/sampt/overlay", "/sampt/overlay/compressed"])
def test_clicks_in_other_views_of_the_images_count_too(tmp_path, sam_pt, view):
    mouse = f"{view}_mouse_left", bags.make("geometry_msgs/Point", x=20.0, y=20.0, z=0.0)
    results, _ = tracked(bags.write(tmp_path / "in", [*images(1), mouse, bags.image(1, blank())]), sam_pt)
    assert [item.id for item in results[-1].result.objects] == [1]
