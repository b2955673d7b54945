from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from sampt_ros.errors import SourceError
from sampt_ros.io.label_images import write_labels
from sampt_ros.io.masks import read_annotation, read_first_masks, read_mask, read_masks, shows_labels

y, x = np.mgrid[:60, :80]
DISK = np.hypot(x - 25, y - 30) <= 12
BAR = (x >= 50) & (x < 70) & (y >= 10) & (y < 50)
RING = (np.hypot(x - 25, y - 30) <= 15) & ~DISK
FINE_Y, FINE_X = np.mgrid[:240, :320]
SOFT = cv2.resize(
    (np.hypot(FINE_X - 101.5, FINE_Y - 121.5) <= 48).astype(np.uint8) * 255, (80, 60), interpolation=cv2.INTER_AREA
)
BLURRED = cv2.GaussianBlur(DISK.astype(np.uint8) * 255, (0, 0), 1.5)


def labels(disk: int, bar: int = 0, ring: int = 0, kind=np.uint8) -> np.ndarray:
    return (disk * DISK + bar * BAR + ring * RING).astype(kind)


def saved(folder, pixels, name="mask.png", **options):
    (pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)).save(folder / name, **options)
    return folder / name


def rgba(color, alpha) -> np.ndarray:
    """(60, 80, 4): one colour, or (60, 80, 3) colours, with this alpha."""
    return np.dstack([np.broadcast_to(np.asarray(color, np.uint8), (60, 80, 3)), alpha])


def colored(disk, bar) -> np.ndarray:
    return (DISK[..., None] * np.uint8(disk) + BAR[..., None] * np.uint8(bar)).astype(np.uint8)


NOISE = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
ON = DISK.astype(np.uint8) * 255


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        (ON, {1: DISK}),
        (DISK, {1: DISK}),  # one bit per pixel
        (labels(1), {1: DISK}),
        (labels(65535, kind=np.uint16), {1: DISK}),
        (labels(255, kind=np.uint16), {1: DISK}),
        # beside others, with 16 bits, 255 is an id like these
        (labels(1, 255, kind=np.uint16), {1: DISK, 255: BAR}),
        (labels(255, 300, kind=np.int32), {255: DISK, 300: BAR}),
        (labels(1, 255, 65535, kind=np.uint16), {1: DISK, 255: BAR}),
        # a single id is kept, as the labels of a run have it when one object is left
        (labels(3), {3: DISK}),
        (labels(700, kind=np.uint16), {700: DISK}),
        (labels(2, 3), {2: DISK, 3: BAR}),
        (labels(2, 300, kind=np.uint16), {2: DISK, 300: BAR}),
        (labels(2, 240), {2: DISK, 240: BAR}),
        (labels(2, 300, kind=np.int32), {2: DISK, 300: BAR}),
        # void, around an object or elsewhere
        (labels(1, ring=255), {1: DISK}),
        (labels(1, 255, 2), {1: DISK, 2: RING}),
        (labels(300, ring=65535, kind=np.uint16), {300: DISK}),
        # grey with alpha, in two and in four channels; black or white shapes on nothing
        (np.dstack([ON, np.full_like(ON, 255)]), {1: DISK}),
        (np.dstack([ON, ON]), {1: DISK}),
        (rgba((255, 255, 255), ON), {1: DISK}),
        (rgba((0, 0, 0), ON), {1: DISK}),
        (np.dstack([labels(2, 3), np.full_like(ON, 255)]), {2: DISK, 3: BAR}),
        # a cut-out
        (rgba(NOISE, ON), {1: DISK}),
        (rgba((200, 200, 200), ON), {1: DISK}),
        (rgba(NOISE[..., :1], ON), {1: DISK}),
        # colours: one; those of DAVIS
        (colored((200, 10, 30), (0, 0, 0)), {1: DISK}),
        (colored((128, 0, 0), (0, 128, 0)), {1: DISK, 2: BAR}),
        # floats
        (DISK.astype(np.float32), {1: DISK}),
        (labels(2, 3, kind=np.float32), {2: DISK, 3: BAR}),
    ],
)
def test_what_is_meant_is_read(tmp_path, pixels, expected):
    found = read_masks(saved(tmp_path, pixels, "mask.tif"))
    assert set(found) == set(expected)
    for name, mask in expected.items():
        np.testing.assert_array_equal(found[name], mask)


def with_palette(indices, colors, **options):
    image = Image.fromarray(indices.astype(np.uint8)).convert("P")
    image.putdata(indices.ravel().tolist())
    image.putpalette(colors)
    image.info.update(options)
    return image


@pytest.mark.parametrize(
    ("indices", "colors", "transparency", "expected"),
    [
        # a cut-out whose background, the second colour, is transparent
        (1 - labels(1), [255, 0, 0, 0, 255, 0], 1, {1: DISK}),
        (1 - labels(1), [255, 255, 255, 0, 0, 0], 1, {1: DISK}),
        # labels on a transparent background; transparent labels count for nothing
        (labels(2, 3), [0, 0, 0, 9, 9, 9, 255, 0, 0, 0, 255, 0], 0, {2: DISK, 3: BAR}),
        (labels(2, 3), [0, 0, 0, 9, 9, 9, 255, 0, 0, 0, 255, 0], 3, {2: DISK}),
        (labels(2, 3), [90, 90, 90, 9, 9, 9, 255, 0, 0, 0, 255, 0], 0, {2: DISK, 3: BAR}),
        # grey labels, a thin one among them
        (labels(1, 2) + 3 * ((y == 3) & (x < 40)), [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3], None, {1: DISK, 2: BAR}),
    ],
)
def test_a_palette_says_what_its_indices_mean(tmp_path, indices, colors, transparency, expected):
    options = {} if transparency is None else {"transparency": transparency}
    found = read_masks(saved(tmp_path, with_palette(indices, colors), **options))
    assert set(expected) <= set(found)
    for name, mask in expected.items():
        np.testing.assert_array_equal(found[name], mask)
    assert len(found) == len(expected) + (len(colors) == 12 and transparency is None)


@pytest.mark.parametrize("hue", [(1.0, 1.0, 1.0), (1.0, 0.1, 0.0)])
def test_the_shades_of_a_soft_edge_in_a_palette_are_no_objects(tmp_path, hue):
    shades = np.arange(0, 256, 51)
    colors = np.uint8(shades[:, None] * np.array(hue)).ravel().tolist()
    found = read_masks(saved(tmp_path, with_palette(np.rint(SOFT / 51), colors)))
    assert set(found) == {1}
    assert (found[1] ^ DISK).sum() <= 20


def test_void_in_the_colours_of_voc_is_void(tmp_path):
    pixels = colored((128, 0, 0), (0, 128, 0)) + RING[..., None] * np.uint8((224, 224, 192))
    found = read_masks(saved(tmp_path, pixels))
    assert set(found) == {1, 2}
    np.testing.assert_array_equal(found[1], DISK)


@pytest.mark.parametrize(
    "pixels",
    [
        SOFT,
        BLURRED,
        SOFT.astype(np.uint16),
        BLURRED.astype(np.uint16),
        BLURRED.astype(np.uint16) * 257,
        BLURRED.astype(np.float32) / 255,
    ],
)
def test_soft_edges_are_cut_in_the_middle(tmp_path, pixels):
    (found,) = read_masks(saved(tmp_path, pixels, "mask.tif")).values()
    assert (found ^ DISK).sum() <= 20
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.tif"), found)


@pytest.mark.parametrize("quality", [40, 75, 95])
@pytest.mark.parametrize("name", ["mask.jpg", "mask.webp"])
def test_the_noise_of_a_compressed_mask_is_not_an_object(tmp_path, quality, name):
    path = saved(tmp_path, ON if name == "mask.jpg" else Image.fromarray(ON).convert("RGB"), name, quality=quality)
    found = read_masks(path)
    assert set(found) == {1}
    assert (found[1] ^ DISK).sum() <= 20
    np.testing.assert_array_equal(read_mask(path), found[1])


@pytest.mark.parametrize(("name", "edges"), [("red.png", SOFT), ("red.jpg", SOFT), ("red.jpg", ON)])
def test_a_mask_in_one_colour_may_have_soft_edges_and_be_compressed(tmp_path, name, edges):
    red = np.dstack([edges, edges // 6, edges // 5])
    found = read_masks(saved(tmp_path, red, name))
    assert set(found) == {1}
    assert (found[1] ^ DISK).sum() <= 20


def test_a_compressed_mask_saved_as_png_is_read_too(tmp_path):
    noisy = Image.open(saved(tmp_path, ON, "mask.jpg", quality=80))
    found = read_masks(saved(tmp_path, noisy))
    assert set(found) == {1}
    assert (found[1] ^ DISK).sum() <= 20


def test_this_package_s_label_images_come_back_also_as_colours(tmp_path):
    write_labels(tmp_path / "labels.png", labels(2, 7))
    for path in (tmp_path / "labels.png", saved(tmp_path, Image.open(tmp_path / "labels.png").convert("RGB"))):
        found = read_masks(path)
        assert set(found) == {2, 7}
        np.testing.assert_array_equal(found[7], BAR)


@pytest.mark.parametrize("color", [(255, 255, 255), (255, 0, 0)])
def test_a_palette_that_does_not_begin_with_black_is_read_by_its_colours(tmp_path, color):
    image = Image.fromarray(DISK.astype(np.uint8) ^ 1)  # index 0 on the disk
    image.putpalette([*color, 0, 0, 0])
    np.testing.assert_array_equal(read_masks(saved(tmp_path, image))[1], DISK)


def test_colours_that_a_program_gave_a_palette_are_no_labels(tmp_path):
    path = saved(tmp_path, Image.fromarray(colored((200, 10, 30), (10, 200, 30))).quantize(4))
    with pytest.raises(SourceError, match="2 different colours"):
        read_masks(path)


def test_labels_in_a_lossless_webp_are_kept(tmp_path):
    found = read_masks(saved(tmp_path, Image.fromarray(labels(1, 2)).convert("RGB"), "mask.webp", lossless=True))
    assert set(found) == {1, 2}
    np.testing.assert_array_equal(found[2], BAR)


def test_a_mask_stands_as_its_camera_says_as_the_frames_do(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by a quarter
    path = saved(tmp_path, Image.fromarray(ON).transpose(Image.Transpose.ROTATE_90), "mask.png", exif=exif)
    np.testing.assert_array_equal(read_masks(path)[1], DISK)


@pytest.mark.parametrize("name", ["mask.tif", "mask.png", "mask.webp"])
def test_of_several_images_in_a_file_the_first_is_read_and_that_is_told(tmp_path, caplog, name):
    others = [Image.fromarray(labels(2, 3))]
    found = read_masks(saved(tmp_path, ON, name, save_all=True, append_images=others))
    np.testing.assert_array_equal(found[1], DISK)
    assert f"{name} holds 2 images: the first one is read" in caplog.text


@pytest.mark.parametrize(
    ("pixels", "found"),
    [
        (np.zeros((60, 80), np.uint8), "got a mask without one"),
        (labels(127, 255), "got 2 different values from 127 to 255"),
        (labels(254, 255), "got 2 different values from 254 to 255"),
        (NOISE[..., 0], "different values from 1 to 255"),
        (colored((200, 10, 30), (10, 200, 30)), "got 2 different colours"),
        (labels(65536, 65537, kind=np.int32), "expected labels from 0 to 65535 .* got 0 to 65537"),
        (labels(1, kind=np.int32) - 1, "got -1 to 0"),
        (labels(1, 2, kind=np.float32) / 2 + 0.5, "expected whole numbers, 8 or 16 bits"),
    ],
)
def test_what_cannot_be_meant_is_named(tmp_path, pixels, found):
    with pytest.raises(SourceError, match=found) as error:
        read_masks(saved(tmp_path, pixels, "mask.tif"))
    if "different" in found:
        assert f"{tmp_path / 'mask.tif'},1" in str(error.value)
        assert read_mask(tmp_path / "mask.tif").any()


def test_labels_as_jpeg_are_refused(tmp_path):
    with pytest.raises(SourceError, match="not as JPEG"):
        read_masks(saved(tmp_path, labels(100, 200), "mask.jpg", quality=60))


def first_frames(folder, names=()):
    return {name: (frame, int(mask.sum())) for name, (frame, mask) in read_first_masks(folder, names).items()}


def test_in_a_folder_of_masks_each_object_begins_where_it_is_first_seen(tmp_path):
    disk, bar = int(DISK.sum()), int(BAR.sum())
    saved(tmp_path, labels(0), "0.png")
    saved(tmp_path, labels(0, 3), "9.png")
    saved(tmp_path, labels(2, 3, 2), "10.png")
    saved(tmp_path, labels(2, 4), "00011.png")
    (tmp_path / "notes.txt").write_text("no mask")
    assert first_frames(tmp_path) == {3: (9, bar), 2: (10, disk + int(RING.sum())), 4: (11, bar)}
    names = ["0", "8", "9", "10", "00011"]
    assert {name: frame for name, (frame, _) in first_frames(tmp_path, names).items()} == {3: 2, 2: 3, 4: 4}


THIN = (y == 55) & (x < 40)
VOC_VOID = (224, 224, 192)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        # 255 alone is void if another file has labels, before or after it, beside 255 or not
        ([labels(0, 255), labels(1, ring=255)], {1: 1}),
        ([labels(2), labels(0, 255)], {2: 0}),
        ([labels(0, 255), labels(0, 3)], {3: 1}),
        ([labels(0, 65535, kind=np.uint16), labels(1, ring=65535, kind=np.uint16)], {1: 1}),
        # also if the labels are those of thin objects
        ([labels(0, 255), (THIN * 3 + BAR * 255).astype(np.uint8)], {3: 1}),
        ([labels(0, 255), (THIN * 3).astype(np.uint8)], {3: 1}),
        # ... and the object otherwise
        ([labels(0), labels(255), labels(0, 255)], {1: 1}),
        ([DISK, labels(0, 255)], {1: 0}),
        # of masks with soft edges, a file may show a faint edge alone
        ([SOFT, labels(0, 255), (THIN * 20).astype(np.uint8)], {1: 0, 20: 2}),
        # with 16 bits, 255 is no void
        ([labels(255, kind=np.uint16), labels(255, 7, kind=np.uint16), labels(7)], {255: 0, 7: 1}),
        # what could also be soft edges is clear among labels
        ([labels(0, 3), labels(127, 0, 255)], {3: 0, 127: 1}),
        # colours: one alone is a label if several are labels
        ([colored((0, 0, 0), (0, 128, 0)), colored((128, 0, 0), (0, 128, 0))], {2: 0, 1: 1}),
        ([colored((0, 0, 0), (0, 128, 0)), colored((128, 0, 0), (0, 0, 0))], {2: 0, 1: 1}),
        ([colored((0, 0, 0), VOC_VOID), colored((128, 0, 0), (0, 128, 0))], {1: 1, 2: 1}),
        ([colored((0, 0, 0), (0, 128, 0)), colored((0, 128, 0), (0, 0, 0))], {1: 0}),
    ],
)
def test_what_255_or_one_colour_means_is_decided_by_the_whole_folder(tmp_path, files, expected):
    paths = [saved(tmp_path, pixels, f"{number}.tif") for number, pixels in enumerate(files)]
    assert {name: frame for name, (frame, _) in read_first_masks(tmp_path).items()} == expected
    # True masks are read in the same way.
    truths = [read_annotation(path, lambda: shows_labels(paths))[0] for path in paths]
    shown = {name for masks in truths for name, mask in masks.items() if mask.any()}
    assert shown == set(expected)


def test_a_folder_is_read_up_to_the_first_labels(tmp_path):
    paths = [saved(tmp_path, labels(0, 255), "0.png"), saved(tmp_path, labels(2), "1.png"), tmp_path / "missing.png"]
    assert shows_labels(paths)
    with pytest.raises(SourceError, match="cannot read"):
        shows_labels(reversed(paths))


def test_an_unclear_file_in_a_folder_without_labels_is_named(tmp_path):
    for number, pixels in enumerate((labels(255), labels(127, 255))):
        saved(tmp_path, pixels, f"{number}.png")
    with pytest.raises(SourceError, match=r"in .*1\.png; got 2 different values from 127 to 255"):
        read_first_masks(tmp_path)


def test_masks_in_a_folder_have_the_names_of_frames(tmp_path):
    saved(tmp_path, labels(1), "first.png")
    with pytest.raises(SourceError, match=r"with the name of a frame's number, such as 00012\.png; got .*first\.png"):
        read_first_masks(tmp_path)
    with pytest.raises(SourceError, match=r"with the name of a frame, such as a\.png; got .*first\.png"):
        read_first_masks(tmp_path, ["a", "b"])


def test_a_folder_of_empty_masks_is_refused(tmp_path):
    saved(tmp_path, labels(0), "0.png")
    with pytest.raises(SourceError, match=r"in one of the masks in .*; got 1 masks without one"):
        read_first_masks(tmp_path)


CASES = {
    "soft.png": (1,),
    "binary.jpg": (1,),
    "grey_alpha.png": (1,),
    "only_object_3.png": (3,),
    "void_255.png": (1,),
    "int32.tif": "got 0 to 65537",
}


@pytest.mark.parametrize("name", CASES)
def test_masks_that_went_wrong_are_read_or_named(shared_folder, name):
    path = shared_folder / "cases/masks" / name
    if not path.is_file():
        pytest.skip(f"no {path}")
    if isinstance(expected := CASES[name], str):
        with pytest.raises(SourceError, match=expected):
            read_masks(path)
        return
    rows, columns = np.mgrid[:120, :160]
    disk = np.hypot(columns - 45, rows - 60) <= 20
    found = read_masks(path)
    assert tuple(found) == expected
    for mask in found.values():
        assert (mask & disk).sum() / (mask | disk).sum() > 0.95
