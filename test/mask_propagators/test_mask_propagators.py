"""What every mask propagator must do: a new one is tested by its line in MASK_PROPAGATORS."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic import two_disks

from sampt_ros.config.core import SamPtConfig
from sampt_ros.config.mask_propagators import NONE
from sampt_ros.data_types import Frame
from sampt_ros.errors import ConfigError
from sampt_ros.mask_propagators import MASK_PROPAGATORS, build_mask_propagator
from sampt_ros.mask_propagators.base import MaskPropagator, PropagatedMask


@pytest.fixture(params=MASK_PROPAGATORS)
def propagator(request) -> MaskPropagator:
    """With weights made from names, which keep every rule but do not track."""
    if request.param == "cutie":
        network, settings = request.getfixturevalue("cutie_network")
        from sampt_ros.mask_propagators.cutie.propagator import Cutie

        return Cutie(network, settings, device="cpu")
    if request.param == "deaot":
        from sampt_ros.mask_propagators.deaot.propagator import Deaot

        return Deaot(request.getfixturevalue("deaot_network"), device="cpu")
    for package in {"sam2": ("transformers",), "edgetam": ("transformers", "timm")}[request.param]:
        pytest.importorskip(package, reason=f"{package} is missing", exc_type=ImportError)
    import named_weights

    from sampt_ros.mask_propagators.sam2.propagator import Sam2Video

    return Sam2Video(getattr(named_weights, f"small_{request.param}_video")(), "cpu")


def frame(index: int) -> Frame:
    return Frame(index, two_disks(index)[0])


RED, BLUE = two_disks(0)[1:]


def test_every_object_has_a_soft_mask_of_the_frames_size_and_a_certainty(propagator):
    propagator.start(7, RED, frame(0))
    propagator.start(3, BLUE, frame(0))
    found = propagator.update(frame(1))
    assert list(found) == [7, 3]
    for item in found.values():
        assert (item.mask.shape, item.mask.dtype) == (RED.shape, np.float32)
        assert item.mask.min() >= 0
        assert item.mask.max() <= 1
        assert 0 <= item.certainty <= 1


def test_no_objects_are_no_trouble(propagator):
    assert propagator.update(frame(0)) == {}
    propagator.remove(5)
    propagator.start(1, RED, frame(0))
    propagator.remove(1)
    assert propagator.update(frame(1)) == {}
    propagator.start(2, BLUE, frame(1))
    assert list(propagator.update(frame(2))) == [2]


def test_an_empty_mask_is_refused(propagator):
    with pytest.raises(ValueError, match="expected a mask with at least one pixel for object 4"):
        propagator.start(4, np.zeros_like(RED), frame(0))
    assert propagator.update(frame(1)) == {}


def test_a_removed_object_is_gone_and_the_others_stay(propagator):
    for number, mask in ((1, RED), (2, BLUE)):
        propagator.start(number, mask, frame(0))
    propagator.update(frame(1))
    propagator.remove(1)
    assert list(propagator.update(frame(2))) == [2]


def test_a_known_object_goes_on_from_another_mask(propagator):
    propagator.start(1, RED, frame(0))
    propagator.start(2, BLUE, frame(0))
    propagator.update(frame(1))
    propagator.start(1, np.roll(RED, 5, 1), frame(1))
    assert list(propagator.update(frame(2))) == [1, 2]


def test_reset_behaves_as_new(propagator):
    def run() -> list[PropagatedMask]:
        propagator.start(1, RED, frame(0))
        return [propagator.update(frame(index))[1] for index in (1, 2)]

    first = run()
    propagator.reset()
    assert propagator.update(frame(5)) == {}
    propagator.reset()
    for found, expected in zip(run(), first):
        np.testing.assert_array_equal(found.mask, expected.mask)


def test_following_a_mask_is_as_a_stream_of_its_own_and_changes_nothing(propagator):
    frames = [frame(index) for index in range(3)]
    propagator.start(1, RED, frames[0])
    expected = [propagator.update(each)[1] for each in frames[1:]]

    propagator.reset()
    propagator.start(9, BLUE, frames[0])
    found = propagator.follow(RED, frames)
    np.testing.assert_array_equal(found.mask, expected[-1].mask)
    assert list(propagator.update(frames[1])) == [9]
    np.testing.assert_array_equal(propagator.follow(RED, frames[:1]).mask > 0.5, RED)


@pytest.mark.parametrize("size", [(30, 40), (97, 131), (300, 90)])
def test_any_size_of_image(propagator, size):
    image = np.random.default_rng(0).integers(0, 255, (*size, 3)).astype(np.uint8)
    mask = np.zeros(size, bool)
    mask[size[0] // 2, :3] = True
    propagator.start(1, mask, Frame(0, image))
    assert propagator.update(Frame(1, image))[1].mask.shape == size


def test_the_configuration_offers_every_propagator():
    choices = SamPtConfig.__dataclass_fields__["mask_propagator"].metadata["option"].choices
    assert set(choices) == {NONE, *MASK_PROPAGATORS}
    assert build_mask_propagator(SamPtConfig()) is None


def test_an_unknown_propagator_is_refused_with_the_choices(monkeypatch):
    monkeypatch.delitem(MASK_PROPAGATORS, "cutie")
    with pytest.raises(ConfigError, match=r"expected one of none.*'cutie'"):
        build_mask_propagator(SamPtConfig(mask_propagator="cutie"))


def test_a_mask_is_as_sure_as_its_pixels():
    mask = np.array([[0.9, 0.7, 0.4], [0.1, 0.0, 0.5]], np.float32)
    assert PropagatedMask.of(mask).certainty == pytest.approx(0.8)
    assert PropagatedMask.of(np.zeros((2, 2), np.float32)).certainty == 0
