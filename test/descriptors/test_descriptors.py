"""What every descriptor must do: a new one is tested by its line in DESCRIPTORS."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic import two_disks

from sampt_ros.config.core import SamPtConfig
from sampt_ros.config.descriptors import OF_SEGMENTER
from sampt_ros.data_types import Frame
from sampt_ros.descriptors import DESCRIPTORS, build_descriptor
from sampt_ros.descriptors.base import Descriptor
from sampt_ros.errors import ConfigError


@pytest.fixture(params=DESCRIPTORS)
def descriptor(request) -> Descriptor:
    """With weights made from names."""
    return request.getfixturevalue(f"small_{request.param}")


@pytest.mark.parametrize(("height", "width"), [(96, 128), (121, 60), (9, 33), (480, 640)])
def test_a_whole_frame_is_described_by_unit_vectors(descriptor, height, width):
    image = np.resize(two_disks(0)[0], (height, width, 3))
    feature_map = descriptor.describe(Frame(0, image))
    rows, columns, channels = feature_map.shape
    assert (feature_map.dtype, channels > 8) == (np.float32, True)
    assert abs(rows - columns * height / width) <= 1
    assert np.linalg.norm(feature_map, axis=2) == pytest.approx(1, abs=1e-5)


def test_cells_lie_where_the_image_has_them(descriptor):
    image = np.full((96, 128, 3), 90, np.uint8)
    changed = image.copy()
    changed[:20, 100:] = (200, 20, 20)
    before, after = (descriptor.describe(Frame(0, each)) for each in (image, changed))
    y, x = np.unravel_index((before * after).sum(2).argmin(), before.shape[:2])
    assert (y / before.shape[0] < 20 / 96, (x + 1) / before.shape[1] > 100 / 128) == (True, True)


def test_the_same_frame_is_described_alike_whatever_came_between(descriptor):
    first, other = (Frame(0, two_disks(index)[0]) for index in (0, 9))
    expected = descriptor.describe(first)
    descriptor.describe(other)
    np.testing.assert_array_equal(descriptor.describe(first), expected)


def test_an_image_may_be_read_only(descriptor):
    image = two_disks(0)[0]
    expected = descriptor.describe(Frame(0, image))
    image.flags.writeable = False
    np.testing.assert_array_equal(descriptor.describe(Frame(0, image)), expected)


def test_the_configuration_offers_every_descriptor():
    choices = SamPtConfig.__dataclass_fields__["descriptor"].metadata["option"].choices
    assert set(choices) == {OF_SEGMENTER, *DESCRIPTORS}


def test_an_unknown_descriptor_is_refused_with_the_choices(monkeypatch):
    monkeypatch.delitem(DESCRIPTORS, "dinov2")
    with pytest.raises(ConfigError, match=r"expected one of segmenter.*'dinov2'"):
        build_descriptor(SamPtConfig(descriptor="dinov2"))


def test_the_segmenters_own_features_need_no_descriptor():
    assert build_descriptor(SamPtConfig()) is None
