"""What the tracker of bags finds, and the bag that is written of it."""

from __future__ import annotations

import bags

from sampt_ros.bags.reader import BagReader
from sampt_ros.bags.recorder import BagRecorder
from sampt_ros.bags.topics import choose_inputs
from sampt_ros.bags.tracker import BagTracker
from sampt_ros.cli.options.prompts import parse_starts

ONE, TWO = ["20,20"], ["20,20", "40,30,1,2"]


def tracked(path, sam_pt, points=(), **names):
    """What the tracker makes of a bag, and the tracker."""
    starts = parse_starts(points, [], []) if points else {}
    with BagReader(path) as bag:
        tracker = BagTracker(sam_pt, choose_inputs(bag.topics, **names), starts)
        return list(tracker.track(bag)), tracker


def recorded(path, out, sam_pt, points=ONE, storage="mcap", overlay=False):
    """The messages of the bag that is written; see bags.read."""
    with BagRecorder(out, storage, overlay) as recorder:
        for result in tracked(path, sam_pt, points)[0]:
            recorder.add(result)
    return bags.read(out)
