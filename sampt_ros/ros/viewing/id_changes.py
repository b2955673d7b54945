"""When objects' ids change hands: after a reset they start from 1 again, for other objects."""

from __future__ import annotations

from collections.abc import Mapping

IDS_SINCE = "object ids since"  # Key in the tracker's diagnostics: when its ids started from 1, seconds.


class IdChanges:
    """Counts the times that ids started again which the page does not see otherwise, since it has not asked for them.

    count  their number so far
    """

    def __init__(self) -> None:
        self.count = 0
        self._since = ""
        self._is_own = False  # Whether the next one is a reset that the page asked for.

    @property
    def since(self) -> str:
        """When ids started from 1, as the tracker told last."""
        return self._since

    def expect_own(self, since: str) -> None:
        """Note that the tracker has accepted a reset by the page; since: as it was when the page asked for it."""
        self._is_own = since == self._since  # Else the diagnostics were faster, and it was counted.

    def hear(self, values: Mapping[str, str]) -> None:
        """Take the values of the tracker's newest diagnostics; while it is not configured, they do not tell.

        The first ones count, too: there may have been a reset since the page came to know of objects.
        """
        since = values.get(IDS_SINCE, "")
        if since in ("", self._since):
            return
        self.count += not self._is_own
        self._since, self._is_own = since, False
