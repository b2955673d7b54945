"""Images of a bag that are far apart in time: time lapses, pauses, wrong stamps, loops."""

from __future__ import annotations

import bags
import pytest
from bag_tracking import ONE, tracked
from bags import IMAGES, PERIOD, START
from fakes import blank

from sampt_ros.bags import outlook
from sampt_ros.bags.outlook import with_outlook

FAR = 15_000_000_000 // PERIOD  # images to 15 s


@pytest.mark.parametrize(
    ("stamps", "lost"),
    [
        (range(0, 8 * FAR, FAR), []),  # a time lapse
        ([0, 1, FAR, FAR + 1], []),  # a pause
        ([0, 1, 2, FAR], []),  # one before the last image
        ([0, FAR, 1, 2, 3], [1]),  # a wrong stamp
        ([0, FAR, FAR - 1, 2 * FAR], [1]),  # two images in the wrong order
        ([0, 1, *range(FAR, FAR + 4), 2, 3, 4], [2, 3, 4, 5]),  # four wrong stamps
        (
            [*range(0, 6 * FAR, FAR)] * 3,
            [6, 7, 8, 9],
        ),  # a time lapse in a loop, whose first jump back is to be confirmed
    ],
)
def test_images_after_a_pause_are_kept_unless_one_of_the_next_goes_on_from_before(tmp_path, sam_pt, stamps, lost):
    sent = [bags.image(index, blank()) for index in stamps]
    results, _ = tracked(bags.write(tmp_path / "in", sent), sam_pt, ONE)
    assert [number for number, each in enumerate(results) if each is None] == lost


def entry(index: int, topic: str = IMAGES):
    data = bags.bag_types.types().serialize_cdr(bags.header(index), "std_msgs/msg/Header")
    return topic, 0, bytes(data)


def stamp(index: int) -> int:
    return START + index * PERIOD


def test_messages_stay_in_order_and_images_know_when_the_next_four_are():
    images = [entry(index) for index in (5, 3, 4, 6, 7, 8)]
    sent = [entry(0, "/depth"), images[0], entry(1, "/depth"), *images[1:], entry(9, "/depth")]
    found = list(with_outlook(sent, IMAGES))
    assert [each for each, _ in found] == sent
    later = [(3, 4, 6, 7), (4, 6, 7, 8), (6, 7, 8), (7, 8), (8,), ()]
    expected = [tuple(map(stamp, indices)) for indices in later]
    assert [following for _, following in found] == [(), expected[0], (), *expected[1:], ()]


@pytest.mark.parametrize("damaged", [b"", bytes(8), b"\0\1\0\0" + b"\xff" * 8])
def test_an_image_without_a_readable_stamp_shows_nothing_wrong(damaged):
    sent = [entry(5), (IMAGES, 0, damaged), entry(6)]
    assert [following for _, following in with_outlook(sent, IMAGES)] == [(stamp(6),), (stamp(6),), ()]


def test_what_comes_after_the_last_image_does_not_pile_up(monkeypatch):
    monkeypatch.setattr(outlook, "_MAX_WAITING_BYTES", 100)
    taken = []
    sent = (taken.append(index) or entry(index, IMAGES if index == 0 else "/depth") for index in range(50))
    next(with_outlook(sent, IMAGES))
    assert len(taken) < 10
