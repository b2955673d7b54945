"""The kinds of inputs that are damaged: for each, a function that makes one, lets the package read it, and checks it.

Each takes random numbers and a folder, and returns the reason why the input was refused, or an empty text.
"""

from __future__ import annotations

import logging
import math
import pickle
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import cv2
import numpy as np
import samples
import torch
from damage import chance, damage_file, damaged, damaged_message, odd_array, odd_value
from rosbags.serde import SerdeError

from sampt_ros.bags import types as bag_types
from sampt_ros.bags.reader import BagReader
from sampt_ros.bags.topics import Inputs, choose_inputs, inspect_topics
from sampt_ros.bags.tracker import BagTracker
from sampt_ros.cli.options.prompts import parse_starts
from sampt_ros.config.live import Settings
from sampt_ros.config.options import walk
from sampt_ros.config.presets import load_preset, presets_folder
from sampt_ros.data_types import check_image
from sampt_ros.errors import SamPtError
from sampt_ros.io.image_files import read_image
from sampt_ros.io.label_images import read_labels
from sampt_ros.io.masks import read_mask, read_masks
from sampt_ros.io.query_points import read_query_points
from sampt_ros.io.video import open_source
from sampt_ros.messages.outputs import OUTPUTS
from sampt_ros.segmenters.nano.weights import WEIGHTS, nano_weights
from sampt_ros.streaming.tracked_frame import TrackedFrame
from sampt_ros.tracking.sam_pt import SamPt
from sampt_ros.weights.loading import read_safetensors, read_weights

_MOST_FRAMES = 40  # Largest number of frames that are read of a video.


class Faults(logging.Handler):
    """Collects the messages in the package's log that are errors or faults, or lack a reason."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.levelno >= logging.ERROR or "because of a fault" in text or text.rstrip().endswith(":"):
            self.found.append(text)

    def __enter__(self) -> Faults:
        logging.getLogger("sampt_ros").addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("sampt_ros").removeHandler(self)


def prepare(folder: Path) -> None:
    """Write the whole files to `folder`, where the damaged ones will be too, and build the tracker."""
    folder.mkdir(exist_ok=True)
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    logging.getLogger("sampt_ros").propagate = False
    samples.write(folder)
    _tracker()


@cache
def _tracker() -> SamPt:
    """A fast tracker, shared by all inputs: each has to reset it first."""
    return SamPt(load_preset("grabcut", {"max_objects": 6}))


# Messages


class _Entries:
    """A bag whose entries are in memory."""

    def __init__(self, entries: list[tuple[str, int, bytes]]) -> None:
        self.entries = entries
        self.last_ns = max((recorded for _, recorded, _ in entries), default=0)

    def messages(self, names: Collection[str], clock: str = "") -> Iterator[tuple[str, int, bytes]]:
        return (entry for entry in self.entries if entry[0] in names)


def messages(random: Random, folder: Path) -> str:
    """A stream of whole messages of all kinds, with damaged ones in between."""
    whole = samples.stream()
    stream: list[tuple[str, Any]] = [*whole]
    for _ in range(random.randint(1, 4)):
        row = random.randrange(len(stream))
        topic, message = random.choice(whole)
        kind = message.__msgtype__
        data = damaged_message(random, message) if chance(random, 0.6) else None
        if data is None:
            data = damaged(random, samples.serialized(message))
        stream.insert(row, (topic, (kind, data)))
    entries = [
        (topic, (row + 1) * 1_000_000, part[1] if isinstance(part, tuple) else samples.serialized(part))
        for row, (topic, part) in enumerate(stream)
    ]
    _tracker().reset()
    inputs = samples.inputs(compressed=chance(random, 0.3))
    tracker = BagTracker(_tracker(), inputs, {})
    _follow(tracker, _Entries(entries), inputs)
    return tracker.drop_reason


def _follow(tracker: BagTracker, bag: Any, inputs: Inputs) -> None:
    """Track a bag, and check that every output has the header and the size of the image that it belongs to."""
    headers: dict[int, list[Any]] = {}
    for _topic, recorded_ns, data in bag.messages({inputs.image.name}):
        try:
            message: Any = bag_types.types().deserialize_cdr(data, inputs.image.type)
        except (SerdeError, *samples.UNREADABLE):
            continue
        headers.setdefault(recorded_ns, []).append(message.header)
    for frame in tracker.track(bag):
        if frame is not None:
            _check_outputs(frame, headers.get(frame.event.recorded_ns, []))


def _check_outputs(frame: TrackedFrame, headers: list[Any]) -> None:
    assert not frame.failed, "a computation failed on a whole image"
    for name, output in OUTPUTS.items():
        if not output.is_made_of(frame):
            continue
        message = output.make(frame, bag_types.classes())
        assert message.header in headers, f"{name}: {message.header} instead of one of {headers}"
        if hasattr(message, "encoding"):
            size = (message.height, message.width)
            assert size == frame.image.shape[:2], f"{name} of {size} for an image of {frame.image.shape}"
        bag_types.types().serialize_cdr(message, output.type)


# Files


def bags(random: Random, folder: Path) -> str:
    """A bag of either storage whose file or metadata is damaged."""
    path = samples.copied(folder, random.choice(samples.BAGS))
    files = sorted(path.iterdir())
    for file in random.sample(files, random.choice([1, 1, 1, 2])):
        damage_file(random, file)
    with BagReader(path if chance(random, 0.7) else random.choice(files)) as bag:
        inputs = choose_inputs(bag.topics, inspect_topics(bag))
        _tracker().reset()
        tracker = BagTracker(_tracker(), inputs, {})
        _follow(tracker, bag, inputs)
    return tracker.drop_reason


def pictures(random: Random, folder: Path) -> str:
    """A picture, a mask or a label image."""
    path = samples.copied(folder, random.choice(samples.PICTURES))
    damage_file(random, path)
    read = random.choice([read_labels, read_masks, read_mask, read_image])
    found = read(path)
    arrays = list(found.values()) if isinstance(found, dict) else [found]
    assert arrays and all(isinstance(array, np.ndarray) and array.size for array in arrays), f"got {found!r}"
    return ""


def videos(random: Random, folder: Path) -> str:
    """A video, or a folder of pictures."""
    path = samples.copied(folder, random.choice(samples.VIDEOS))
    for file in [path] if path.is_file() else random.sample(sorted(path.iterdir()), 2):
        damage_file(random, file)
    with open_source(str(path)) as source:
        for number, image in enumerate(source):
            check_image(image)
            if number == _MOST_FRAMES:
                break
    return ""


def checkpoints(random: Random, folder: Path) -> str:
    """Weights in .pth and .safetensors files, and pickled values of other types."""
    expected = samples.weights()
    name = random.choice([*samples.CHECKPOINTS, "pickle", "nano"])
    if name == "nano":
        path = folder / "damaged.safetensors"
        head = WEIGHTS.read_bytes()
        at = random.choice([0, 4, 8, random.randrange(1, 20000), random.randrange(len(head))])
        path.write_bytes(head[:at] + random.randbytes(random.randint(0, 9)) + head[at + random.randint(0, 9) :])
        nano_weights(str(path))
        return ""
    if name == "pickle":
        path = folder / "damaged.pth"
        path.write_bytes(pickle.dumps(odd_value(random), protocol=random.choice([0, 2, 4])))
    else:
        path = samples.copied(folder, name)
        damage_file(random, path)
    found: Mapping[str, Any]
    if path.suffix == ".safetensors":
        arrays = {key: value.numpy() for key, value in expected.items()}
        found = read_safetensors("test.checkpoint", str(path), "a model", arrays)
    else:
        found = read_weights("test.checkpoint", str(path), "a model", expected)
    assert {key: value.shape for key, value in found.items()} == {key: value.shape for key, value in expected.items()}
    return ""


# Parameters and queries


def parameters(random: Random, folder: Path) -> str:
    """Values of parameters, preset files, and prompts on the command line."""
    return random.choice([_values, _values, _preset, _texts])(random, folder)


def _values(random: Random, folder: Path) -> str:
    settings = Settings()
    settings.core = load_preset("grabcut")
    names = sorted(settings.names)
    known = {name: value for config in (settings.node, settings.core) for name, value, _ in walk(config)}
    chosen = random.sample(names, random.randint(1, 3))
    changes = {
        name: odd_value(random) if chance(random, 0.2) or isinstance(known[name], str | bool) else _near(random, name)
        for name in chosen
    }
    settings.change(changes, running=chance(random, 0.3))
    if settings.core.segmenter == "grabcut" and settings.core.point_tracker in ("lucas_kanade", "dis_flow"):
        sam_pt = SamPt(settings.core)
        for number in range(3):
            sam_pt.step(samples.pixels(number))
            if number == 0:
                sam_pt.add_object(points=[(20, 12)])
    return ""


def _near(random: Random, name: str) -> Any:
    """A value within the bounds of a parameter, or just outside them."""
    option = next(
        option for config in (Settings().node, Settings().core) for key, _, option in walk(config) if key == name
    )
    low, high = (0 if bound is None else bound for bound in (option.minimum, option.maximum))
    value = random.choice([low, high, low - 1, high + 1, random.uniform(low, max(low, high))])
    return random.choice([value, int(value) if math.isfinite(value) else value, float(value)])


def _preset(random: Random, folder: Path) -> str:
    path = folder / "damaged.yaml"
    path.write_bytes(damaged(random, random.choice(sorted(presets_folder().glob("*.yaml"))).read_bytes()))
    load_preset(str(path))
    return ""


def _texts(random: Random, folder: Path) -> str:
    file = folder / "damaged.txt"
    file.write_bytes(damaged(random, b"2\n0;20,12 30,14 50,40\n0;5,5 6,6\n"))
    if chance(random, 0.5):
        read_query_points(file)
        return ""

    def text(whole: str) -> str:
        return damaged(random, whole.encode()).decode(errors="replace").replace("\0", "")

    starts = parse_starts(
        [text("20,12,1,2")] if chance(random, 0.7) else [],
        [text("5,5,20,20,3")] if chance(random, 0.5) else [],
        [text(f"{folder}/labels.png,4")] if chance(random, 0.5) else [],
        query_points=[file] if chance(random, 0.3) else [],
    )
    _tracker().reset()
    _tracker().step(samples.pixels(0))
    for name, start in starts.items():
        start.begin(_tracker(), name)
    return ""


def queries(random: Random, folder: Path) -> str:
    """Calls of SamPt's methods with arrays of any type and shape."""
    sam_pt = _tracker()
    sam_pt.reset()
    refused = ""
    for number in range(4):
        try:
            sam_pt.step(samples.pixels(number) if chance(random, 0.8) else odd_array(random))
        except SamPtError as error:
            refused = str(error)
        ask = random.choice([_add_object, _add_object, _add_points, _add_reference, _remove])
        try:
            ask(random, sam_pt)
        except SamPtError as error:
            assert str(error).strip()
            refused = str(error)
    result = sam_pt.step(samples.pixels(4))
    assert result.labels.shape == samples.SIZE and {0, *(item.id for item in result.objects)} >= set(
        np.unique(result.labels)
    )
    return refused


def _maybe(random: Random, whole: Any) -> Any:
    return random.choice([whole, whole, None, odd_array(random), odd_value(random)])


def _add_object(random: Random, sam_pt: SamPt) -> None:
    mask = np.zeros(samples.SIZE, bool)
    mask[5:20, 10:30] = True
    past = [samples.pixels(0)] if chance(random, 0.2) else [odd_array(random)] if chance(random, 0.1) else []
    sam_pt.add_object(
        _maybe(random, [(20, 12)]),
        _maybe(random, None),
        _maybe(random, (5, 5, 25, 25)) if chance(random, 0.4) else None,
        _maybe(random, mask) if chance(random, 0.4) else None,
        random.choice([None, None, 3, 0, -1, 65535, 65536, 1 << 70]),
        past,
    )


def _add_points(random: Random, sam_pt: SamPt) -> None:
    sam_pt.add_points(random.choice([*sam_pt.object_ids, 7]), _maybe(random, [(20, 12)]), _maybe(random, [1]))


def _add_reference(random: Random, sam_pt: SamPt) -> None:
    mask = np.zeros(samples.SIZE, bool)
    mask[5:20, 10:30] = True
    sam_pt.add_reference(_maybe(random, samples.pixels(0)), _maybe(random, mask), random.choice([None, 5, -3]))


def _remove(random: Random, sam_pt: SamPt) -> None:
    sam_pt.remove_object(random.choice([*sam_pt.object_ids, 9, -1]))


KINDS: dict[str, Callable[[Random, Path], str]] = {
    "messages": messages,
    "bags": bags,
    "pictures": pictures,
    "videos": videos,
    "checkpoints": checkpoints,
    "parameters": parameters,
    "queries": queries,
}
