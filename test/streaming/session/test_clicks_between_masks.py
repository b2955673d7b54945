"""Clicks on images without masks, because they were skipped or failed: which object they are about."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fakes import blank
from session_stream import MS, START, SessionStream, stepped

from sampt_ros.data_types import NEGATIVE, POSITIVE, FrameResult, LocalMask, ObjectResult, ObjectState, Points
from sampt_ros.errors import QueryError

STEP = 4  # pixels that everything moves from image to image, which is half of an object's width


def stamp(image: int) -> int:
    return START + image * 100 * MS


def busy() -> SessionStream:
    """Objects 1 at x = 8 and 2 at 20 on image 0; the next one that is tracked is image 6."""
    stream = SessionStream()
    stream.step()
    stream.start(8)
    stream.start(20)
    for _ in range(5):
        stream.skip()
    stream.tracker.drift = np.array([6 * STEP, 0], np.float32)
    stream.step()
    return stream


@pytest.mark.parametrize("label", [POSITIVE, NEGATIVE])
@pytest.mark.parametrize("image", [0, 1, 3, 5, 6])
@pytest.mark.parametrize(("object_id", "x"), [(1, 8), (2, 20)])
def test_a_click_on_a_skipped_image_is_about_the_object_that_was_there_then(object_id, x, image, label):
    stream = busy()
    answer = stream.session.click((x + image * STEP, 21), label, stamp_ns=stamp(image))
    assert answer.text.startswith(f"corrected object {object_id}")
    assert stream.ids == [1, 2]


def test_a_click_on_a_skipped_image_is_not_about_an_object_that_had_left_the_place():
    stream = busy()
    assert stream.session.click((8, 20), POSITIVE, stamp_ns=stamp(3)).text.startswith("started object 3")


def test_a_click_on_a_skipped_image_may_be_about_an_object_that_was_started_since():
    stream = busy()
    assert stream.session.click((20, 40), POSITIVE, stamp_ns=stamp(3)).text.startswith("started object 3")
    assert stream.session.click((21, 41), NEGATIVE, stamp_ns=stamp(3)).text.startswith("corrected object 3")


def test_a_click_that_may_be_on_either_of_two_objects_is_refused(stream):
    stream.start(20)
    stream.start(44)
    stream.skip()
    drift = stream.tracker.drift

    def cross(frame):
        towards = np.where(stream.tracker._tracks.xy[:, :1] < 32, [[24, 0]], [[-24, 0]])
        stream.tracker.drift = towards.astype(np.float32)
        try:
            return type(stream.tracker).update(stream.tracker, frame)
        finally:
            stream.tracker.drift = drift

    stream.tracker.update = cross
    stream.step()
    with pytest.raises(QueryError, match="on one object; got one that may be on 1 or 2"):
        stream.session.click((32, 20), POSITIVE, stamp_ns=stamp(1))
    assert stream.ids == [1, 2]


def test_a_click_on_a_thing_with_two_objects_is_about_the_first_of_them(stream):
    stream.step()
    stream.start()
    stream.step()
    stream.start(21)
    assert stream.session.click((20, 20), POSITIVE, stamp_ns=START).text.startswith("corrected object 1")


def test_a_part_that_moves_on_its_whole_is_clicked_and_not_the_whole(stream):
    stream.start()
    stream.start()
    stream.skip()
    stream.step()

    def shown(part_x: int) -> FrameResult:
        masks = np.zeros((2, 48, 64), bool)
        masks[0, 10:30, 2:62] = True
        masks[1, 16:25, part_x - 4 : part_x + 5] = True
        items = (
            ObjectResult(number, ObjectState.TRACKING, 1.0, LocalMask.of(mask), Points.none())
            for number, mask in enumerate(masks, start=1)
        )
        return FrameResult(0, (48, 64), tuple(items), wholes={2: {1}})

    kept = stream.session._kept
    stream.session._newest = shown(40)
    kept[0], kept[2] = replace(kept[0], result=shown(16)), replace(kept[2], result=shown(40))
    assert stream.session.click((28, 20), POSITIVE, stamp_ns=stamp(1)).text.startswith("corrected object 2")
    kept[2] = replace(kept[2], result=shown(40))
    stream.session._newest = shown(40)
    assert stream.session.click((50, 20), POSITIVE, stamp_ns=stamp(1)).text.startswith("corrected object 1")


def broken() -> None:
    raise RuntimeError("no such kernel")


@pytest.mark.parametrize("later", [0, 1], ids=["the newest", "a past one"])
@pytest.mark.parametrize("stamped", [True, False])
def test_a_click_on_a_frame_that_failed_corrects_the_object(monkeypatch, later, stamped):
    stream = SessionStream()
    stream.tracker.drift = np.array([10, 0], np.float32)
    stream.step()
    stream.start(10)
    stream.start(38)
    with monkeypatch.context() as patched, pytest.raises(RuntimeError):
        patched.setattr(stream.segmenter, "encode", lambda frame: broken())
        stepped(stream.session, stream.now, blank())
    stream.now += 100 * MS
    if later:
        stream.step(later)
    image = 1 if stamped else 1 + later
    answer = stream.session.click((10 + 10 * image, 21), POSITIVE, stamp_ns=stamp(1) if stamped else 0)
    assert answer.text.startswith("corrected object 1")
    # What is right again has a mask of that frame; the other object is still where its points are.
    answer = stream.session.click((38 + 10 * image, 21), POSITIVE, stamp_ns=stamp(1) if stamped else 0)
    assert answer.text.startswith("corrected object 2")
    assert stream.ids == [1, 2]


def test_a_frame_whose_points_could_not_be_moved_can_be_clicked_like_a_skipped_one(monkeypatch):
    stream = SessionStream()
    stream.step()
    stream.start(10)
    with monkeypatch.context() as patched, pytest.raises(RuntimeError):
        patched.setattr(stream.tracker, "update", lambda frame: broken())
        stepped(stream.session, stream.now, blank())
    stream.now += 100 * MS
    stream.tracker.drift = np.array([20, 0], np.float32)
    stream.step()
    assert stream.session.click((20, 20), NEGATIVE, stamp_ns=stamp(1)).text.startswith("corrected object 1")
    assert stream.session.click((20, 40), POSITIVE, stamp_ns=stamp(1)).text.startswith("started object 2")
    points = [item.points.xy[0].tolist() for item in stream.session.newest.objects]
    assert points == [[30, 20], [40, 40]]
