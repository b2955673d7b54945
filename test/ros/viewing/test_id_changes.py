"""What the diagnostics of a tracker tell of its objects' ids."""

from __future__ import annotations

import pytest

pytest.importorskip("sampt_ros.msg", reason="the messages are not built: run make setup", exc_type=ImportError)

from sampt_ros.ros.viewing.id_changes import IDS_SINCE, IdChanges


def test_each_new_start_counts_but_the_pages_own_resets():
    changes, counts = IdChanges(), []
    for since, is_own in (
        ("5.0", False),
        ("5.0", False),
        ("7.0", True),
        ("7.0", False),
        ("8.0", False),
        ("2.0", False),
    ):
        if is_own:
            changes.expect_own(changes.since)
        changes.hear({IDS_SINCE: since, "preset": "default"})
        counts.append(changes.count)
    assert counts == [1, 1, 1, 1, 2, 3]


def test_an_own_reset_that_the_diagnostics_told_before_it_was_answered_hides_no_other():
    changes = IdChanges()
    changes.hear({IDS_SINCE: "5.0"})
    asked = changes.since
    changes.hear({IDS_SINCE: "7.0"})
    changes.expect_own(asked)
    before = changes.count
    changes.hear({IDS_SINCE: "8.0"})
    assert changes.count == before + 1


def test_a_tracker_that_does_not_tell_changes_nothing():
    changes = IdChanges()
    for values in ({}, {IDS_SINCE: "5.0"}, {}, {IDS_SINCE: "5.0"}):
        changes.hear(values)
    assert changes.count == 1
