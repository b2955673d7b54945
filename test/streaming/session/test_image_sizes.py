"""Images of another size than those before."""

from __future__ import annotations

import pytest
from fakes import blank
from session_stream import stepped

from sampt_ros.errors import FrameError
from sampt_ros.streaming.continuity import Change, ObjectHandling


def test_single_frames_of_another_size_are_dropped(stream):
    stream.start()
    for _ in range(6):
        with pytest.raises(FrameError, match="expected an image of 64x48 like those before; got 40x30"):
            stepped(stream.session, stream.now, blank(30, 40))
        stream.step()
    assert stream.ids == [1]


def test_a_lasting_change_of_size_drops_the_objects(stream):
    stream.start()
    # one of a third size in between: the count begins anew
    for height, width in [(30, 40)] * 4 + [(20, 20)] + [(30, 40)] * 4:
        with pytest.raises(FrameError):
            stepped(stream.session, stream.now, blank(height, width))
    result, change = stepped(stream.session, stream.now, blank(30, 40))
    assert change == Change("the images are now 40x30, no longer 64x48: all objects are dropped", ObjectHandling.DROP)
    assert (result.size, result.objects, stream.session.size) == ((30, 40), (), (30, 40))
