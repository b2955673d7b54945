"""Images of 16 bits that use 10, 12 or 14 of them, or a few hundred counts."""

from __future__ import annotations

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from sampt_ros.io.grey_range import GreyRange
from sampt_ros.messages.images import rgb_from_compressed, rgb_from_image

SCENE = cv2.GaussianBlur(np.random.default_rng(0).random((60, 80)), (0, 0), 4)
SCENE = (SCENE - SCENE.min()) / (SCENE.max() - SCENE.min())  # 0 to 1


def counts(low: float, high: float, scene: np.ndarray = SCENE) -> np.ndarray:
    return (low + scene * (high - low)).astype(np.uint16)


def message(pixels: np.ndarray, encoding: str, big: bool = False):
    data = pixels.astype(pixels.dtype.newbyteorder(">" if big else "<")).tobytes()
    height, width = pixels.shape[:2]
    return SimpleNamespace(
        height=height, width=width, encoding=encoding, is_bigendian=int(big), step=len(data) // height, data=data
    )


@pytest.mark.parametrize(
    ("low", "high"),
    [(7700, 8465), (0, 1023), (100, 4095), (0, 16383), (29000, 31500)],
    ids=["thermal", "10 bits", "12 bits", "14 bits", "radiometric"],
)
def test_what_a_camera_uses_fills_most_of_eight_bits(low, high):
    grey = GreyRange().to_8_bits(counts(low, high))
    assert grey.dtype == np.uint8
    assert grey.min() <= 30
    assert 225 <= grey.max() <= 245
    assert np.corrcoef(grey.ravel(), SCENE.ravel())[0, 1] > 0.999


def test_what_uses_all_bits_keeps_its_white():
    wide = (np.arange(256, dtype=np.uint16) * 257).reshape(16, 16)
    np.testing.assert_array_equal(GreyRange().to_8_bits(wide), np.arange(256).reshape(16, 16))


def test_dead_pixels_do_not_count():
    sent = counts(7700, 8465)
    sent[0, :2] = 0, 16383
    assert GreyRange().to_8_bits(sent)[1:].std() > 0.9 * GreyRange().to_8_bits(counts(7700, 8465)).std()


def test_what_does_not_change_keeps_its_grey_while_something_hot_comes():
    grey, scene = GreyRange(), counts(7700, 8465)
    first = grey.to_8_bits(scene)
    hot = scene.copy()
    hot[20:40, 20:40] = 9500
    unchanged = np.ones(scene.shape, bool)
    unchanged[20:40, 20:40] = False
    before = first
    for _ in range(60):
        now = grey.to_8_bits(hot)
        steps = np.abs(now.astype(int) - before)[unchanged]
        assert steps.max() <= 6
        before = now
    # now it is in the range and told from what was hottest before
    assert 255 >= int(now[30, 30]) > int(now[unchanged].max()) + 50


def test_noise_changes_nothing():
    grey, scene, random = GreyRange(), counts(7700, 8465), np.random.default_rng(0)
    first = grey.to_8_bits(scene)
    for _ in range(50):
        grey.to_8_bits((scene + random.normal(0, 8, scene.shape)).astype(np.uint16))
    np.testing.assert_array_equal(grey.to_8_bits(scene), first)


def test_a_closed_shutter_changes_nothing_and_as_the_first_image_little():
    scene, shutter = counts(7700, 8465), counts(8000, 8010)
    grey = GreyRange()
    first = grey.to_8_bits(scene)
    for _ in range(100):
        grey.to_8_bits(shutter)
    np.testing.assert_array_equal(grey.to_8_bits(scene), first)
    grey.reset()
    assert np.ptp(grey.to_8_bits(shutter)) < 60  # noise is not blown up
    np.testing.assert_array_equal(grey.to_8_bits(scene), first)


def test_another_gain_sets_the_range_anew():
    grey = GreyRange()
    grey.to_8_bits(counts(7700, 8465))
    np.testing.assert_array_equal(grey.to_8_bits(counts(100, 900)), GreyRange().to_8_bits(counts(100, 900)))


def test_the_range_closes_in_slowly_on_less():
    grey = GreyRange()
    grey.to_8_bits(counts(0, 10000))
    spans = [np.ptp(grey.to_8_bits(counts(4000, 5000)).astype(int)) for _ in range(400)]
    assert spans[0] < 30
    assert max(np.diff(spans)) <= 2
    assert 55 <= spans[-1] < 75  # a quarter of the range is enough


def test_after_a_reset_it_is_as_new():
    grey = GreyRange()
    grey.to_8_bits(counts(0, 30000))
    grey.reset()
    np.testing.assert_array_equal(grey.to_8_bits(counts(50, 900)), GreyRange().to_8_bits(counts(50, 900)))


@pytest.mark.parametrize("encoding", ["mono16", "16UC1"])
@pytest.mark.parametrize("big", [False, True])
def test_messages_of_grey_are_converted_by_it(encoding, big):
    sent = counts(7700, 8465)
    image = rgb_from_image(message(sent, encoding, big), GreyRange())
    np.testing.assert_array_equal(image, np.dstack([GreyRange().to_8_bits(sent)] * 3))


@pytest.mark.parametrize("encoding", ["rgb16", "bgr16", "16UC3"])
def test_colours_of_twelve_bits_keep_their_black(encoding):
    sent = np.dstack([counts(0, 3000), counts(500, 4000), counts(0, 1000)])
    image = rgb_from_image(message(sent, encoding), GreyRange())
    expected = np.rint(sent * (255 / 4350))
    got = image if encoding == "rgb16" else image[..., ::-1]
    assert np.abs(got - expected).max() <= 15
    assert (got[sent == 0] == 0).all()


def test_a_compressed_image_of_twelve_bits_is_converted_by_it():
    sent = counts(100, 4000)
    compressed = SimpleNamespace(data=cv2.imencode(".png", sent)[1].tobytes(), format="mono16; png compressed mono16")
    image = rgb_from_compressed(compressed, GreyRange())
    np.testing.assert_array_equal(image, np.dstack([GreyRange().to_8_bits(sent)] * 3))


@pytest.mark.parametrize("name", ["bag_14bit", "bag_10bit", "bag_16UC1"])
def test_a_thermal_recording_looks_as_in_eight_bits(shared_folder, name):
    pytest.importorskip("rosbags", reason="rosbags is missing, which reads bags")
    from sampt_ros.bags import types as bag_types
    from sampt_ros.bags.reader import BagReader
    from sampt_ros.bags.topics import choose_inputs, inspect_topics
    from sampt_ros.bags.types import IMAGE

    folder = shared_folder / "cases/thermal_mono16"
    if not (folder / name).is_dir():
        pytest.skip(f"no {folder / name}")

    def shown(path, grey):
        with BagReader(path) as bag:
            topic = choose_inputs(bag.topics, inspect_topics(bag)).image.name
            messages = [bag_types.types().deserialize_cdr(data, IMAGE) for _, _, data in bag.messages({topic})]
        return np.array([rgb_from_image(sent, grey)[..., 0] for sent in messages], float)

    images, expected = shown(folder / name, GreyRange()), shown(folder / "bag_8bit", None)
    for image, same in zip(images, expected, strict=True):
        assert np.corrcoef(image.ravel(), same.ravel())[0, 1] > 0.99
    assert images.std() > 0.6 * expected.std()
