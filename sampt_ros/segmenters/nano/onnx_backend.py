"""The nano segmenter's networks computed by ONNX Runtime, on a CPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from onnxruntime import InferenceSession, OrtValue, SessionOptions

from sampt_ros.config.segmenters import NanoConfig
from sampt_ros.errors import ConfigError
from sampt_ros.segmenters.nano.backend import NanoBackend, PromptMaps
from sampt_ros.segmenters.nano.interface import PROMPT_STRIDE, TOP, Features, Memory
from sampt_ros.segmenters.nano.memory import ObjectMemory
from sampt_ros.segmenters.nano.weights import WEIGHTS, click_weights, nano_weights
from sampt_ros.utils.machine import has_int8_instructions
from sampt_ros.utils.side_threads import SideThreads

# The networks' parts as graphs. Names of the weights that each needs begin with what is said here: those whose blocks
# compute in 8 bits have the package's own weights in them.
_PREFIXES: dict[str, tuple[str, ...]] = {
    "encode": ("encoder.",),
    "encode_int8": (),
    "memorize": ("memory.key.", "memory.value."),
    "decode": ("memory.key.", "memory.sharpness", "decoder."),
    "decode_int8": (),
    "clicks": ("",),
    "clicks_int8": (),
}
# The networks' maps of windows of fewer pixels a side than this are so small that waking another thread for each saves
# little: on two cores, a second one made the processor's time 1.2 to 1.4 times as long.
_SHARED_SIDE = 192
_KEY, _VALUE = 64, 96  # Channels of memory keys and values.
# What is remembered of an object of which nothing is: as many positions as are read, none of them valid.
_NOTHING = Memory(
    np.zeros((1, TOP, _KEY), np.float32),
    np.zeros((1, TOP, _VALUE), np.float32),
    np.zeros((1, TOP), np.float32),
    np.zeros((1, TOP), bool),
)


class OnnxBackend(NanoBackend):
    """Features and memories are NumPy arrays."""

    concurrent = True

    def __init__(
        self,
        weights: Mapping[str, np.ndarray],
        click_weights: Mapping[str, np.ndarray],
        threads: int = 1,
        quantized: tuple[bool, bool] = (False, False),
    ) -> None:
        """weights, click_weights: of each network, by their names in its state dict, float16

        threads    that they compute on
        quantized  whether each computes in 8 bits, which only the package's own weights can be
        """
        suffix, click_suffix = ("_int8" if each else "" for each in quantized)
        self._encode, self._decode = (
            _Network(name, weights, threads) for name in (f"encode{suffix}", f"decode{suffix}")
        )
        self._memorize = _Network("memorize", weights)
        self._decode_clicks = _Network(f"clicks{click_suffix}", click_weights, threads)
        self._side = SideThreads("sampt_network", threads - 1)

    @classmethod
    def from_config(cls, config: NanoConfig | None = None, threads: int = 1) -> OnnxBackend:
        """With the weights and the precision of a configuration.

        Raises CheckpointError, and ConfigError if weights of a file are to be computed with in int8.
        """
        config = config or NanoConfig()
        files = {"checkpoint": config.checkpoint, "click_checkpoint": config.click_checkpoint}
        given = [name for name, file in files.items() if file]
        if given and config.precision == "int8":
            raise ConfigError(f"expected nano.precision auto or float32 with nano.{given[0]}; got int8")
        is_fast = config.precision == "int8" or (config.precision == "auto" and has_int8_instructions())
        follows, clicks = (is_fast and not file for file in files.values())
        weights = nano_weights(config.checkpoint), click_weights(config.click_checkpoint)
        return cls(*weights, threads, (follows, clicks))

    def encode(self, images: np.ndarray) -> list[Features]:
        # One image at a time: no slower, and the large maps of the first layers take the memory of few images.
        def encode_row(image: np.ndarray) -> Features:
            return Features(tuple(self._encode.run(max(image.shape), image[None])))

        return self._side.share(encode_row, [*images])

    def memorize(self, features: Features, mask: np.ndarray) -> Memory:
        keys, values, inside = self._memorize.run(len(mask), features.maps[3], mask[None, None])
        return Memory(keys, values, inside, np.ones(inside.shape, bool))

    def decode(
        self,
        features: Sequence[Features],
        prompts: PromptMaps,
        memories: Sequence[ObjectMemory | None],
    ) -> tuple[np.ndarray, np.ndarray]:
        def decode_row(row: int) -> list[np.ndarray]:
            known = memories[row]
            memory = known.positions if known and known.memories else _NOTHING
            remembered = memory.keys, memory.values, memory.inside, memory.valid
            maps = prompts[row]()
            side = PROMPT_STRIDE * len(maps[0])
            return self._decode.run(side, *features[row].maps, maps[None], *remembered)

        return self._for_each(decode_row, len(prompts))

    def decode_clicks(self, images: np.ndarray, prompts: PromptMaps) -> tuple[np.ndarray, np.ndarray]:
        def decode_row(row: int) -> list[np.ndarray]:
            return self._decode_clicks.run(images.shape[1], images[row : row + 1], prompts[row]()[None])

        return self._for_each(decode_row, len(prompts))

    def _for_each(self, decode_row: Callable[[int], list[np.ndarray]], count: int) -> tuple[np.ndarray, np.ndarray]:
        """Logits and predicted IoUs of so many objects, by what gives those of a row."""
        # One object at a time: no slower, and the memory of as many as there are threads, which is kept, will do.
        decoded = self._side.share(decode_row, range(count))
        logits, scores = (np.concatenate(values) for values in zip(*decoded))
        return logits, scores

    def directions(self, feature_map: np.ndarray) -> np.ndarray:  # type: ignore[override]
        cells = np.ascontiguousarray(feature_map[0].transpose(1, 2, 0))
        cells /= np.maximum(np.linalg.norm(cells, axis=2, keepdims=True), 1e-12)
        return cells


def graph_path(name: str) -> Path:
    """The file of one part of the networks: encode, memorize, decode, clicks, or one of these with _int8."""
    return WEIGHTS.with_name(f"{name}.onnx")


class _Network:
    """One part of the networks. Small windows are computed on one thread."""

    def __init__(self, name: str, weights: Mapping[str, np.ndarray], threads: int = 1) -> None:
        """threads: that large windows are computed on"""
        own = {key: value for key, value in weights.items() if key.startswith(_PREFIXES[name])}
        self._small = self._large = _session(graph_path(name), own, 1)
        if threads > 1:
            self._large = _session(graph_path(name), own, threads)
        self._inputs = [node.name for node in self._small.get_inputs()]

    def run(self, side: int, *inputs: np.ndarray) -> list[np.ndarray]:
        """The outputs for these inputs, in the graph's order. Raises MemoryError where memory ran out.

        side: of the window, the longer one, pixels
        """
        session = self._small if side < _SHARED_SIDE else self._large
        try:
            outputs: list[np.ndarray] = session.run(None, dict(zip(self._inputs, inputs)))
        except Exception as error:  # ONNX Runtime has no class of errors for this.
            if "alloc" in str(error):
                raise MemoryError(str(error)) from error
            raise
        return outputs


def _session(graph: Path, weights: Mapping[str, np.ndarray], threads: int) -> InferenceSession:
    options = SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Both would keep memory for every size of window and memory that ever came, hundreds of MiB after some minutes.
    # Without the arena it comes from malloc, which reuses it, in about the same time.
    options.enable_mem_pattern = False
    options.enable_cpu_mem_arena = False
    # Threads that spin while they wait would take the cores from whatever else the robot computes.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_external_initializers(
        list(weights), [OrtValue.ortvalue_from_numpy(value) for value in weights.values()]
    )
    return InferenceSession(graph, options, providers=["CPUExecutionProvider"])
