"""Compares the speed of ours and of other video object segmentation methods on this machine's CPU, on the same frames.

    python benchmarks/peers.py --write docs/performance.md
    python benchmarks/peers.py --dry-run

EdgeTAM and Cutie are run as their documentation describes it for a video stream: EdgeTAM in a streaming session of
transformers, Cutie by InferenceCore with its package's settings for videos and its small model. Their weights are
random, because the time does not depend on their values. All methods start from the same masks, get the same RGB images
as numpy arrays, return masks of the images' size, and use the same number of threads. They take turns of a few frames,
so that other programs on the machine slow all of them down alike.

A method whose packages are missing is left out, and the reason is printed. Install them in a separate virtual
environment:

    pip install transformers timm torchvision    # EdgeTAM
    pip install rf-cutie hydra-core torchvision  # Cutie
"""

from __future__ import annotations

import argparse
import itertools
import json
import shlex
import sys
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import cv2
import numpy as np
import torch
from marked_tables import between_markers, table

from sampt_ros.config.presets import load_preset
from sampt_ros.evaluation.speed.benchmark import Timing
from sampt_ros.evaluation.synthetic_scene import Scene
from sampt_ros.tracking.sam_pt import SamPt
from sampt_ros.utils.machine import machine

_NAME = "benchmarks/peers.py"
_INSTALL = {
    "EdgeTAM": "pip install transformers timm torchvision",
    "Cutie": "pip install rf-cutie hydra-core torchvision",
}


class Peer(ABC):
    """A video object segmentation method for a stream of images."""

    @abstractmethod
    def start(self, image: np.ndarray, masks: Sequence[np.ndarray]) -> None:
        """Begin with an image (H, W, 3) uint8 RGB and the masks (H, W) bool of the objects in it."""

    @abstractmethod
    def step(self, image: np.ndarray) -> np.ndarray:
        """The objects' masks (B, H, W) bool in the next image (H, W, 3) uint8 RGB."""


class Ours(Peer):
    """SAM-PT with one of our presets that need no download."""

    def __init__(self, preset: str, threads: int) -> None:
        self._sam_pt = SamPt(load_preset(preset, {"device": "cpu", "cpu_threads": threads}))

    def start(self, image: np.ndarray, masks: Sequence[np.ndarray]) -> None:
        self._sam_pt.step(image)
        for mask in masks:
            self._sam_pt.add_object(mask=mask)

    def step(self, image: np.ndarray) -> np.ndarray:
        return np.stack([item.mask for item in self._sam_pt.step(image).objects])


class EdgeTam(Peer):
    """EdgeTAM of transformers, at any input size that is a multiple of 256, pixels."""

    def __init__(self, size: int) -> None:
        from transformers import (
            EdgeTamVideoConfig,
            EdgeTamVideoModel,
            EdgeTamVisionConfig,
            Sam2ImageProcessor,
            Sam2VideoProcessor,
            Sam2VideoVideoProcessor,
            TimmWrapperConfig,
        )

        # The default backbone of this configuration is SAM 2's, not EdgeTAM's.
        layers = {"in_chans": 3, "features_only": True, "out_indices": [0, 1, 2, 3]}
        backbone = TimmWrapperConfig(architecture="repvit_m1", do_pooling=False, model_args=layers)
        cells = [[size // stride] * 2 for stride in (4, 8, 16)]
        vision = EdgeTamVisionConfig(backbone_config=backbone, backbone_feature_sizes=cells)
        config = EdgeTamVideoConfig(
            vision_config=vision,
            prompt_encoder_config={"image_size": size},
            image_size=size,
            memory_attention_rope_feat_sizes=cells[-1],
        )
        self._model = EdgeTamVideoModel(config).eval()
        square = {"height": size, "width": size}
        images = Sam2ImageProcessor(size=square, do_convert_rgb=False)  # The images are RGB already.
        self._processor = Sam2VideoProcessor(images, Sam2VideoVideoProcessor(size=square), target_size=size)

    def start(self, image: np.ndarray, masks: Sequence[np.ndarray]) -> None:
        self._session = self._processor.init_video_session(inference_device="cpu", dtype=torch.float32)
        ids = list(range(1, len(masks) + 1))
        self._processor.add_inputs_to_inference_session(self._session, 0, ids, input_masks=list(masks))
        self.step(image)

    def step(self, image: np.ndarray) -> np.ndarray:
        inputs = self._processor(images=image, return_tensors="pt")
        found = self._model(inference_session=self._session, frame=inputs.pixel_values[0])
        masks = self._processor.post_process_masks([found.pred_masks], original_sizes=inputs.original_sizes)[0]
        return np.asarray(masks[:, 0])


class Cutie(Peer):
    """Cutie's small model with its package's settings for videos: images are scaled to at most 480 pixels in height."""

    def __init__(self) -> None:
        import cutie.config
        from cutie.inference.inference_core import InferenceCore
        from cutie.model.cutie import CUTIE
        from hydra import compose, initialize_config_dir

        folder = str(Path(cutie.config.__file__).parent.resolve())
        with initialize_config_dir(folder, version_base="1.3.2"):
            config = compose("video_config", overrides=["model=small"])
        with _no_download():
            network = CUTIE(config).eval()
        self._make: Callable[[], Any] = lambda: InferenceCore(network, cfg=config)

    def start(self, image: np.ndarray, masks: Sequence[np.ndarray]) -> None:
        self._core = self._make()
        labels = np.zeros(image.shape[:2], np.int64)
        for number, mask in enumerate(masks, 1):
            labels[mask] = number
        with torch.inference_mode():
            ids = list(range(1, len(masks) + 1))
            self._core.step(_tensor(image), torch.from_numpy(labels), objects=ids)
        self._ids = torch.tensor(ids)

    def step(self, image: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            labels = self._core.output_prob_to_mask(self._core.step(_tensor(image)))
            return np.asarray(labels == self._ids[:, None, None])


def _tensor(image: np.ndarray) -> torch.Tensor:
    """An image (H, W, 3) uint8 as (3, H, W) float32 0..1."""
    return torch.from_numpy(image).permute(2, 0, 1).float() / 255


@contextmanager
def _no_download() -> Iterator[None]:
    """A context in which Cutie's backbones keep their random weights; its constructor would download others."""
    from cutie.model.utils import resnet

    def untrained(build: Any) -> Any:
        return lambda pretrained=False, **options: build(pretrained=False, **options)

    with patch.multiple(resnet, resnet18=untrained(resnet.resnet18), resnet50=untrained(resnet.resnet50)):
        yield


@dataclass(frozen=True)
class Row:
    """The measurement of one method: times of a frame in ms, and the mean rate in frames per second."""

    name: str
    timing: Timing
    rate: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what the command line asks for."""
    parsed = _parser().parse_args(arguments)
    if parsed.dry_run:
        parsed.size, parsed.frames, parsed.turn, parsed.warmup = (160, 128), 2, 1, 1
    torch.set_num_threads(parsed.threads)
    cv2.setNumThreads(parsed.threads)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # The other packages use deprecated names of torch and of each other.
        peers = dict(_peers([256] if parsed.dry_run else [512, 1024], parsed.presets, parsed.threads))
        rows = measure(peers, parsed)
    command = shlex.join(["python", _NAME, *(sys.argv[1:] if arguments is None else arguments)])
    where = f"{machine()}, {parsed.threads} threads, torch {torch.__version__}"
    what = f"{parsed.size[0]}x{parsed.size[1]}, objects: {parsed.objects}"
    text = f"{where}; {what}:\n\n    {command}\n\n{_table(rows)}"
    print(text)
    if parsed.json:
        report = {"machine": machine(), "threads": parsed.threads, "rows": [asdict(row) for row in rows]}
        parsed.json.write_text(json.dumps(report, indent=2))
    if parsed.write:
        parsed.write.write_text(between_markers(parsed.write.read_text(), _NAME, text))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    argument = parser.add_argument
    argument("--presets", type=lambda text: text.split(","), default=["default"], metavar="A,B", help="our presets")
    argument("--size", type=_size, default=(640, 480), metavar="WxH", help="size of the images (default: 640x480)")
    argument("--objects", type=int, default=1, metavar="N", help="number of objects (default: 1)")
    argument("--frames", type=int, default=48, metavar="N", help="measured frames of each method (default: 48)")
    argument("--turn", type=int, default=8, metavar="N", help="frames of a turn (default: 8)")
    argument("--warmup", type=int, default=8, metavar="N", help="frames before the measured ones (default: 8)")
    argument("--threads", type=int, default=torch.get_num_threads(), metavar="N", help="threads (default: torch's)")
    argument("--json", type=Path, metavar="FILE", help="also write the numbers to this file")
    argument("--write", type=Path, metavar="FILE", help="put the table between this file's markers")
    argument("--dry-run", action="store_true", help="run everything with a few small images")
    return parser


def _size(text: str) -> tuple[int, int]:
    width, height = map(int, text.split("x"))
    return width, height


def _peers(sizes: Sequence[int], presets: Sequence[str], threads: int) -> Iterator[tuple[str, Peer]]:
    """All methods that can be built here, by name, ours first; prints why the others cannot."""
    for preset in presets:
        yield f"ours, preset {preset}", Ours(preset, threads)
    builders: dict[str, Any] = {f"EdgeTAM, {size} px": lambda size=size: EdgeTam(size) for size in sizes}
    for name, build in {**builders, "Cutie, small": Cutie}.items():
        try:
            yield name, build()
        except ImportError as error:
            print(f"{name} is left out: {error}. {_INSTALL[name.partition(',')[0]]}", flush=True)


def measure(peers: Mapping[str, Peer], parsed: argparse.Namespace) -> list[Row]:
    """Let the methods take turns on the same frames, until each has processed all of them."""
    scene = Scene(parsed.size, parsed.objects)
    for peer in peers.values():
        peer.start(scene.image(0), scene.masks(0))
    spent: dict[str, list[float]] = {name: [] for name in peers}
    last = parsed.warmup + parsed.frames
    for first in range(1, last + 1, parsed.turn):
        indices = range(first, min(first + parsed.turn, last + 1))
        images = [scene.image(index) for index in indices]
        for (name, peer), (index, image) in itertools.product(peers.items(), list(zip(indices, images))):
            began = time.perf_counter()
            masks = peer.step(image)
            took = 1000 * (time.perf_counter() - began)
            if masks.shape != (parsed.objects, *image.shape[:2]):
                raise ValueError(f"{name}: expected {parsed.objects} masks of the image's size; got {masks.shape}")
            if index > parsed.warmup:
                spent[name].append(took)
    return [Row(name, Timing.of(took), 1000 * len(took) / sum(took)) for name, took in spent.items()]


def _table(rows: Sequence[Row]) -> str:
    first = rows[0].timing.median
    headings = ("tracker", "ms a frame (median / 95th percentile)", "frames/s", f"times {rows[0].name}")
    cells = []
    for row in rows:
        times = f"{row.timing.median:.0f} / {row.timing.p95:.0f}"
        cells.append([row.name, times, f"{row.rate:.1f}", f"{row.timing.median / first:.1f}"])
    return table(headings, cells)


if __name__ == "__main__":
    sys.exit(main())
