"""Whether a frame continues its stream. One odd frame alone is rejected; only several in a row are believed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from sampt_ros.errors import FrameError

JUMP_NS = 1_000_000_000  # a stamp this much older is a jump back in time (a recording that loops), not disorder

_AHEAD_NS = 10_000_000_000  # a stamp this much later than the last one may be wrong
_BELIEVED = 5  # odd frames in a row
_BACK = "back"  # how a frame is odd that is older than the last one


class Objects(Enum):
    """What becomes of the objects when a stream changes."""

    KEPT = auto()  # they are where they were
    SOUGHT = auto()  # they may be anywhere: they are looked for by what they looked like
    DROPPED = auto()  # what is known of them is of no use any more


@dataclass(frozen=True)
class Change:
    """Something that several frames in a row have shown.

    news     for people
    objects  what becomes of what was tracked until now
    """

    news: str
    objects: Objects


@dataclass(frozen=True)
class _Loop:
    """A jump back in time that was believed; where it comes again, the stream is a recording that loops.

    start_ns     stamp of the first frame after the jump
    believed_ns  stamp of the frame with which it was believed
    end_ns       stamp of the last frame before the jump
    """

    start_ns: int
    believed_ns: int
    end_ns: int

    def comes_again(self, last_ns: int, stamp_ns: int) -> bool:
        """Whether a frame after one of `last_ns` is where the loop begins, and not just a bit out of order there."""
        is_far_back = 2 * (last_ns - stamp_ns) > self.end_ns - self.start_ns
        return is_far_back and self.start_ns <= stamp_ns <= self.believed_ns


class Continuity:
    """Knows the time and the size of a stream's frames."""

    def __init__(self) -> None:
        self._stamp_ns: int | None = None  # of the last frame that was accepted
        self._before_ns: int | None = None  # stamp of the last frame before the stream began anew
        self._begin_anew()

    def begin_anew(self) -> None:
        """Accept the next frame, whatever it is; if it is older than those before, that is a change still."""
        self._before_ns = self._before_ns if self._stamp_ns is None else self._stamp_ns
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._stamp_ns = None
        self._is_first = True  # whether the last frame that was accepted is the first one
        self._shape: tuple[int, ...] = ()  # of the last frame's image
        self._odd: object = None  # how the last frames were odd
        self._odd_stamps: list[int] = []  # theirs
        self._loop: _Loop | None = None  # how time jumped back the last time

    def check(self, stamp_ns: int, shape: tuple[int, ...]) -> Change | None:
        """Accept the next frame, with the shape of its image; returns what has changed, if anything has.

        Raises FrameError for a frame that is older than the last one, more than 10 s later, or of another size, unless
        the four before it were odd in the same way, or time jumped back to just there before.
        """
        change = self._jump_since_before(stamp_ns) if self._stamp_ns is None else None
        oddity = self._oddity(stamp_ns, shape)
        if oddity is None:
            if stamp_ns == 0 or stamp_ns != self._stamp_ns:  # two equal stamps do not show that time goes on
                self._odd, self._odd_stamps = None, []
        else:
            kind, expected, change = oddity
            self._odd_stamps = [*self._odd_stamps, stamp_ns] if self._odd == kind else [stamp_ns]
            self._odd = kind
            if not self._is_believed(stamp_ns):
                raise FrameError(expected)
            self._odd, self._odd_stamps = None, []
        self._is_first = self._stamp_ns is None
        self._stamp_ns, self._shape = stamp_ns, shape
        return change

    def _is_believed(self, stamp_ns: int) -> bool:
        """Whether the odd frame that has just come is the last one that was needed; if so, its jump is remembered."""
        is_back, last_ns = self._odd == _BACK, self._stamp_ns or 0
        if is_back and self._loop is not None and self._loop.comes_again(last_ns, stamp_ns):
            return True
        if len(self._odd_stamps) < _BELIEVED:
            return False
        self._loop = _Loop(min(self._odd_stamps), stamp_ns, last_ns) if is_back else None
        return True

    def is_near(self, stamp_ns: int) -> bool:
        """Whether a frame of this stamp may follow the last one."""
        return self._stamp_ns is None or 0 < stamp_ns - self._stamp_ns <= _AHEAD_NS

    def _jump_since_before(self, stamp_ns: int) -> Change | None:
        """What the first frame since the stream began anew says of the time before, which transforms may be of."""
        if self._before_ns is None or stamp_ns >= self._before_ns:
            return None
        back = (self._before_ns - stamp_ns) / 1e9
        return Change(f"time jumped back by {back:.3f} s during the reset", Objects.KEPT)

    def _oddity(self, stamp_ns: int, shape: tuple[int, ...]) -> tuple[object, str, Change] | None:
        """How a frame is odd, what was expected, and what it means if the next ones are so too."""
        if self._stamp_ns is None:
            return None
        if shape != self._shape:
            now, was = (f"{shape[1]}x{shape[0]}" for shape in (shape, self._shape))
            change = Change(f"the images are now {now}, no longer {was}: all objects are dropped", Objects.DROPPED)
            return shape, f"expected an image of {was} like those before; got {now}", change
        later = (stamp_ns - self._stamp_ns) / 1e9
        if later < 0:
            back = f"{-later:.3f}" if later <= -0.001 else f"{-later:.9f}"
            change = Change(f"time jumped back by {back} s: the objects are looked for again", Objects.SOUGHT)
            if self._is_first:  # It was the odd one, and not all that came after it.
                change = Change(
                    f"time jumped back by {back} s after the first image: the objects are kept", Objects.KEPT
                )
            order = ": out of order" if -later * 1e9 < JUMP_NS else ""
            return _BACK, f"expected a stamp after the last frame's; got one {back} s older{order}", change
        if later * 1e9 > _AHEAD_NS:
            change = Change(f"time jumped ahead by {later:.3f} s: the objects are kept", Objects.KEPT)
            expected = f"expected a stamp at most {_AHEAD_NS / 1e9:g} s after the last frame's; got {later:.3f} s"
            return "ahead", expected, change
        return None
