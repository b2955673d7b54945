from __future__ import annotations

import numpy as np
import pytest
from synthetic import disk, texture

from sampt_ros.data_types import FrameResult, LocalMask, ObjectResult, ObjectState, Points
from sampt_ros.io.label_images import object_color
from sampt_ros.io.overlay import ContactSheet, contact_sheet, draw

IMAGE = texture()
SIZE = IMAGE.shape[:2]
NOTHING = np.zeros(SIZE, bool)


def points(*xy, label=1, visible=True):
    made = Points.start(np.arange(len(xy)), np.array(xy), np.full(len(xy), label))
    return made.moved(made.xy, np.full(len(xy), visible), made.confidence)


def result(mask=NOTHING, drawn=None, state=ObjectState.TRACKING, object_id=1):
    item = ObjectResult(object_id, state, 0.9, LocalMask.of(mask), Points.none() if drawn is None else drawn)
    return FrameResult(0, SIZE, (item,))


def changed(drawn):
    return (drawn != IMAGE).any(axis=2)


def test_without_objects_nothing_is_drawn_and_the_image_is_a_copy():
    drawn = draw(IMAGE, FrameResult(0, SIZE))
    np.testing.assert_array_equal(drawn, IMAGE)
    assert not np.shares_memory(drawn, IMAGE)


def test_the_input_stays_as_it_is():
    image = IMAGE.copy()
    image.flags.writeable = False
    draw(image, result(disk((80, 70), 25), points((80, 70))))
    np.testing.assert_array_equal(image, IMAGE)


def test_a_mask_is_tinted_in_its_colour_and_the_rest_left_alone():
    mask = disk((80, 80), 25)
    drawn = draw(IMAGE, result(mask))
    inside, far = disk((80, 80), 20), ~disk((80, 80), 29)
    assert changed(drawn)[inside].mean() > 0.99
    assert not changed(drawn)[far & (np.arange(SIZE[0])[:, None] > 55)].any()  # above there is the tag
    tint = drawn[inside].mean(axis=0) - IMAGE[inside].mean(axis=0)
    assert np.corrcoef(tint, np.array(object_color(1)) - IMAGE[inside].mean(axis=0))[0, 1] > 0.9


@pytest.mark.parametrize(
    ("drawn", "color"),
    [
        # on the object
        (points((100, 90)), object_color(1)),
        # off the object
        (points((100, 90), label=0), object_color(1)),
        # not visible: hollow, so what is there shows through
        (points((100, 90), visible=False), tuple(IMAGE[90, 100])),
    ],
    ids=["positive", "negative", "invisible"],
)
def test_points_are_drawn_where_they_are(drawn, color):
    picture = draw(IMAGE, result(drawn=drawn, state=ObjectState.UNCERTAIN))
    np.testing.assert_allclose(picture[90, 100], color, atol=20)
    assert changed(picture)[86:95, 96:105].any()


def test_points_far_outside_do_no_harm():
    drawn = draw(IMAGE, result(drawn=points((1e9, -1e9), visible=False), state=ObjectState.LOST))
    assert not changed(drawn)[60:].any()


@pytest.mark.parametrize("middle", [(0, 0), (159, 0), (0, 119), (159, 119)])
def test_masks_in_corners_are_drawn(middle):
    assert changed(draw(IMAGE, result(disk(middle, 20)))).any()


def test_lost_objects_are_listed_in_the_corner_one_below_the_other():
    lost = [ObjectResult(name, ObjectState.LOST, 0.0, LocalMask.of(NOTHING), Points.none()) for name in (1, 2)]
    rows = [
        changed(draw(IMAGE, FrameResult(0, SIZE, tuple(lost[:count]))))[:, :20].any(axis=1).sum() for count in (1, 2)
    ]
    assert rows[1] == 2 * rows[0] > 0


def test_a_contact_sheet_is_as_wide_as_asked_and_holds_every_image():
    images = [np.full((30, 40, 3), value, np.uint8) for value in (10, 60, 110, 160, 210)]
    sheet = contact_sheet(images, columns=2, width=204)
    assert sheet.shape == (3 * 75 + 2 * 4, 204, 3)
    assert [sheet[y, x, 0] for y in (30, 110, 190) for x in (50, 150)] == [10, 60, 110, 160, 210, 255]


def test_a_contact_sheet_shows_an_image_much_wider_than_high():
    assert contact_sheet([np.zeros((1, 1000, 3), np.uint8)] * 4, width=204).shape == (1, 204, 3)


@pytest.mark.parametrize("frames", [1, 5, 12, 13, 500])
def test_a_gathered_sheet_shows_evenly_spaced_frames(monkeypatch, frames):
    shown = {}
    monkeypatch.setattr(
        "sampt_ros.io.overlay.contact_sheet", lambda images, width, captions: shown.update(captions=captions)
    )
    sheet = ContactSheet(count=12)
    for index in range(frames):
        sheet.add(index, IMAGE)
    sheet.image()
    numbers = [int(caption) for caption in shown["captions"]]
    steps = np.diff(numbers)
    assert len(numbers) == min(frames, 12)
    assert numbers[0] == 0
    assert frames < 3 or (steps.max() <= 2 * steps.min() and numbers[-1] >= 0.9 * (frames - 1))


def test_a_gathered_sheet_shows_captions_where_there_are_any(monkeypatch):
    shown = {}
    monkeypatch.setattr(
        "sampt_ros.io.overlay.contact_sheet", lambda images, width, captions: shown.update(captions=captions)
    )
    sheet = ContactSheet()
    sheet.add(0, IMAGE, "cup")
    sheet.add(1, IMAGE)
    sheet.image()
    assert shown["captions"] == ["cup", "1"]
