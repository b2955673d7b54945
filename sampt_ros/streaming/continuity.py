"""Whether a frame continues its stream: a single outlier is rejected, several in a row are accepted as a change.

Images of two cameras in turns are accepted, with a warning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from sampt_ros.errors import FrameError

JUMP_NS = 1_000_000_000  # a stamp this much older is a jump back in time (a recording that loops), not disorder

_MAX_GAP_NS = 10_000_000_000  # a stamp more than this after the last one is an outlier
_CONFIRMED_AFTER = 5  # outliers of one kind in a row that are accepted as a change of the stream
# Frames after which a frame_id may come back: its camera was started again, or the recording is another one.
_MAX_AWAY = 100
_BACKWARDS = "backwards"  # the kind of outlier that is older than the last frame
_AHEAD = "ahead"  # and the kind that is too far ahead of it


class ObjectHandling(Enum):
    """What happens to the tracked objects when a stream changes."""

    KEEP = auto()  # they have not moved
    SEARCH = auto()  # they may be anywhere: search for them by their appearance
    DROP = auto()  # nothing that is known of them applies any more


@dataclass(frozen=True)
class Change:
    """A change of the stream that several frames in a row have confirmed.

    message   what has changed, for the log
    handling  what happens to the objects tracked so far
    """

    message: str
    handling: ObjectHandling


@dataclass(frozen=True)
class _Loop:
    """A confirmed jump back in time; if the same jump happens again, the stream is a looping recording.

    start_ns      stamp of the first frame after the jump
    confirmed_ns  stamp of the frame that confirmed the jump
    end_ns        stamp of the last frame before the jump
    """

    start_ns: int
    confirmed_ns: int
    end_ns: int

    def restarts_at(self, last_ns: int, stamp_ns: int) -> bool:
        """Whether the frame that follows stamp `last_ns` is at the start of the loop, rather than out of order."""
        is_far_back = 2 * (last_ns - stamp_ns) > self.end_ns - self.start_ns
        return is_far_back and self.start_ns <= stamp_ns <= self.confirmed_ns


class Continuity:
    """Checks the stamp and the image size of each frame against those of the stream so far."""

    def __init__(self) -> None:
        self._stamp_ns: int | None = None  # of the last accepted frame
        self._before_reset_ns: int | None = None  # stamp of the last frame before the latest reset
        self._clear()

    def reset(self) -> None:
        """Accept any frame next; one that is older than the last frame before the reset is still reported."""
        self._before_reset_ns = self._before_reset_ns if self._stamp_ns is None else self._stamp_ns
        self._clear()

    def _clear(self) -> None:
        self._stamp_ns = None
        self._is_first = True  # whether the last accepted frame is the first one
        self._shape: tuple[int, ...] = ()  # of the last accepted image
        self._outlier: object = None  # the kind of the latest outliers
        self._outlier_stamps: list[int] = []
        self._loop: _Loop | None = None  # the latest confirmed jump back

    def check(self, stamp_ns: int, shape: tuple[int, ...], following_ns: Sequence[int] | None = None) -> Change | None:
        """Accept the next frame, given its stamp and its image's shape; returns what has changed, if anything.

        following_ns  stamps of some frames after it, in a recording

        Raises FrameError for an outlier: a frame older than the last one, more than 10 s later, or of another size. An
        outlier is accepted if the four frames before it were outliers of the same kind, if it restarts a known loop, or
        if the frames after it show that it comes after a pause, not with a wrong stamp.
        """
        change = self._jump_during_reset(stamp_ns) if self._stamp_ns is None else None
        outlier = self._find_outlier(stamp_ns, shape)
        if outlier is None:
            if stamp_ns == 0 or stamp_ns != self._stamp_ns:  # two equal stamps do not show that time goes on
                self._outlier, self._outlier_stamps = None, []
        else:
            kind, expected, change = outlier
            self._outlier_stamps = [*self._outlier_stamps, stamp_ns] if self._outlier == kind else [stamp_ns]
            self._outlier = kind
            if not self._confirm(stamp_ns, following_ns):
                raise FrameError(expected)
            self._outlier, self._outlier_stamps = None, []
        self._is_first = self._stamp_ns is None
        self._stamp_ns, self._shape = stamp_ns, shape
        return change

    def _confirm(self, stamp_ns: int, following_ns: Sequence[int] | None) -> bool:
        """Whether the latest outlier confirms a change; a confirmed jump back is remembered as a possible loop."""
        is_back, last_ns = self._outlier == _BACKWARDS, self._stamp_ns or 0
        if is_back and self._loop is not None and self._loop.restarts_at(last_ns, stamp_ns):
            return True
        goes_on_from_before = any(last_ns <= next_ns < stamp_ns for next_ns in following_ns or ())
        if self._outlier == _AHEAD and following_ns is not None and not goes_on_from_before:
            return True  # The recording goes on from here, or begins anew.
        if len(self._outlier_stamps) < _CONFIRMED_AFTER:
            return False
        self._loop = _Loop(min(self._outlier_stamps), stamp_ns, last_ns) if is_back else None
        return True

    def is_near(self, stamp_ns: int) -> bool:
        """Whether a frame with this stamp could follow the last one."""
        return self._stamp_ns is None or 0 < stamp_ns - self._stamp_ns <= _MAX_GAP_NS

    def _jump_during_reset(self, stamp_ns: int) -> Change | None:
        """A jump back in time between the last frame before a reset and the first one after it."""
        if self._before_reset_ns is None or stamp_ns >= self._before_reset_ns:
            return None
        back = (self._before_reset_ns - stamp_ns) / 1e9
        return Change(f"time jumped back by {back:.3f} s during the reset", ObjectHandling.KEEP)

    def _find_outlier(self, stamp_ns: int, shape: tuple[int, ...]) -> tuple[object, str, Change] | None:
        """The kind of outlier that a frame is, the error message, and the change if more of that kind follow."""
        if self._stamp_ns is None:
            return None
        if shape != self._shape:
            now, was = (f"{shape[1]}x{shape[0]}" for shape in (shape, self._shape))
            change = Change(f"the images are now {now}, no longer {was}: all objects are dropped", ObjectHandling.DROP)
            return shape, f"expected an image of {was} like those before; got {now}", change
        later = (stamp_ns - self._stamp_ns) / 1e9
        if later < 0:
            back = f"{-later:.3f}" if later <= -0.001 else f"{-later:.9f}"
            change = Change(f"time jumped back by {back} s: the objects are searched for again", ObjectHandling.SEARCH)
            if self._is_first:  # The first image's stamp was the outlier, not all later ones.
                change = Change(
                    f"time jumped back by {back} s after the first image: the objects are kept", ObjectHandling.KEEP
                )
            order = ": out of order" if -later * 1e9 < JUMP_NS else ""
            return _BACKWARDS, f"expected a stamp after the last frame's; got one {back} s older{order}", change
        if later * 1e9 > _MAX_GAP_NS:
            change = Change(f"time jumped ahead by {later:.3f} s: the objects are kept", ObjectHandling.KEEP)
            expected = f"expected a stamp at most {_MAX_GAP_NS / 1e9:g} s after the last frame's; got {later:.3f} s"
            return _AHEAD, expected, change
        return None


class FrameIds:
    """Notices two cameras on one topic: their images alternate, while those of one that is started again do not."""

    def __init__(self) -> None:
        self._newest: str | None = None
        self._number = 0  # of the newest frame
        self._last: dict[str, int] = {}  # number of the last frame, by frame_id

    def check(self, frame_id: str) -> str:
        """Add the frame_id of the next image; returns a warning if it comes back soon after another, else nothing."""
        self._number += 1
        other, self._newest = self._newest, frame_id
        last, self._last[frame_id] = self._last.get(frame_id), self._number
        if other is None or other == frame_id:
            return ""
        is_back = last is not None and self._number - last <= _MAX_AWAY
        self._last = {name: number for name, number in self._last.items() if self._number - number <= _MAX_AWAY}
        if not is_back:
            return ""
        one, two = sorted((other, frame_id))
        return (
            "the images' frame_id changes back and forth: expected one camera on a topic, which a node tracks in; "
            f"got {one!r} and {two!r}"
        )
