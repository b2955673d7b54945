"""Whether a frame continues its stream. One odd frame alone is rejected; only several in a row are believed."""

from __future__ import annotations

from dataclasses import dataclass

from sampt_ros.errors import FrameError

JUMP_NS = 1_000_000_000  # a stamp this much older is a jump back in time (a recording that loops), not disorder

_AHEAD_NS = 10_000_000_000  # a stamp this much later than the last one may be wrong
_BELIEVED = 5  # odd frames in a row


@dataclass(frozen=True)
class Change:
    """Something that several frames in a row have shown.

    news           for people
    drops_objects  whether what was tracked until now is of no use any more
    """

    news: str
    drops_objects: bool


class Continuity:
    """Knows the time and the size of a stream's frames."""

    def __init__(self) -> None:
        self._stamp_ns: int | None = None  # of the last frame that was accepted
        self._shape: tuple[int, ...] = ()  # of its image
        self._odd: tuple[object, int] = (None, 0)  # how the last frames were odd, and how many of them
        self._before_ns: int | None = None  # stamp of the last frame before the stream began anew

    def begin_anew(self) -> None:
        """Accept the next frame, whatever it is; if it is older than those before, that is a change still."""
        self._before_ns = self._before_ns if self._stamp_ns is None else self._stamp_ns
        self._stamp_ns, self._shape, self._odd = None, (), (None, 0)

    def check(self, stamp_ns: int, shape: tuple[int, ...]) -> Change | None:
        """Accept the next frame, with the shape of its image; returns what has changed, if anything has.

        Raises FrameError for a frame that is older than the last one, more than 10 s later, or of another size, unless
        the four before it were odd in the same way.
        """
        change = self._jump_since_before(stamp_ns) if self._stamp_ns is None else None
        oddity = self._oddity(stamp_ns, shape)
        if oddity is None:
            if stamp_ns == 0 or stamp_ns != self._stamp_ns:  # two equal stamps do not show that time goes on
                self._odd = (None, 0)
        else:
            kind, expected, change = oddity
            count = self._odd[1] + 1 if self._odd[0] == kind else 1
            self._odd = (kind, count)
            if count < _BELIEVED:
                raise FrameError(expected)
            self._odd = (None, 0)
        self._stamp_ns, self._shape = stamp_ns, shape
        return change

    def is_near(self, stamp_ns: int) -> bool:
        """Whether a frame of this stamp may follow the last one."""
        return self._stamp_ns is None or 0 < stamp_ns - self._stamp_ns <= _AHEAD_NS

    def _jump_since_before(self, stamp_ns: int) -> Change | None:
        """What the first frame since the stream began anew says of the time before, which transforms may be of."""
        if self._before_ns is None or stamp_ns >= self._before_ns:
            return None
        back = (self._before_ns - stamp_ns) / 1e9
        return Change(f"time jumped back by {back:.3f} s during the reset", drops_objects=False)

    def _oddity(self, stamp_ns: int, shape: tuple[int, ...]) -> tuple[object, str, Change] | None:
        """How a frame is odd, what was expected, and what it means if the next ones are so too."""
        if self._stamp_ns is None:
            return None
        if shape != self._shape:
            now, was = (f"{shape[1]}x{shape[0]}" for shape in (shape, self._shape))
            change = Change(f"the images are now {now}, no longer {was}: all objects are dropped", drops_objects=True)
            return shape, f"expected an image of {was} like those before; got {now}", change
        later = (stamp_ns - self._stamp_ns) / 1e9
        if later < 0:
            change = Change(f"time jumped back by {-later:.3f} s: all objects are dropped", drops_objects=True)
            order = ": out of order" if -later * 1e9 < JUMP_NS else ""
            return "back", f"expected a stamp after the last frame's; got one {-later:.3f} s older{order}", change
        if later * 1e9 > _AHEAD_NS:
            change = Change(f"time jumped ahead by {later:.3f} s: the objects are kept", drops_objects=False)
            expected = f"expected a stamp at most {_AHEAD_NS / 1e9:g} s after the last frame's; got {later:.3f} s"
            return "ahead", expected, change
        return None
