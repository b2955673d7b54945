"""Clicks: which object they are about."""

from __future__ import annotations

import numpy as np
import pytest
from fakes import blank
from session_stream import START, SessionStream

from sampt_ros.data_types import NEGATIVE, POSITIVE
from sampt_ros.errors import QueryError
from sampt_ros.streaming.requests import Action, Reference, Request


def test_a_click_beside_all_masks_starts_an_object(stream):
    stream.session.click((20, 20), POSITIVE)
    stream.step()
    stream.session.click((50, 40), POSITIVE)
    assert stream.ids == [1, 2]


def test_a_click_beside_all_masks_may_extend_the_last_clicked_object(stream):
    stream.session.click((20, 20), POSITIVE, extend=True)
    stream.step()
    assert stream.session.click((50, 40), POSITIVE, extend=True).text.startswith("corrected object 1")
    assert stream.ids == [1]


@pytest.mark.parametrize("frames", [0, 1], ids=["at once", "a frame later"])
def test_a_click_on_a_mask_corrects_that_object(stream, frames):
    stream.session.click((20, 20), POSITIVE)
    stream.session.click((50, 40), POSITIVE)
    for _ in range(frames):
        stream.step()
    for label in (POSITIVE, NEGATIVE):
        assert stream.session.click((21, 21), label).text.startswith("corrected object 1")
    assert stream.ids == [1, 2]


def test_a_background_click_belongs_to_the_object_clicked_last(stream):
    with pytest.raises(QueryError, match="after a click on an object"):
        stream.session.click((5, 5), NEGATIVE)
    stream.session.click((20, 20), POSITIVE)
    stream.session.click((50, 40), POSITIVE)
    assert stream.session.click((5, 5), NEGATIVE).text.startswith("corrected object 2")
    stream.session.answer(Request(Action.REMOVE, 2))
    with pytest.raises(QueryError, match="after a click on an object"):
        stream.session.click((5, 5), NEGATIVE)


def moved_away() -> SessionStream:
    """An object that was at (20, 20) on the first image, and whose mask has left that place since."""
    stream = SessionStream()
    stream.step()
    stream.session.click((20, 20), POSITIVE)
    stream.step(9)
    return stream


@pytest.mark.parametrize("label", [POSITIVE, NEGATIVE])
def test_a_click_on_a_past_image_is_about_the_object_that_was_there(label):
    stream = moved_away()
    stream.start(50, 40)  # It is clicked last, but not meant.
    assert stream.session.click((21, 21), label, stamp_ns=START + 1).text.startswith("corrected object 1")
    assert stream.ids == [1, 2]


def test_a_click_on_a_past_image_is_not_about_an_object_that_came_there_later():
    stream = moved_away()
    assert stream.session.click((29, 20), POSITIVE, stamp_ns=START).text.startswith("started object 2")


def test_a_click_on_a_past_image_may_be_about_an_object_that_was_started_since(stream):
    stream.step()
    stream.session.click((20, 20), POSITIVE)
    assert stream.session.click((21, 21), NEGATIVE, stamp_ns=START).text.startswith("corrected object 1")


def test_two_things_are_clicked_on_the_same_past_image_though_one_has_moved_to_where_the_other_was():
    stream = SessionStream()
    stream.step(10)
    assert stream.session.click((20, 20), POSITIVE, stamp_ns=START).text.startswith("started object 1")
    assert stream.session.click((29, 20), POSITIVE, stamp_ns=START).text.startswith("started object 2")
    for _ in range(2):
        assert stream.session.click((19, 21), NEGATIVE, stamp_ns=START).text.startswith("corrected object 1")
        stream.step()


def test_a_click_on_a_past_image_is_not_about_what_had_the_id_of_a_reference(stream):
    stream.session.click((20, 20), POSITIVE)
    stream.step(3)
    stream.session.add_reference(Reference(blank(), np.ones((48, 64), bool), object_id=1))
    assert stream.session.click((21, 20), POSITIVE, stamp_ns=START + 1).text.startswith("started object 2")


def test_a_click_on_a_past_image_is_not_about_what_had_the_id_before():
    stream = moved_away()
    stream.start(50, 40, action=Action.REPLACE, object_id=1)
    stream.step()
    assert stream.session.click((22, 20), POSITIVE, stamp_ns=START).text.startswith("started object 2")


def test_a_click_on_an_image_before_a_reset_is_about_none_of_the_objects_then(stream):
    stream.session.click((20, 20), POSITIVE)
    stream.step()
    stream.session.reset()
    stream.session.click((50, 40), POSITIVE)
    stream.step(4)
    assert stream.session.click((20, 20), POSITIVE, stamp_ns=START).text.startswith("started object 2")


@pytest.mark.parametrize("stamp_ns", [0, START + 1], ids=["on the newest image", "on a past one"])
def test_under_a_removed_object_is_the_one_beneath(stream, stamp_ns):
    stream.start()
    stream.start()  # The same thing, by a double click.
    stream.step()
    stream.session.answer(Request(Action.REMOVE, 2))
    assert stream.session.click((20, 20), POSITIVE, stamp_ns=stamp_ns).text.startswith("corrected object 1")


def test_the_mask_of_a_removed_object_is_background(stream):
    stream.session.click((20, 20), POSITIVE)
    stream.step()
    stream.session.answer(Request(Action.REMOVE, 1))
    assert stream.session.click((21, 20), POSITIVE).text.startswith("started object 2")


@pytest.mark.parametrize("xy", [(np.nan, 20), (20, np.inf), (-1, 20), (64, 20), (20, 48)])
def test_a_click_outside_the_image_is_refused(stream, xy):
    stream.session.click((20, 20), POSITIVE)
    with pytest.raises(QueryError):
        stream.session.click(xy, POSITIVE)
    assert stream.ids == [1]
