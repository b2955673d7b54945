"""Memory that runs out costs a frame, not the stream; from then on less of it is used."""

from __future__ import annotations

import copy

import pytest
from fakes import DriftingTracker, SquareSegmenter, blank

from sampt_ros.config.core import SamPtConfig
from sampt_ros.config.options import updated
from sampt_ros.data_types import Frame, ObjectState
from sampt_ros.errors import OutOfMemoryError
from sampt_ros.tracking.sam_pt import SamPt

torch = pytest.importorskip("torch", reason="torch is missing, whose errors these are", exc_type=ImportError)

CUDA = torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


class TightSegmenter(SquareSegmenter):
    """Has memory for `room` objects at once; where `frames_fit` is false, for no frame until it economizes."""

    room = 100
    frames_fit = True
    error: BaseException = CUDA

    def encode(self, frame):
        if not self.frames_fit:
            raise self.error
        return super().encode(frame)

    def decode(self, embedding, prompts, ambiguous=False):
        if len(prompts) > self.room:
            raise self.error
        return super().decode(embedding, prompts, ambiguous)

    def economize(self):
        if self.frames_fit:
            return ""
        self.frames_fit = True
        return "from now on it is coarse"


class TightTracker(DriftingTracker):
    error: BaseException | None = None

    def update(self, frame):
        if self.error:
            raise self.error
        return super().update(frame)


@pytest.fixture
def segmenter():
    return TightSegmenter()


@pytest.fixture
def tracker():
    return TightTracker()


@pytest.fixture
def sam_pt(segmenter, tracker):
    sam_pt = SamPt(SamPtConfig(), segmenter, tracker)
    sam_pt.step(blank())
    for x in (10, 25, 40, 55, 60):
        sam_pt.add_object(points=[(x, 24)])
    return sam_pt


def states(result) -> set[ObjectState]:
    return {item.state for item in result.objects}


@pytest.mark.parametrize("error", [CUDA, MemoryError("cannot allocate")], ids=["GPU", "machine"])
def test_objects_are_decoded_fewer_at_a_time(sam_pt, segmenter, error):
    segmenter.room, segmenter.error = 2, error
    with pytest.raises(OutOfMemoryError, match="from now on masks are made 3 at a time"):
        sam_pt.step(blank())
    with pytest.raises(OutOfMemoryError, match="from now on masks are made 2 at a time"):
        sam_pt.step(blank())
    segmenter.passes.clear()
    result = sam_pt.step(blank())
    assert states(result) == {ObjectState.TRACKING}
    assert max(len(prompts) for prompts, _ in segmenter.passes) == 2
    assert result.index == 3


def test_no_more_are_decoded_at_once_than_the_segmenter_is_fastest_with(segmenter, tracker):
    segmenter.at_once = 2
    sam_pt = SamPt(SamPtConfig(), segmenter, tracker)
    sam_pt.step(blank())
    positions = [(10, 10), (30, 10), (50, 10), (10, 30), (30, 30)]
    for position in positions:
        sam_pt.add_object([position])
    segmenter.passes.clear()
    result = sam_pt.step(blank())
    sizes = [len(prompts) for prompts, _ in segmenter.passes]
    assert (max(sizes), sizes[-1]) == (2, 1)
    assert [item.state for item in result.objects] == [ObjectState.TRACKING] * 5


def test_an_encoder_that_finds_no_room_economizes(sam_pt, segmenter):
    segmenter.frames_fit = False
    with pytest.raises(OutOfMemoryError, match="from now on it is coarse"):
        sam_pt.step(blank())
    assert states(sam_pt.step(blank())) == {ObjectState.TRACKING}


def test_where_nothing_is_left_to_save_the_message_says_what_to_do(sam_pt, segmenter):
    segmenter.room = 0
    for _ in range(3):  # 3, 2, 1 at a time
        with pytest.raises(OutOfMemoryError, match="at a time"):
            sam_pt.step(blank())
    with pytest.raises(OutOfMemoryError, match="take a smaller preset, fewer objects or smaller images"):
        sam_pt.step(blank())
    segmenter.room = 1  # as when another program ends
    assert states(sam_pt.step(blank())) == {ObjectState.TRACKING}


def test_a_tracker_without_room_leaves_everything_as_it_was(sam_pt, tracker):
    before = sam_pt.step(blank())
    tracker.error = CUDA
    with pytest.raises(OutOfMemoryError):
        sam_pt.step(blank())
    tracker.error = None
    after = sam_pt.step(blank())
    assert after.index == before.index + 1
    for was, now in zip(before.objects, after.objects):
        assert (now.points.xy[0] - was.points.xy[0]).tolist() == [1, 0]  # one frame on, not two


def test_a_query_without_room_is_refused_and_changes_nothing(sam_pt, segmenter):
    segmenter.room = 0
    with pytest.raises(OutOfMemoryError):
        sam_pt.add_object(points=[(32, 10)])
    assert sam_pt.object_ids == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("failing", ["encode", "decode", "mask_prompt"])
def test_a_frame_on_which_anything_fails_has_no_masks_and_the_next_has(sam_pt, segmenter, monkeypatch, failing):
    def fail(*arguments):
        raise ValueError("expected another shape")

    if failing == "mask_prompt":
        sam_pt.config = updated(sam_pt.config, {"prompting.carry_mask": True})
    with monkeypatch.context() as patched:
        patched.setattr(segmenter, failing, fail)
        with pytest.raises(ValueError, match="another shape"):
            sam_pt.step(blank())
    assert {item.result.state for item in sam_pt._objects} == {ObjectState.UNCERTAIN}
    assert states(sam_pt.step(blank())) == {ObjectState.TRACKING}


def test_a_half_precision_encoder_says_nearly_the_same(small_sam):
    from sampt_ros.segmenters.sam.segmenter import Sam

    frame = Frame(0, blank(96, 128) + 40)
    whole, half = (Sam(copy.deepcopy(small_sam.model), "cpu", precision) for precision in ("auto", "float32"))
    expected = whole.encode(frame).features
    assert half.economize() == "from now on the image encoder computes in bfloat16"
    assert half.economize() == ""
    found = half.encode(frame).features
    assert found.dtype == torch.float32
    assert 0 < float((found - expected).abs().mean()) < 0.05 * float(expected.abs().mean())


def test_who_keeps_one_mask_does_not_keep_the_masks_of_all_objects():
    sam_pt = SamPt(SamPtConfig(), SquareSegmenter(), DriftingTracker())
    sam_pt.step(blank())
    for x in (15, 45):
        sam_pt.add_object(points=[(x, 20)])
    masks = [item.mask for item in sam_pt.step(blank()).objects]
    assert all(mask.any() and mask.base is None for mask in masks)
