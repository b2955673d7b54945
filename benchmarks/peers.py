"""How fast other trackers of masks are on this machine's processor, and how fast ours is, on the same frames in turn.

    python benchmarks/peers.py --write docs/performance.md
    python benchmarks/peers.py --dry-run

EdgeTAM and Cutie are run as their documentation says for a stream of video: EdgeTAM by a streaming session of
transformers, Cutie by InferenceCore with the package's settings for videos and its small model. Their weights are
random, since time does not depend on the weights' values. All start from the same masks, get the same RGB images as
numpy arrays, and give masks of the images' size. All have the same number of threads. They take turns of a few frames,
so that what else the machine does falls on all of them.

A tracker whose packages are missing is left out, and the reason is printed. In a virtual environment of its own:

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
    """A tracker of masks in a stream of images."""

    @abstractmethod
    def start(self, image: np.ndarray, masks: Sequence[np.ndarray]) -> None:
        """Begin with an image (H, W, 3) uint8 RGB and the masks (H, W) bool of the objects in it."""

    @abstractmethod
    def step(self, image: np.ndarray) -> np.ndarray:
        """The objects' masks (B, H, W) bool in the next image (H, W, 3) uint8 RGB."""


class Ours(Peer):
    """SAM-PT with one of our presets, which needs no download."""

    def __init__(self, preset: str) -> None:
        self._sam_pt = SamPt(load_preset(preset, {"device": "cpu"}))

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

        # The configuration's own default is SAM 2's backbone, not EdgeTAM's.
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
        images = Sam2ImageProcessor(size=square, do_convert_rgb=False)  # They are RGB.
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
    """Cutie's small model with the settings that its package has for videos: images of at most 480 pixels' height."""

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
    """Inside, Cutie's backbones keep their random weights: its constructor would download others."""
    from cutie.model.utils import resnet

    def untrained(build: Any) -> Any:
        return lambda pretrained=False, **options: build(pretrained=False, **options)

    with patch.multiple(resnet, resnet18=untrained(resnet.resnet18), resnet50=untrained(resnet.resnet50)):
        yield


@dataclass(frozen=True)
class Row:
    """What was measured of one tracker: what a frame took, in ms, and how many frames a second that is on average."""

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
        warnings.simplefilter("ignore")  # The other packages use old names of torch's and of each other's.
        peers = dict(_peers([256] if parsed.dry_run else [512, 1024], parsed.presets))
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
    argument("--presets", type=lambda text: text.split(","), default=["default"], metavar="A,B", help="of ours")
    argument("--size", type=_size, default=(640, 480), metavar="WxH", help="of the images (default: 640x480)")
    argument("--objects", type=int, default=1, metavar="N", help="objects (default: 1)")
    argument("--frames", type=int, default=48, metavar="N", help="frames measured of each (default: 48)")
    argument("--turn", type=int, default=8, metavar="N", help="frames of a turn (default: 8)")
    argument("--warmup", type=int, default=8, metavar="N", help="frames before all that (default: 8)")
    argument("--threads", type=int, default=torch.get_num_threads(), metavar="N", help="of each (default: torch's)")
    argument("--json", type=Path, metavar="FILE", help="write the numbers there too")
    argument("--write", type=Path, metavar="FILE", help="put the table between this file's markers")
    argument("--dry-run", action="store_true", help="go through all of it with a few small images")
    return parser


def _size(text: str) -> tuple[int, int]:
    width, height = map(int, text.split("x"))
    return width, height


def _peers(sizes: Sequence[int], presets: Sequence[str]) -> Iterator[tuple[str, Peer]]:
    """All trackers that can be built here, by name, ours first; says why the others cannot."""
    for preset in presets:
        yield f"ours, preset {preset}", Ours(preset)
    builders: dict[str, Any] = {f"EdgeTAM, {size} px": lambda size=size: EdgeTam(size) for size in sizes}
    for name, build in {**builders, "Cutie, small": Cutie}.items():
        try:
            yield name, build()
        except ImportError as error:
            print(f"{name} is left out: {error}. {_INSTALL[name.partition(',')[0]]}", flush=True)


def measure(peers: Mapping[str, Peer], parsed: argparse.Namespace) -> list[Row]:
    """Let the trackers take turns on the same frames, until each has done them all."""
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
