"""Splits a dataset that `sampt track --export coco` made: its last frames are for validation.

sampt track cups.mp4 --point 320,240 --out result --export coco --names 1=cup
python examples/split_dataset.py result/coco 0.2
yolo segment train data=result/coco/data.yaml model=yolo11n-seg.pt
"""

import json
import sys
from pathlib import Path

import yaml


def main(folder: Path, share: float = 0.2) -> None:
    """Write train.txt and val.txt, which data.yaml names then, and annotations_train.json and annotations_val.json.

    Frames that follow one another are much alike. So validation takes a piece at the end, not every fifth frame.
    """
    content = json.loads((folder / "annotations.json").read_text())
    images = sorted(content["images"], key=lambda image: image["id"])
    first = round(len(images) * (1 - share))
    for part, chosen in {"train": images[:first], "val": images[first:]}.items():
        ids = {image["id"] for image in chosen}
        annotations = [each for each in content["annotations"] if each["image_id"] in ids]
        only = {**content, "images": chosen, "annotations": annotations}
        (folder / f"annotations_{part}.json").write_text(json.dumps(only))
        (folder / f"{part}.txt").write_text("".join(f"./images/{image['file_name']}\n" for image in chosen))
        print(f"{part}: {len(chosen)} images, {len(annotations)} objects")
    classes = yaml.safe_load((folder / "data.yaml").read_text())
    (folder / "data.yaml").write_text(yaml.safe_dump({**classes, "train": "train.txt", "val": "val.txt"}))


if __name__ == "__main__":
    if len(sys.argv) > 2 and not 0 < float(sys.argv[2]) < 1:
        sys.exit(f"expected the share of frames for validation, between 0 and 1, such as 0.2; got {sys.argv[2]}")
    main(Path(sys.argv[1]), *map(float, sys.argv[2:]))
