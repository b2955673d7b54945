from __future__ import annotations

from collections import deque

import numpy as np
import pytest

from sampt_ros.config.core import ReinitConfig
from sampt_ros.data_types import LocalMask
from sampt_ros.errors import ConfigError
from sampt_ros.tracking.reinit import REINIT_POLICIES, AcceptedMask, MaskHistory, build_reinit_policy

HORIZON = 4


def history(areas: dict[int, int], since: int = 0, started: int = 100) -> MaskHistory:
    """An object with accepted masks of these areas, by frame."""
    accepted = deque(AcceptedMask(index, LocalMask.of(np.ones((1, area), bool))) for index, area in areas.items())
    return MaskHistory(started, since, accepted)


def choose(policy: str, now: int, **objects: MaskHistory) -> dict[str, int]:
    """By object, the frame whose mask it starts again from."""
    chosen = build_reinit_policy(ReinitConfig(policy, HORIZON)).choose(now, objects)
    return {name: mask.index for name, mask in chosen.items()}


looking_back = pytest.mark.parametrize("policy", ["median_area", "similar_area", "similar_area_together"])
renewing = pytest.mark.parametrize("policy", [name for name in REINIT_POLICIES if name != "never"])


@pytest.mark.parametrize("policy", REINIT_POLICIES)
def test_no_objects_are_no_trouble(policy):
    assert choose(policy, 9) == {}


def test_never_is_never():
    assert choose("never", 100, cup=history({100: 100})) == {}


@renewing
def test_an_object_is_due_a_horizon_after_its_points_were_drawn(policy):
    assert choose(policy, 13, cup=history({13: 100}, since=10)) == {}
    assert choose(policy, 14, cup=history({14: 100}, since=10)) == {"cup": 14}
    assert choose(policy, 20, cup=history({20: 100}, since=10)) == {"cup": 20}


@renewing
def test_an_object_without_accepted_masks_waits(policy):
    assert choose(policy, 14, cup=history({}, since=10)) == {}


def test_horizon_takes_the_newest_frame_only():
    # the mask of frame 14 was refused: nothing to start from until 15
    assert choose("horizon", 14, cup=history({12: 100, 13: 100}, since=10)) == {}
    assert choose("horizon", 15, cup=history({12: 100, 13: 100, 15: 100}, since=10)) == {"cup": 15}


def test_horizon_renews_all_objects_together_as_soon_as_one_is_due():
    due, young, refused = history({14: 100}, since=10), history({14: 100}, since=12), history({13: 100}, since=10)
    assert choose("horizon", 14, due=due, young=young, refused=refused) == {"due": 14, "young": 14}
    # an object that is due but was refused does not renew the others
    assert choose("horizon", 14, young=young, refused=refused) == {}


@looking_back
def test_only_the_past_horizon_is_looked_back_on(policy):
    # the perfect mask of frame 10 is too old at 14, and just not at 13
    areas = {10: 100, 11: 300, 12: 200, 13: 200, 14: 300}
    assert choose(policy, 14, cup=history(areas, since=0)) != {"cup": 10}
    assert choose("similar_area", 13, cup=history(areas, since=0)) == {"cup": 10}
    assert choose(policy, 30, cup=history(areas, since=0)) == {}


@looking_back
def test_masks_from_before_the_points_were_drawn_are_not_used(policy):
    # frame 10 is when they were drawn
    assert choose(policy, 14, cup=history({10: 100, 11: 200}, since=10)) == {"cup": 11}
    assert choose(policy, 14, cup=history({9: 100, 10: 100}, since=10)) == {}


@looking_back
def test_the_newest_wins_a_tie(policy):
    assert choose(policy, 14, cup=history({11: 90, 12: 110, 13: 110, 14: 90}, since=10, started=100)) == {"cup": 14}


@looking_back
def test_refused_masks_are_passed_over(policy):
    # frames 12 and 14 were refused
    assert choose(policy, 14, cup=history({11: 100, 13: 100}, since=10)) == {"cup": 13}


def test_median_area_takes_the_mask_nearest_to_the_median():
    assert choose("median_area", 14, cup=history({11: 10, 12: 50, 13: 60, 14: 900}, since=10)) == {"cup": 13}


def test_similar_area_takes_the_mask_nearest_to_the_first():
    assert choose("similar_area", 14, cup=history({11: 10, 12: 50, 13: 60, 14: 900}, since=10, started=45)) == {
        "cup": 12
    }


@pytest.mark.parametrize("policy", ["median_area", "similar_area"])
def test_each_object_is_renewed_for_itself(policy):
    cup, box, young = (history({frame: 100}, since) for frame, since in ((12, 10), (13, 10), (14, 12)))
    assert choose(policy, 14, cup=cup, box=box, young=young) == {"cup": 12, "box": 13}


def test_similar_area_together_takes_one_frame_for_all():
    # relative changes: cup 0, 0.5, 0.2; box 0.5, 0, 0.2: the sum is least in frame 14
    cup = history({12: 100, 13: 150, 14: 120}, since=10, started=100)
    box = history({12: 500, 13: 1000, 14: 800}, since=10, started=1000)
    assert choose("similar_area_together", 14, cup=cup, box=box) == {"cup": 14, "box": 14}


def test_similar_area_together_needs_a_frame_in_which_all_were_accepted():
    cup, box = history({12: 100, 13: 150}, since=10), history({13: 100, 14: 100}, since=10)
    assert choose("similar_area_together", 14, cup=cup, box=box) == {"cup": 13, "box": 13}
    assert choose("similar_area_together", 14, cup=cup, box=history({14: 100}, since=10)) == {}


def test_similar_area_together_leaves_out_objects_without_a_mask():
    assert choose("similar_area_together", 14, cup=history({14: 100}, since=10), lost=history({}, since=10)) == {
        "cup": 14
    }


@pytest.mark.parametrize("policy", REINIT_POLICIES)
def test_memory_is_bounded_by_the_horizon(policy):
    assert 1 <= build_reinit_policy(ReinitConfig(policy, HORIZON)).lookback <= HORIZON


def test_the_configuration_offers_every_policy():
    choices = ReinitConfig.__dataclass_fields__["policy"].metadata["option"].choices
    assert set(choices) == set(REINIT_POLICIES)


def test_an_unknown_policy_is_refused_with_the_choices(monkeypatch):
    monkeypatch.delitem(REINIT_POLICIES, "horizon")
    with pytest.raises(ConfigError, match=r"expected one of never, median_area.*'horizon'"):
        build_reinit_policy(ReinitConfig("horizon"))
