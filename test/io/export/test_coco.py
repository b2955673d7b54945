"""The labelled dataset, as those who read it see it."""

from __future__ import annotations

import json
import shutil

import cv2
import numpy as np
import pytest
import yaml
from synthetic import two_disks

from sampt_ros.data_types import FrameResult, LocalMask, ObjectResult, ObjectState, Points
from sampt_ros.errors import SourceError
from sampt_ros.io.export.coco import CocoDataset
from sampt_ros.io.image_files import read_image


def item(object_id, mask, state=ObjectState.TRACKING):
    return ObjectResult(object_id, state, 0.9, LocalMask.of(mask), Points.none())


def nothing(state):
    return item(2, np.zeros((96, 128), bool), state)


def results(count=3):
    for index in range(count):
        image, red, blue = two_disks(index)
        yield image, FrameResult(index, red.shape, (item(1, red), item(2, blue)))


@pytest.fixture
def folder(tmp_path):
    with CocoDataset(tmp_path / "out/coco", {2: "can"}) as dataset:
        for image, result in results():
            dataset.add(image, result)
    return dataset.folder


def test_a_dataset_has_all_files(folder):
    assert {path.name for path in folder.iterdir()} == {"images", "annotations.json", "labels", "data.yaml"}


def test_pycocotools_reads_the_masks_areas_and_boxes(folder):
    coco_file = pytest.importorskip("pycocotools.coco", reason="pycocotools is missing")
    coco = coco_file.COCO(str(folder / "annotations.json"))
    for _, result in results():
        annotations = coco.loadAnns(coco.getAnnIds(imgIds=result.index))
        assert [each["track_id"] for each in annotations] == [1, 2]
        for each, truth in zip(annotations, result.objects):
            encoded = coco.annToRLE(each)
            assert (coco.annToMask(each) == truth.mask).all()
            assert each["area"] == truth.area == coco_file.maskUtils.area(encoded)
            assert each["bbox"] == list(truth.box) == coco_file.maskUtils.toBbox(encoded).tolist()
    assert {each["id"]: each["name"] for each in coco.loadCats(coco.getCatIds())} == {1: "can", 2: "object 1"}


def test_the_images_are_there_in_the_size_that_is_written(folder):
    content = json.loads((folder / "annotations.json").read_text())
    for entry in content["images"]:
        image = read_image(folder / "images" / entry["file_name"])
        assert image.shape == (entry["height"], entry["width"], 3)
        assert abs(image.astype(int) - two_disks(entry["id"])[0]).mean() < 5


def test_yolo_polygons_give_the_masks_back(folder):
    classes = yaml.safe_load((folder / "data.yaml").read_text())["names"]
    for _, result in results():
        lines = (folder / f"labels/{result.index:05d}.txt").read_text().splitlines()
        for line, truth in zip(lines, result.objects, strict=True):
            number, *shares = line.split()
            assert classes[int(number)] == {1: "object 1", 2: "can"}[truth.id]
            xy = (np.array(shares, float).reshape(-1, 2) * (128, 96)).astype(np.int32)  # cut off, as YOLO's readers do
            assert (cv2.fillPoly(np.zeros((96, 128), np.uint8), [xy], 1) == truth.mask).all()


def test_frames_with_an_uncertain_mask_or_without_objects_are_left_out_and_a_lost_object_has_no_annotation(tmp_path):
    image, red, _ = two_disks(0)
    with CocoDataset(tmp_path) as dataset:
        dataset.add(image, FrameResult(0, red.shape))
        dataset.add(image, FrameResult(1, red.shape, (item(1, red), nothing(ObjectState.UNCERTAIN))))
        dataset.add(image, FrameResult(2, red.shape, (item(1, red), nothing(ObjectState.LOST))))
    content = json.loads((tmp_path / "annotations.json").read_text())
    assert [each["id"] for each in content["images"]] == [2]
    assert [each["track_id"] for each in content["annotations"]] == [1]
    assert (dataset.frames, dataset.skipped) == (1, 2)


def test_objects_of_one_name_are_one_category(tmp_path):
    with CocoDataset(tmp_path, {1: "disk", 2: "disk"}) as dataset:
        dataset.add(*next(results(1)))
    content = json.loads((tmp_path / "annotations.json").read_text())
    assert content["categories"] == [{"id": 1, "name": "disk"}]
    assert {each["category_id"] for each in content["annotations"]} == {1}


def test_an_earlier_dataset_is_replaced(folder):
    with CocoDataset(folder) as dataset:
        for image, result in results(1):
            dataset.add(image, result)
    assert sorted(path.name for path in folder.glob("*/*")) == ["00000.jpg", "00000.txt"]


def test_an_earlier_dataset_is_replaced_by_one_of_no_images_where_all_frames_are_left_out(folder):
    image, red, _ = two_disks(0)
    with CocoDataset(folder, {1: "cup"}) as dataset:
        dataset.add(image, FrameResult(0, red.shape))
        dataset.add(image, FrameResult(1, red.shape, (item(1, red, ObjectState.UNCERTAIN),)))
    assert (dataset.frames, dataset.skipped) == (0, 2)
    assert not list(folder.glob("*/*"))
    content = json.loads((folder / "annotations.json").read_text())
    assert (content["images"], content["annotations"]) == ([], [])
    assert content["categories"] == [{"id": 1, "name": "cup"}]
    assert yaml.safe_load((folder / "data.yaml").read_text())["names"] == {0: "cup"}


def test_nothing_is_written_without_a_frame(tmp_path):
    with CocoDataset(tmp_path / "coco"):
        pass
    assert not (tmp_path / "coco").exists()


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SourceError, match=r"cannot write to .*file/coco"):
        CocoDataset(tmp_path / "file/coco").add(*next(results(1)))


def test_a_folder_that_goes_away_meanwhile_is_named(tmp_path):
    first, second = results(2)
    dataset = CocoDataset(tmp_path / "coco")
    dataset.add(*first)
    shutil.rmtree(tmp_path / "coco/labels")
    with pytest.raises(SourceError, match=r"cannot write to .*coco: No such file or directory"):
        dataset.add(*second)
    shutil.rmtree(tmp_path / "coco")
    with pytest.raises(SourceError, match=r"cannot write to .*coco: No such file or directory"):
        dataset.close()
