"""Damages bytes, files and messages at random, and makes random values."""

from __future__ import annotations

import copy
import dataclasses
import struct
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import samples

_INTEGERS = (0, 1, -1, 2, 255, 256, 32767, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64)
_FLOATS = (0.0, -1.0, 0.5, 1e-30, 1e30, float("nan"), float("inf"), float("-inf"))
_TEXTS = (
    "",
    "rgb8",
    "mono8",
    "mono16",
    "bgr8",
    "nv12",
    "yuv422",
    "bayer_rggb8",
    "16UC1",
    "32FC1",
    "8UC3",
    "x" * 999,
    "\n\t",
    "ü",
    "../x",
)


def chance(random: Random, share: float) -> bool:
    """True with this probability."""
    return random.random() < share


def damaged(random: Random, data: bytes) -> bytes:
    """The bytes after one to four random changes."""
    for _ in range(random.randint(1, 4)):
        data = _damaged_once(random, data)
    return data


def _damaged_once(random: Random, data: bytes) -> bytes:
    length = len(data)
    at = random.choice([random.randrange(length + 1), random.randrange(min(length, 200) + 1)])
    run = random.choice([1, 4, random.randint(1, 64), random.randint(1, max(1, length // 2))])
    kind = random.randrange(8)
    if kind == 0:
        return data[:at]
    if kind == 1:
        return data[:at] + random.randbytes(run) + data[at + run :]
    if kind == 2:
        return data[:at] + random.randbytes(min(run, 64)) + data[at:]
    if kind == 3:
        return data[:at] + data[at + run :]
    if kind == 4:
        return data[:at] + bytes(run) + data[at + run :]
    if kind == 5:  # Four aligned bytes are most likely a length or a count.
        at -= at % 4
        number = random.choice(_INTEGERS) & 0xFFFFFFFF
        return data[:at] + struct.pack(random.choice("<>") + "I", number) + data[at + 4 :]
    if kind == 6:
        return data[:at] + data[at : at + run] + data[at:]
    if at < length:  # Flip a single bit.
        return data[:at] + bytes([data[at] ^ (1 << random.randrange(8))]) + data[at + 1 :]
    return data


def damage_file(random: Random, path: Path) -> None:
    """Damage a file in place; sometimes delete it, or replace it by something else."""
    kind = random.random()
    if kind < 0.9:
        path.write_bytes(damaged(random, path.read_bytes()))
    elif kind < 0.93:
        path.unlink()
    else:
        path.write_bytes(random.choice([b"", random.randbytes(300), b"version https://git-lfs.github.com/spec/v1\n"]))


def damaged_message(random: Random, message: Any) -> bytes | None:
    """A message in which some fields have odd values, serialized; None if it cannot be serialized."""
    message = copy.deepcopy(message)
    for _ in range(random.randint(1, 3)):
        part = message
        while True:
            names = [field.name for field in dataclasses.fields(part) if field.name != "__msgtype__"]
            name = random.choice(names)
            value = getattr(part, name)
            if isinstance(value, list) and value and dataclasses.is_dataclass(value[0]) and chance(random, 0.7):
                value = random.choice(value)
            if not dataclasses.is_dataclass(value):
                break
            part = value
        object.__setattr__(part, name, _odd_field(random, value))
    try:
        return samples.serialized(message)
    except Exception:  # The value does not fit its field.
        return None


def _odd_field(random: Random, value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | np.integer):
        return random.choice(_INTEGERS)
    if isinstance(value, float | np.floating):
        return random.choice(_FLOATS)
    if isinstance(value, str):
        return random.choice(_TEXTS)
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "f":
            return np.array([random.choice(_FLOATS) for _ in range(len(value))], value.dtype)
        length = random.choice([0, 1, len(value) // 2, max(0, len(value) - 1), len(value) + 7])
        return np.frombuffer(random.randbytes(length * value.itemsize), value.dtype)
    if isinstance(value, list):
        return random.choice([[], value * 2, value[:1] * 300])
    return value


def odd_value(random: Random) -> Any:
    """A value that most likely has the wrong type."""
    return random.choice(
        [
            None,
            True,
            random.choice(_INTEGERS),
            random.choice(_FLOATS),
            random.choice(_TEXTS),
            b"bytes",
            [],
            [random.choice(_INTEGERS)] * random.randint(1, 4),
            [[random.choice(_FLOATS), random.choice(_FLOATS)]],
            {"state_dict": {"a": 1}},
            ("a", None),
            random.randint(-5, 70),
            random.uniform(-2, 2),
        ]
    )


def odd_array(random: Random) -> np.ndarray:
    """An array of any type and shape."""
    kind = random.choice([np.uint8, np.uint8, bool, np.float32, np.float64, np.int64, np.uint16, object])
    shape = random.choice(
        [
            (),
            (0,),
            (2,),
            (1, 2),
            (3, 2),
            (0, 2),
            samples.SIZE,
            (*samples.SIZE, 3),
            (*samples.SIZE, 4),
            (1, 1, 3),
            (0, 9, 3),
            (31, 17, 3),
        ]
    )
    array = np.full(shape, random.choice([0, 1, 20, 255]), dtype=kind)
    if array.dtype.kind == "f" and chance(random, 0.5):
        array = np.full(shape, random.choice(_FLOATS), dtype=kind)
    return array
