"""Images joined with what was found in them."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sampt_ros.msg", reason="the messages are not built: run make setup", exc_type=ImportError)

from std_msgs.msg import Header

from sampt_ros.data_types import FrameResult, LocalMask, ObjectResult, ObjectState, Points
from sampt_ros.errors import FrameError
from sampt_ros.messages.fields import tracked_objects
from sampt_ros.ros.conversions import image_from_array, message_classes
from sampt_ros.ros.viewing.pairing import Pairing

SIZE = (20, 30)


def result(name: int = 1) -> FrameResult:
    mask = np.zeros(SIZE, bool)
    mask[5:10, 8:16] = True
    points = Points.start(np.array([4]), np.array([(9, 7)]), np.array([1]))
    return FrameResult(0, SIZE, (ObjectResult(name, ObjectState.TRACKING, 0.5, LocalMask.of(mask), points),))


def messages(found: FrameResult):
    objects = tracked_objects(found, Header(), message_classes())
    return image_from_array(found.labels, "mono16", Header()), objects


def image() -> np.ndarray:
    return np.full((*SIZE, 3), 7, np.uint8)


@pytest.mark.parametrize("order", ["image labels objects", "labels objects image", "objects image labels"])
def test_a_view_is_whole_when_its_last_part_comes(order):
    pairing = Pairing(lambda: 0.0)
    labels, objects = messages(result())
    give = {
        "image": lambda: pairing.image(5, image),
        "labels": lambda: pairing.labels(5, labels),
        "objects": lambda: pairing.objects(5, objects),
    }
    first, second, last = (give[part]() for part in order.split())
    assert first is None and second is None
    assert last.stamp_ns == 5 and last.image[0, 0, 0] == 7
    (item,) = last.result.objects
    (expected,) = result().objects
    assert (item.id, item.state, item.score) == (1, ObjectState.TRACKING, 0.5)
    assert np.array_equal(item.mask, expected.mask)
    assert item.points.xy.tolist() == [[9, 7]] and item.points.id.tolist() == [4]
    assert last.positions == {}  # without depth the message has none


def test_positions_come_from_the_poses_that_depth_shows():
    pairing = Pairing(lambda: 0.0)
    labels, objects = messages(result())
    objects.objects[0].pose.position.x, objects.objects[0].pose.position.y = 0.5, -0.25
    objects.objects[0].pose.position.z = 2.0
    pairing.labels(5, labels)
    pairing.objects(5, objects)
    assert pairing.image(5, image).positions[1].tolist() == [0.5, -0.25, 2.0]


def test_an_object_of_an_unknown_state_is_left_out():
    pairing = Pairing(lambda: 0.0)
    labels, objects = messages(result())
    objects.objects[0].state = 77
    pairing.labels(5, labels)
    pairing.objects(5, objects)
    assert pairing.image(5, image).result.objects == ()


def test_parts_of_other_stamps_do_not_meet():
    pairing = Pairing(lambda: 0.0)
    labels, objects = messages(result())
    assert pairing.image(5, image) is None
    assert pairing.labels(6, labels) is None
    assert pairing.objects(6, objects) is None
    assert pairing.image(6, image).stamp_ns == 6


def test_where_nobody_tracks_images_are_shown_alone():
    now = [0.0]
    pairing = Pairing(lambda: now[0])
    assert pairing.image(5, image) is None
    now[0] = 2.1
    view = pairing.image(6, image)
    assert view.stamp_ns == 6 and view.result.objects == () and view.others == frozenset()


def with_results_of_object_3():
    """A pairing that lacks nothing but image 5 for a view, and its clock's time, which may be changed."""
    now = [0.0]
    pairing = Pairing(lambda: now[0])
    labels, objects = messages(result(3))
    pairing.labels(5, labels)
    pairing.objects(5, objects)
    return pairing, now


def test_objects_are_still_there_while_no_results_come_until_a_reset():
    pairing, now = with_results_of_object_3()
    assert pairing.without_objects() is None
    assert pairing.image(5, image).others == frozenset()
    now[0] = 2.1
    assert pairing.image(6, image).others == {3}
    view = pairing.without_objects()
    assert (view.stamp_ns, view.result.objects, view.others) == (6, (), frozenset())
    assert pairing.image(7, image).others == frozenset()


def test_an_object_that_has_started_is_there_though_late_results_lack_it_until_it_is_gone_for_good():
    pairing, now = with_results_of_object_3()
    pairing.image(5, image)
    assert pairing.started(4).others == {4}
    pairing.image(6, image)
    assert completed(pairing, 6, 3).others == {4}
    now[0] = 2.1
    assert pairing.image(7, image).others == {3, 4}
    now[0] = 2.2
    assert completed(pairing, 7, 4).others == frozenset()
    pairing.started(4)
    pairing.image(8, image)
    assert completed(pairing, 8, 3).others == frozenset()
    pairing.started(9)
    for stamp in range(10, 20):
        pairing.image(stamp, image)
        last = completed(pairing, stamp, 3)
    assert last.others == frozenset()
    pairing.started(9)
    assert pairing.without_objects().others == frozenset()


def test_when_it_starts_again_nothing_is_left_of_what_was_shown_before():
    pairing, now = with_results_of_object_3()
    assert pairing.image(5, image) is not None
    pairing.reset()
    assert pairing.without_objects() is None
    now[0] = 2.1
    assert pairing.image(6, image).others == frozenset()
    assert pairing.without_objects().stamp_ns == 6


def test_while_it_is_paused_the_last_view_stays():
    now = [0.0]
    pairing = Pairing(lambda: now[0])
    pairing.is_paused = True
    now[0] = 9.0
    assert pairing.image(6, image) is None
    pairing.is_paused = False
    now[0] = 9.5
    assert pairing.image(7, image) is None  # its labels may come any moment
    now[0] = 12.0
    assert pairing.image(8, image).stamp_ns == 8


def test_what_waits_in_vain_is_forgotten():
    pairing = Pairing(lambda: 0.0)
    labels, objects = messages(result())
    for stamp in range(1, 100):
        pairing.image(stamp, image)
    assert pairing.labels(1, labels) is None
    assert pairing.objects(1, objects) is None
    pairing.labels(99, labels)
    assert pairing.objects(99, objects).stamp_ns == 99


def completed(pairing: Pairing, stamp: int, name: int = 1):
    """The view that the result of an image of this stamp completes."""
    labels, objects = messages(result(name))
    assert pairing.labels(stamp, labels) is None
    return pairing.objects(stamp, objects)


def grey(value: int):
    return lambda: np.full((*SIZE, 3), value, np.uint8)


@pytest.mark.parametrize("waiting", [3, 60])
def test_after_time_jumped_back_what_waits_from_before_is_in_nobodys_way(waiting):
    pairing = Pairing(lambda: 0.0)
    for stamp in range(1000, 1000 + waiting):
        pairing.image(stamp, image)
    for stamp in range(1, 40):  # A frame takes longer than the camera's period.
        pairing.image(stamp, image)
        if stamp > 1:
            assert completed(pairing, stamp - 1).stamp_ns == stamp - 1
    assert list(pairing._parts) == [39]


def test_when_a_stamp_comes_again_after_a_jump_back_the_new_image_is_shown():
    pairing = Pairing(lambda: 0.0)
    for stamp in (1, 2):
        pairing.image(stamp, grey(5))
    pairing.image(1, grey(9))
    assert completed(pairing, 1).image[0, 0, 0] == 9


def test_images_without_stamps_are_shown_with_their_own_results():
    pairing = Pairing(lambda: 0.0)
    # Which images come before each result: the node takes the newest of them next, and skips the others.
    for images, tracked in (([1, 2], 1), ([3, 4, 5], 2), ([], 5), ([6], 6), ([7, 8, 9], 7)):
        for number in images:
            assert pairing.image(0, grey(number)) is None
        view = completed(pairing, 0, tracked)
        assert [item.id for item in view.result.objects] == [view.image[0, 0, 0]] == [tracked]


def test_images_without_stamps_that_waited_when_it_was_paused_have_no_results():
    pairing = Pairing(lambda: 0.0)
    pairing.image(0, grey(1))
    pairing.is_paused = True
    pairing.image(0, grey(2))
    pairing.is_paused = False
    pairing.image(0, grey(3))
    assert completed(pairing, 0).image[0, 0, 0] == 3


def test_the_result_of_an_image_without_a_stamp_that_did_not_come_is_not_shown_on_the_next():
    pairing = Pairing(lambda: 0.0)
    pairing.image(0, grey(1))
    assert completed(pairing, 0).image[0, 0, 0] == 1
    assert completed(pairing, 0) is None
    assert pairing.image(0, grey(3)) is None
    assert completed(pairing, 0).image[0, 0, 0] == 3


def test_before_the_node_tracks_the_newest_image_without_a_stamp_waits_for_its_result():
    now = [0.0]
    pairing = Pairing(lambda: now[0])
    for number in range(1, 9):
        pairing.image(0, grey(number))
        now[0] += 1.0
    assert completed(pairing, 0).image[0, 0, 0] == 8


def test_a_result_that_comes_before_its_image_is_shown_though_there_was_none_for_long():
    pairing, now = with_results_of_object_3()
    now[0] = 9.0
    assert [item.id for item in pairing.image(5, image).result.objects] == [3]


def test_labels_of_another_encoding_are_an_error():
    pairing = Pairing(lambda: 0.0)
    _, objects = messages(result())
    pairing.image(5, image)
    pairing.objects(5, objects)
    with pytest.raises(FrameError, match="expected labels encoded as one of mono8, mono16; got 'rgb8'"):
        pairing.labels(5, image_from_array(image(), "rgb8", Header()))
