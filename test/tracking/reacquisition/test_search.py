"""Objects that are lost and come back, with a tracker and a segmenter that do what they are told."""

import numpy as np
import pytest
from fakes import DriftingTracker, SquareSegmenter

from sampt_ros.config.presets import load_preset
from sampt_ros.data_types import NEGATIVE, ObjectState
from sampt_ros.errors import QueryError
from sampt_ros.tracking.sam_pt import SamPt

HERE, THERE, TWIN = (72, 72), (232, 136), (152, 40)  # middles of places
LEARNED = 6  # frames in which an object is seen before it is hidden
CHANGES = {"segmenter": "nano", "points.negative": 0, "prompting.carry_mask": False, "reacquire.gap": 4}


def image(*objects, color=(200, 30, 30), seed=0):
    """A noisy grey table (192, 320, 3) with a square of 16 pixels about each (x, y)."""
    picture = np.random.default_rng(seed).integers(90, 130, (192, 320, 1), np.uint8).repeat(3, 2)
    for x, y in objects:
        picture[y - 8 : y + 8, x - 8 : x + 8] = color
    return picture


@pytest.fixture
def tracker():
    return DriftingTracker((0, 0))


@pytest.fixture
def segmenter():
    return SquareSegmenter()


def started(tracker, segmenter, *others, **changes):
    """A SamPt whose object at HERE was seen for a while, among others that stay."""
    sam_pt = SamPt(load_preset("default", CHANGES | changes), segmenter, tracker)
    sam_pt.step(image(HERE, *others))
    sam_pt.add_object([HERE])
    for _ in range(LEARNED):
        sam_pt.step(image(HERE, *others))
    return sam_pt


def states(sam_pt, *images):
    return [sam_pt.step(each).objects[0].state.name for each in images]


def test_what_does_not_follow_from_the_frames_before_is_searched_for_the_objects(tracker, segmenter):
    sam_pt = started(tracker, segmenter)
    assert sam_pt.look_again() == []
    assert tracker.ids == []
    assert states(sam_pt, image(THERE), image(THERE), image(THERE)) == ["LOST", "REACQUIRED", "TRACKING"]
    assert sam_pt.object_ids == [1]


@pytest.mark.parametrize("changes", [{"reacquire.enabled": False}, {}])
def test_objects_that_cannot_be_found_again_are_forgotten(tracker, segmenter, changes):
    sam_pt = started(tracker, segmenter, **changes)
    segmenter.side = 1
    sam_pt.add_object([THERE])  # which fills too little of a cell to be known
    assert sam_pt.look_again() == ([1, 2] if changes else [2])
    assert sam_pt.object_ids == ([] if changes else [1])
    assert sam_pt.add_object([HERE]).id == 3


def test_an_object_that_has_just_begun_is_found_again_too(tracker, segmenter):
    sam_pt = SamPt(load_preset("default", CHANGES), segmenter, tracker)
    sam_pt.step(image(HERE))
    sam_pt.add_object([HERE])
    assert sam_pt.look_again() == []
    assert states(sam_pt, image(THERE), image(THERE)) == ["LOST", "REACQUIRED"]


def test_an_object_that_comes_back_elsewhere_is_found_under_its_id(tracker, segmenter):
    sam_pt = started(tracker, segmenter)
    tracker.blind = True
    assert states(sam_pt, image(), image(), image(THERE)) == ["LOST"] * 3  # one look is not enough
    result = sam_pt.step(image(THERE)).objects[0]
    assert (result.id, result.state) == (1, ObjectState.REACQUIRED)
    assert result.mask[THERE[::-1]]
    assert len(result.points) == 8
    tracker.blind = False
    assert states(sam_pt, image(THERE)) == ["TRACKING"]


def test_points_are_drawn_anew_under_ids_of_their_own(tracker, segmenter):
    sam_pt = started(tracker, segmenter)
    before = set(sam_pt.step(image(HERE)).objects[0].points.id.tolist())
    tracker.blind = True
    states(sam_pt, image(), image(THERE))
    after = sam_pt.step(image(THERE)).objects[0].points
    assert not before & set(after.id.tolist())
    assert sorted(tracker.ids) == sorted(after.id.tolist())


def test_a_twin_that_was_there_all_the_time_is_not_it(tracker, segmenter):
    sam_pt = started(tracker, segmenter, TWIN)
    tracker.blind = True
    moving = [image((TWIN[0] + 8 * step, TWIN[1])) for step in range(10)]
    assert states(sam_pt, *moving) == ["LOST"] * 10
    both = image((TWIN[0] + 80, TWIN[1]), THERE)
    assert states(sam_pt, both, both)[-1] == "REACQUIRED"
    assert sam_pt._objects[1].result.mask[THERE[::-1]]


@pytest.mark.parametrize(
    "seen",
    [
        image(THERE, color=(40, 60, 190)),  # of another colour
        image(),  # nothing at all
    ],
)
def test_something_else_is_not_it(tracker, segmenter, seen):
    sam_pt = started(tracker, segmenter)
    tracker.blind = True
    assert states(sam_pt, *[seen] * 6) == ["LOST"] * 6


def test_a_mask_of_another_size_is_not_it(tracker, segmenter):
    sam_pt = started(tracker, segmenter, **{"reacquire.size_change": 1.0})
    tracker.blind = True
    segmenter.side = 25
    assert states(sam_pt, *[image(THERE)] * 4) == ["LOST"] * 4


def test_an_object_too_small_to_be_known_costs_nothing_else(tracker, segmenter):
    sam_pt = started(tracker, segmenter)
    tiny = np.zeros((192, 320), bool)
    tiny[100, 200] = True
    segmenter.side = 1
    sam_pt.add_object(mask=tiny)
    for _ in range(20):
        sam_pt.step(image(HERE))
    tracker.blind = True
    assert [item.state.name for item in sam_pt.step(image()).objects] == ["LOST", "LOST"]


def test_what_another_object_covers_is_not_it(tracker, segmenter):
    sam_pt = started(tracker, segmenter, THERE)
    sam_pt.add_object([THERE])
    tracker.hidden = set(tracker.ids[:9])
    assert states(sam_pt, *[image(THERE)] * 4) == ["LOST"] * 4


def test_an_object_whose_masks_are_refused_is_looked_for_after_a_while(tracker, segmenter):
    sam_pt = started(tracker, segmenter)
    segmenter.rate = lambda xy: float(abs(xy[0] - HERE[0]) > 40)
    assert states(sam_pt, *[image(THERE)] * 4) == ["UNCERTAIN"] * 3 + ["REACQUIRED"]


def test_a_mask_that_has_drifted_onto_something_else_is_lost_and_never_drawn_from(tracker, segmenter):
    sam_pt = started(tracker, segmenter)
    seen = states(sam_pt, *[image()] * 8)  # the tracker still believes in the points
    assert "LOST" in seen
    assert seen[-1] == "LOST"
    assert tracker.ids == []


def test_a_cut_is_checked_at_once(tracker, segmenter):
    sam_pt = started(tracker, segmenter, **{"reacquire.gap": 1000})
    assert states(sam_pt, image() // 3) == ["LOST"]


def test_a_mask_that_was_refused_at_the_cut_is_checked_when_it_comes(tracker, segmenter):
    sam_pt = started(tracker, segmenter, **{"reacquire.gap": 1000})
    segmenter.rate = lambda xy: 0.0
    assert states(sam_pt, image() // 3) == ["UNCERTAIN"]
    segmenter.rate = lambda xy: 1.0
    assert states(sam_pt, image() // 3) == ["LOST"]


def test_a_corrected_object_is_learned_anew(tracker, segmenter):
    sam_pt = started(tracker, segmenter)
    sam_pt.add_points(1, [THERE])
    assert sam_pt._objects[1].reacquisition is None


@pytest.mark.parametrize("place", [HERE, TWIN])
def test_a_lost_object_is_still_searched_for_where_somebody_says_only_that_it_is_not(tracker, segmenter, place):
    sam_pt = started(tracker, segmenter)
    sam_pt.look_again()
    assert states(sam_pt, image()) == ["LOST"]
    with pytest.raises(QueryError, match=r"a positive point, on object 1, .* \(LOST\); got 1 negative only"):
        sam_pt.add_points(1, [place], [NEGATIVE])
    assert states(sam_pt, *[image(THERE)] * 3)[-1] == "TRACKING"


def test_a_negative_point_makes_no_refused_mask_the_object(tracker, segmenter):
    sam_pt = started(tracker, segmenter)
    segmenter.rate = lambda xy: 0.0
    assert states(sam_pt, image(HERE)) == ["UNCERTAIN"]
    segmenter.rate = lambda xy: 1.0
    with pytest.raises(QueryError, match=r"\(UNCERTAIN\); got 1 negative only"):
        sam_pt.add_points(1, [TWIN], [NEGATIVE])
    assert states(sam_pt, image(HERE)) == ["TRACKING"]


def test_asking_again_and_in_another_order_changes_no_answer(tracker, segmenter):
    sam_pt = started(tracker, segmenter)
    tracker.blind = True
    states(sam_pt, image(THERE))  # One sighting: the next one near it confirms it.
    search, item, frame = sam_pt._search, sam_pt._objects[1], sam_pt._frames.newest
    nowhere = np.zeros(frame.size, bool)

    def answers():
        found = search.find(item, frame, nowhere)
        return search.is_sought(item), search.has_drifted(item, frame), found.mask.tolist(), found.score

    known = item.reacquisition
    first = answers()
    assert item.reacquisition is known
    assert (search.has_drifted(item, frame), search.is_sought(item)) == (first[1], first[0])
    assert answers() == first


def test_it_can_be_switched_off(tracker, segmenter):
    sam_pt = started(tracker, segmenter, **{"reacquire.enabled": False})
    tracker.blind = True
    assert states(sam_pt, *[image(THERE)] * 4) == ["LOST"] * 4


def test_after_a_reset_nothing_is_known(tracker, segmenter):
    sam_pt = started(tracker, segmenter)
    sam_pt.reset()
    sam_pt.step(image(HERE))
    assert sam_pt.add_object([HERE]).state == ObjectState.TRACKING
    assert sam_pt._objects[1].reacquisition is None


# Objects known from a picture


def mask_at(x, y, side=16, size=(192, 320)):
    mask = np.zeros(size, bool)
    mask[y - side // 2 : y + side // 2, x - side // 2 : x + side // 2] = True
    return mask


@pytest.fixture
def looking(tracker, segmenter):
    """A SamPt that looks for the square of a picture, before its first frame."""
    segmenter.side = 16
    sam_pt = SamPt(load_preset("default", CHANGES), segmenter, tracker)
    assert sam_pt.add_reference(image(HERE), mask_at(*HERE), object_id=7).state == ObjectState.LOST
    return sam_pt


def test_an_object_known_from_a_picture_is_found_without_a_click(looking):
    assert states(looking, image(seed=1), image(THERE, seed=1)) == ["LOST"] * 2
    result = looking.step(image(THERE, seed=1)).objects[0]
    assert (result.id, result.state) == (7, ObjectState.REACQUIRED)
    assert result.mask[THERE[::-1]]
    assert states(looking, image(THERE, seed=1)) == ["TRACKING"]


def test_a_negative_point_leaves_the_picture(looking):
    assert states(looking, image(seed=1)) == ["LOST"]
    with pytest.raises(QueryError, match="a positive point, on object 7"):
        looking.add_points(7, [TWIN], [NEGATIVE])
    assert states(looking, *[image(THERE, seed=1)] * 3)[-1] == "TRACKING"


def test_the_size_that_counts_is_that_of_the_first_mask(tracker, segmenter):
    sam_pt = SamPt(load_preset("default", CHANGES | {"reinit.policy": "similar_area"}), segmenter, tracker)
    sam_pt.step(image())
    sam_pt.add_reference(image(HERE), mask_at(*HERE))
    sam_pt.step(image())
    sam_pt.add_points(1, [THERE])  # somebody sees it first
    for _ in range(20):
        result = sam_pt.step(image(THERE)).objects[0]
    assert result.state.has_mask
    assert sam_pt._objects[1].history.started_area == result.area


def test_something_else_is_not_what_the_picture_shows(looking):
    assert states(looking, *[image(THERE, color=(40, 60, 190), seed=1)] * 4) == ["LOST"] * 4


def test_the_size_in_the_picture_says_nothing(tracker, segmenter):
    sam_pt = SamPt(load_preset("default", CHANGES | {"reacquire.size_change": 1.0}), segmenter, tracker)
    sam_pt.add_reference(image(HERE), mask_at(*HERE))
    assert states(sam_pt, *[image(THERE)] * 2)[-1] == "REACQUIRED"  # though the segmenter finds 9 pixels a side


def test_a_picture_of_another_size_and_the_next_id(tracker, segmenter):
    sam_pt = SamPt(load_preset("default", CHANGES), segmenter, tracker)
    sam_pt.step(image(HERE))
    first = sam_pt.add_object([HERE])
    found = sam_pt.add_reference(image(HERE)[:96, :160], mask_at(*HERE)[:96, :160])
    assert found.id == first.id + 1
    assert found.mask.shape == (192, 320)


def test_a_tracked_object_of_that_id_is_looked_for_anew(tracker, segmenter):
    sam_pt = started(tracker, segmenter)
    assert sam_pt.add_reference(image(THERE), mask_at(*THERE), object_id=1).state == ObjectState.LOST
    assert tracker.ids == []
    assert len(sam_pt.step(image()).objects) == 1


@pytest.mark.parametrize(("width", "height"), [(1, 1), (15, 100), (100, 15)])
def test_a_picture_that_is_too_small_to_know_an_object_from_is_refused(tracker, segmenter, width, height):
    sam_pt = started(tracker, segmenter)
    picture = np.full((height, width, 3), (190, 60, 40), np.uint8)
    with pytest.raises(QueryError, match=f"at least 16x16 pixels to know an object from; got {width}x{height}"):
        sam_pt.add_reference(picture, np.ones((height, width), bool))
    assert sam_pt.object_ids == [1]


def test_a_small_picture_will_do(tracker, segmenter):
    sam_pt = started(tracker, segmenter)
    picture = np.full((16, 16, 3), (190, 60, 40), np.uint8)
    assert sam_pt.add_reference(picture, np.ones((16, 16), bool)).id == 2


@pytest.mark.parametrize(
    "mask, changes, expected",
    [
        (np.zeros((192, 320), bool), {}, "at least one pixel"),
        (np.ones((5, 5), bool), {}, r"shape \(192, 320\)"),
        (mask_at(72, 72, side=2), {}, "expected an object that fills 5% of a cell of"),
        (mask_at(72, 72), {"reacquire.enabled": False}, "reacquire.enabled"),
        (mask_at(72, 72), {"max_objects": 1}, "max_objects"),
    ],
)
def test_a_picture_that_does_not_do_is_refused_and_nothing_has_changed(tracker, segmenter, mask, changes, expected):
    sam_pt = started(tracker, segmenter, **changes)
    with pytest.raises(QueryError, match=expected):
        sam_pt.add_reference(image(THERE), mask)
    assert sam_pt.object_ids == [1]
