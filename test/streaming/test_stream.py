"""A video through the stream, as `sampt track` has it."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import Mock

import numpy as np
import pytest
from fakes import DriftingTracker, SquareSegmenter, blank
from streams import follow

from sampt_ros.cli.options.prompts import parse_starts
from sampt_ros.config.core import SamPtConfig
from sampt_ros.data_types import POSITIVE, ObjectState, check_image
from sampt_ros.errors import QueryError, SamPtError
from sampt_ros.geometry.camera import Pinhole
from sampt_ros.io.image_files import write_image
from sampt_ros.io.label_images import write_labels
from sampt_ros.streaming.requests import Action, ObjectStart, Reference, Request
from sampt_ros.streaming.stream import Stream
from sampt_ros.streaming.tracked_frame import ImageEvent
from sampt_ros.tracking.sam_pt import SamPt


@pytest.fixture
def sam_pt():
    return SamPt(SamPtConfig(), SquareSegmenter(), DriftingTracker())


@pytest.fixture
def label_image(tmp_path):
    labels = np.zeros((48, 64), np.uint8)
    labels[5:15, 5:15], labels[25:35, 25:35] = 3, 7
    write_labels(tmp_path / "labels.png", labels)
    return str(tmp_path / "labels.png")


def test_an_object_has_a_reference_or_prompts(sam_pt, label_image, tmp_path):
    write_image(tmp_path / "cup.png", blank())
    starts = parse_starts(["3,4,1,3"], [], [], [str(tmp_path / "cup.png")], [label_image])
    with pytest.raises(SamPtError, match="object 3 from a reference picture or from prompts; got both"):
        next(follow(sam_pt, [blank()], starts))


def test_an_object_of_a_reference_is_lost_until_it_is_found(sam_pt, label_image, tmp_path):
    write_image(tmp_path / "cup.png", blank())
    starts = parse_starts([], [], [], [str(tmp_path / "cup.png")], [f"{label_image},5"])
    _, result = next(follow(sam_pt, [blank()], starts))
    assert [(item.id, item.state) for item in result.objects] == [(5, ObjectState.LOST)]


def test_the_first_frame_has_the_started_objects(sam_pt):
    results = [result for _, result in follow(sam_pt, [blank()] * 3, parse_starts(["20,20", "40,30,1,4"], [], []))]
    assert [[item.id for item in result.objects] for result in results] == [[1, 4]] * 3
    assert all(item.state == ObjectState.TRACKING for result in results for item in result.objects)


def test_a_frame_without_memory_for_it_has_no_objects_and_keeps_its_number(sam_pt, monkeypatch, caplog):
    starts, move = parse_starts(["20,20"], [], []), sam_pt._points.tracker.update
    moves = iter([move, move, Mock(side_effect=MemoryError), move])
    monkeypatch.setattr(sam_pt._points.tracker, "update", lambda frame: next(moves)(frame))
    results = [result for _, result in follow(sam_pt, [blank()] * 4, starts)]
    assert [result.index for result in results] == [0, 1, 2, 3]
    assert [len(result.objects) for result in results] == [1, 1, 0, 1]
    assert "frame 2 is rejected: out of memory" in caplog.text


def test_an_object_outside_the_image_is_refused(sam_pt):
    with pytest.raises(QueryError, match="inside the 64x48 image"):
        next(follow(sam_pt, [blank()], parse_starts(["200,20"], [], [])))


@pytest.mark.parametrize("error", [ZeroDivisionError("a fault"), NameError("a fault"), AssertionError("a fault")])
def test_any_error_in_a_frame_costs_that_frame_alone(sam_pt, monkeypatch, caplog, error):
    step, steps = sam_pt.step, iter([None, error, None])

    def failing(image):
        if (raised := next(steps)) is not None:
            raise raised
        return step(image)

    monkeypatch.setattr(sam_pt, "step", failing)
    results = [result for _, result in follow(sam_pt, [blank()] * 3, parse_starts(["20,20"], [], []))]
    assert [len(result.objects) for result in results] == [1, 0, 1]
    assert "frame 1 is rejected, because of a fault" in caplog.text


def test_an_image_of_another_size_is_dropped_and_the_next_one_tracked(sam_pt, caplog):
    images = [blank(), blank(30, 30), blank()]
    results = [result for _, result in follow(sam_pt, images, parse_starts(["20,20"], [], []))]
    assert [result.index for result in results] == [0, 2]
    assert "frame 1 is rejected: expected an image of 64x48 like those before; got 30x30" in caplog.text


def test_a_change_that_a_failing_frame_shows_is_told_and_followed(sam_pt, monkeypatch, caplog):
    stream = Stream.of_recording(sam_pt, {})
    pixels = np.zeros((48, 64), bool)
    pixels[10:30, 10:30] = True
    stream.image(event(0, blank()))
    stream.reference(lambda: Reference(blank(), pixels, 7))
    for index in range(1, 5):
        assert stream.image(event(index, blank(30, 30))) is None
    move = sam_pt._points.tracker.update
    monkeypatch.setattr(sam_pt._points.tracker, "update", Mock(side_effect=MemoryError))
    frame = stream.image(event(5, blank(30, 30)))
    assert frame.failed
    assert "the images are now 30x30, no longer 64x48" in caplog.text
    monkeypatch.setattr(sam_pt._points.tracker, "update", move)
    assert [item.id for item in stream.image(event(6, blank(30, 30))).result.objects] == [7]


@pytest.mark.parametrize(("later_ns", "is_cleared"), [(-20_000_000_000, True), (100_000_000, False)])
def test_transforms_are_forgotten_where_time_jumps_back_during_a_reset(sam_pt, later_ns, is_cleared):
    stream = Stream.of_recording(sam_pt, {})
    stream.clicks.transforms = Mock()
    stream.image(ImageEvent(100_000_000_000, None, blank))
    stream.reset()
    stream.image(ImageEvent(100_000_000_000 + later_ns, None, blank))  # the first one is believed at once
    assert stream.clicks.transforms.clear.called == is_cleared


def test_objects_of_the_command_line_that_start_later_than_asked_are_told(sam_pt, caplog):
    stream = Stream.of_recording(sam_pt, parse_starts(["20,20"], [], []))
    assert stream.image(event(0, np.zeros((48, 64), np.uint8))) is None
    assert [item.id for item in stream.image(event(1, blank())).result.objects] == [1]
    assert "object 1 starts on image 1, the first that can be used" in caplog.text


def event(number: int, image: np.ndarray) -> ImageEvent:
    """An image without a stamp."""
    return ImageEvent(0, None, lambda: check_image(image), number=number)


def test_a_start_that_does_not_fit_the_image_is_fitted_and_that_is_told(sam_pt, caplog):
    starts = {1: ObjectStart(mask=np.ones((24, 32), bool)), 2: ObjectStart(box=[50, 10, 90, 30])}
    _, result = next(follow(sam_pt, [blank()], starts))
    assert [item.id for item in result.objects] == [1, 2]
    assert "object 1: its mask scaled from 32x24 to 64x48" in caplog.text
    assert "object 2: its box clipped to the 64x48 image" in caplog.text


# References


def picture_of(object_id: int, edge: int = 10) -> Reference:
    image = blank()
    image[10:20, edge : edge + 10] = 200
    return Reference(image, image[..., 0] > 0, object_id)


def started(sam_pt: SamPt) -> Stream:
    stream = Stream.of_recording(sam_pt, {})
    stream.image(ImageEvent(1, None, blank))
    return stream


def test_references_without_an_id_get_one_that_was_never_used(sam_pt):
    stream = started(sam_pt)
    sam_pt.add_object([(20, 20)], object_id=65535)
    attempts = [stream.reference(lambda edge=edge: picture_of(0, edge)) for edge in (10, 30)]
    assert [attempt.answer.object.id for attempt in attempts] == [1, 2]
    assert [attempt.answer.text for attempt in attempts] == ["object 1: searched for", "object 2: searched for"]
    assert sam_pt.object_ids == [65535, 1, 2]
    stream.reset()
    assert sam_pt.object_ids == [1, 2]


@pytest.mark.parametrize("asked", [0, 7])
@pytest.mark.parametrize("is_replaced", [False, True])
def test_a_reference_delivered_again_does_not_bring_back_what_was_removed_or_replaced(sam_pt, asked, is_replaced):
    stream, name = started(sam_pt), asked or 1
    stream.reference(lambda: picture_of(asked), sent_ns=5)
    action = Action.REPLACE if is_replaced else Action.REMOVE
    stream.query(lambda: Request(action, name, np.array([(30.0, 30.0)], np.float32), np.array([1], np.uint8)))
    again = stream.reference(lambda: picture_of(asked), sent_ns=5)
    assert again.error is None and again.answer.text.startswith(f"object {name}: not searched for again, as it was ")
    assert [item.state for item in sam_pt.newest_result.objects] == ([ObjectState.TRACKING] if is_replaced else [])


def test_a_reference_that_another_one_replaced_stays_so_when_both_are_delivered_again(sam_pt):
    stream = started(sam_pt)
    for sent_ns, edge in ((5, 10), (6, 30)):
        stream.reference(lambda edge=edge: picture_of(7, edge), sent_ns)
    again = [stream.reference(lambda edge=edge: picture_of(7, edge), sent) for sent, edge in ((5, 10), (6, 30))]
    assert "not searched for again" in again[0].answer.text
    assert again[1].answer.text == "object 7: already searched for"
    assert stream.statistics["queries_accepted"] == 2


@pytest.mark.parametrize("sent_ns", [0, 6])
def test_a_reference_that_is_published_anew_brings_its_object_back(sam_pt, sent_ns):
    stream = started(sam_pt)
    stream.reference(lambda: picture_of(7), sent_ns and 5)
    stream.query(lambda: Request(Action.REMOVE, 7))
    assert stream.reference(lambda: picture_of(7), sent_ns).answer.text == "object 7: searched for"
    assert sam_pt.object_ids == [7]


def test_a_reference_that_was_refused_is_tried_when_it_is_delivered_again(sam_pt):
    stream = started(sam_pt)
    stream.session.sam_pt.config = replace(sam_pt.config, max_objects=1)
    sam_pt.add_object([(20, 20)])
    assert stream.reference(lambda: picture_of(7), sent_ns=5).reason.startswith("expected at most max_objects")
    sam_pt.remove_object(1)
    assert stream.reference(lambda: picture_of(7), sent_ns=5).answer.text == "object 7: searched for"


def test_only_the_newest_deliveries_are_remembered(sam_pt, monkeypatch):
    monkeypatch.setattr("sampt_ros.streaming.stream._MAX_DELIVERED", 2)
    stream = started(sam_pt)
    for sent_ns in (5, 6, 7):
        stream.reference(lambda: picture_of(7), sent_ns)
    assert stream._delivered == {6: 7, 7: 7}


# Clicks in space


@pytest.mark.parametrize(
    ("stamp_ns", "note"), [(0, ""), (1, ""), (1_500_000_001, "1.500 s older than the query's stamp")]
)
def test_a_click_in_space_says_when_its_stamp_is_ahead_of_all_images(sam_pt, stamp_ns, note):
    stream = started(sam_pt)
    stream.camera(
        lambda rectified: Pinhole(np.array([[50.0, 0, 32], [0, 50.0, 24], [0, 0, 1]]), np.zeros(0), "", 64, 48)
    )
    attempt = stream.click_in_space(POSITIVE, np.array([0.0, 0.0, 1.0]), "", lambda: stamp_ns)
    assert attempt.error is None and attempt.answer.text.startswith("started object 1: TRACKING")
    assert attempt.answer.text.partition("on the newest image, ")[2] == note
