"""Queries, clicks and references in a bag."""

from __future__ import annotations

import struct

import bags
import numpy as np
import pytest
from bag_tracking import ONE, tracked
from bags import DELAY, FRAME, IMAGES, PERIOD, START, STORAGES, images
from fakes import blank
from mcap.writer import Writer as McapWriter

from sampt_ros.bags.outlook import ImageStamps
from sampt_ros.bags.reader import BagReader
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


@pytest.mark.parametrize("xyz", [(np.nan, 0, 2), (0, 0, np.nan), (np.inf, 0, 2)])
def test_a_3d_click_that_is_not_finite_is_refused_as_such(tmp_path, sam_pt, caplog, xyz):
    asked = [*images(1), bags.camera_info(0, 50, 48, 64), bags.click(0, xyz), bags.image(1, blank())]
    _, tracker = tracked(bags.write(tmp_path / "in", asked), sam_pt)
    assert tracker.refused == 1
    assert "expected a click with finite coordinates; got (" in caplog.text


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


def ids(results):
    """The ids of the objects of each image; None for one that was dropped."""
    return [None if each is None else [item.id for item in each.result.objects] for each in results]


def test_a_query_recorded_before_its_image_waits_for_it(tmp_path, sam_pt, caplog):
    asked = [
        bags.query(0, [(20, 20)]),
        *images(2),
        bags.query(4, [(30, 20)]),
        bags.query(1, [(40, 30)]),
        *images(7)[2:],
    ]
    for index in range(5):  # all of them before their images
        asked[index][1].at = bags.header(0)
    results, tracker = tracked(bags.write(tmp_path / "in", asked), sam_pt)
    assert ids(results) == [[1], [1], [1, 2], [1, 2], [1, 2, 3], [1, 2, 3], [1, 2, 3]]
    shown = [results[index].result.objects[index // 2].points.xy[0].tolist() for index in (0, 4)]
    assert shown == [[20, 20], [30, 20]]  # exactly there, not moved
    assert (tracker.refused, tracker.too_late) == (0, 0)
    assert not caplog.text


def test_an_object_that_is_removed_ahead_of_its_image_is_not_shown_on_it(tmp_path, sam_pt):
    remove = bags.query(3, action=2, object_id=1)
    remove[1].at = bags.header(1)
    sent = [*images(1), bags.query(0, [(20, 20)]), *images(2)[1:], remove, *images(5)[2:]]
    assert ids(tracked(bags.write(tmp_path / "in", sent), sam_pt)[0]) == [[], [1], [1], [], []]


@pytest.mark.parametrize("later", [1, 5, 6])
def test_a_stamp_between_two_later_images_names_none(tmp_path, sam_pt, caplog, later):
    """As that of a clock that is ahead of the camera's: the query is about what was seen when it was recorded."""
    ahead = bags.query(3, [(20, 20)])
    ahead[1].header.stamp.nanosec += PERIOD // 2
    ahead[1].at = bags.header(0)
    asked = [*images(1), ahead, *images(4 + later)[1:]]
    results, _ = tracked(bags.write(tmp_path / "in", asked), sam_pt)
    assert ids(results) == [[], *[[1]] * (3 + later)]
    assert "the image of 1700000000.350 s, which the bag does not have" in caplog.text


def test_a_stamp_between_the_newest_image_and_the_next_means_the_newest(tmp_path, sam_pt, caplog):
    now = bags.query(1, [(20, 20)])
    now[1].header.stamp.nanosec += PERIOD // 2
    results, _ = tracked(bags.write(tmp_path / "in", [*images(2), now, *images(4)[2:]]), sam_pt)
    assert ids(results) == [[], [], [1], [1]]
    assert not caplog.text


def test_a_wrong_stamp_of_an_image_does_not_hide_the_one_that_a_query_names(tmp_path, sam_pt):
    ahead = bags.query(5, [(20, 20)])
    ahead[1].at = bags.header(0)
    sent = [*images(1), ahead, *images(8)[1:]]
    sent[4][1].header.stamp.sec += 1000
    for index, (_, message) in enumerate(sent[2:]):
        message.at = bags.header(index + 1)
    assert ids(tracked(bags.write(tmp_path / "in", sent), sam_pt)[0]) == [[], [], [], None, [], [1], [1], [1]]


def test_a_query_for_an_image_that_is_not_there_is_told(tmp_path, sam_pt, caplog):
    ahead, dropped = bags.query(90, [(20, 20)]), bags.query(3, [(40, 30)])
    ahead[1].at = dropped[1].at = bags.header(0)
    sent = [*images(1), ahead, dropped, *images(5)[1:]]
    sent[5][1].encoding = "magic"
    results, tracker = tracked(bags.write(tmp_path / "in", sent), sam_pt)
    assert ids(results) == [[], [1], [1], None, [1, 2]]
    newest = "it is carried out on the newest one, of"
    assert f"the image of 1700000009.000 s, which the bag does not have: {newest} 1700000000.000 s" in caplog.text
    assert f"the image of 1700000000.300 s, which cannot be used: {newest} 1700000000.200 s" in caplog.text
    assert tracker.refused == 0


@pytest.mark.parametrize("ahead", [0, 3600 * 10**9, -START], ids=["exact", "camera an hour ahead", "simulated"])
@pytest.mark.parametrize("storage", STORAGES)
def test_a_stamp_far_after_the_end_of_the_bag_makes_nobody_read_all_of_it(tmp_path, storage, ahead):
    with BagReader(bags.write(tmp_path / "in", images(200), storage)) as bag:
        assert bag.last_ns == START + 199 * PERIOD + DELAY
        entries = []
        for topic, recorded, data in bag.messages({IMAGES}):
            stamp = struct.pack("<iI", *divmod(recorded - DELAY + ahead, 10**9))
            entries.append((topic, recorded, data[:4] + stamp + data[12:]))
    unread = iter(entries)
    stamps = ImageStamps(unread, bag.last_ns)
    assert stamps.named_by(START + max(ahead, 0) + 10**12, 3) is None
    assert len(list(unread)) == 195
    stamps = ImageStamps(iter(entries), bag.last_ns)
    assert stamps.named_by(START + ahead + 199 * PERIOD, 3) == 199
    assert stamps.named_by(START + ahead + 10**12, 3) is None


def test_a_3d_click_recorded_before_its_image_waits_for_it(tmp_path, sam_pt):
    click = bags.click(3, (-0.8, 0, 2))
    click[1].at = bags.header(0)
    sent = [bags.camera_info(0, 50, 48, 64), *images(1), click, *images(5)[1:]]
    results, _ = tracked(bags.write(tmp_path / "in", sent), sam_pt)
    assert ids(results) == [[], [], [], [1], [1]]
    np.testing.assert_allclose(results[3].result.objects[0].points.xy[0], [12, 24], atol=0.01)


def test_a_3d_click_is_stamped_when_it_is_made_and_need_not_name_an_image(tmp_path, sam_pt, caplog):
    """As RViz stamps it, while images come later than their stamps by more than the time between two of them."""
    click = bags.click(3, (-0.8, 0, 2))
    click[1].header.stamp.nanosec += PERIOD // 2
    click[1].at = bags.header(0)
    sent = [bags.camera_info(0, 50, 48, 64), *images(1), click, *images(6)[1:]]
    results, tracker = tracked(bags.write(tmp_path / "in", sent), sam_pt)
    assert ids(results) == [[], *[[1]] * 5]
    assert tracker.refused == 0
    assert not caplog.text


@pytest.mark.parametrize("storage", STORAGES)
def test_what_comes_after_the_last_image_is_counted_and_told(tmp_path, sam_pt, storage, caplog):
    late = [
        bags.query(2, [(40, 30)]),
        bags.click(0, (-0.8, 0, 2)),
        (f"{IMAGES}_mouse_left", bags.make("geometry_msgs/Point", x=50.0, y=40.0, z=0.0)),
        bags.reference(blank(), np.pad(np.full((20, 20), 255, np.uint8), 14)[:48, :48].repeat(2, 1)[:, :64], 7),
        bags.query(2, [(200, 30)]),  # outside: refused, not late
    ]
    damaged = bags.image(3, blank())
    damaged[1].encoding = "magic"  # changes nothing
    sent = [bags.camera_info(0, 50, 48, 64), *images(1), bags.query(0, [(20, 20)]), *images(3)[1:], *late[:2], damaged]
    results, tracker = tracked(bags.write(tmp_path / "in", [*sent, *late[2:]], storage), sam_pt)
    assert ids(results) == [[], [1], [1], None]
    assert (tracker.too_late, tracker.refused) == (4, 1)
    assert (
        "4 queries, clicks or references come after the last image that can be used: they change no output"
        in caplog.text
    )


def test_a_query_recorded_early_for_the_last_image_is_in_time(tmp_path, sam_pt, caplog):
    ahead = bags.query(2, [(20, 20)])
    ahead[1].at = bags.header(0)
    results, tracker = tracked(bags.write(tmp_path / "in", [*images(1), ahead, *images(3)[1:]]), sam_pt)
    assert ids(results) == [[], [], [1]]
    assert tracker.too_late == 0
    assert not caplog.text


def test_a_query_added_to_a_finished_recording_counts_from_its_time(tmp_path, sam_pt):
    """As a script adds one to an MCAP file, with the recording time of image 5, behind all chunks."""
    types = bags.bag_types.types()
    sent = [(START + index * PERIOD, *bags.image(index, blank())) for index in range(40)]
    sent.append((START + 5 * PERIOD + 1, *bags.query(5, [(20, 20)])))
    with (tmp_path / "in.mcap").open("wb") as file:
        writer = McapWriter(file, chunk_size=100_000)
        writer.start("ros2")
        channels = {}
        for at, topic, message in sent:
            kind = message.__msgtype__
            if topic not in channels:
                channels[topic] = writer.register_channel(topic, "cdr", writer.register_schema(kind, "ros2msg", b""))
            writer.add_message(channels[topic], at, bytes(types.serialize_cdr(message, kind)), at)
        writer.finish()
    results, tracker = tracked(tmp_path / "in.mcap", sam_pt)
    assert ids(results) == [[]] * 6 + [[1]] * 34
    assert (tracker.refused, tracker.too_late) == (0, 0)
