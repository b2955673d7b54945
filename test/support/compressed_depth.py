"""Depth as compressedDepth messages hold it, encoded pixel by pixel."""

from __future__ import annotations

import struct

import cv2
import numpy as np


def png(plane: np.ndarray) -> tuple[str, bytes]:
    """The format and data of (H, W) uint16 millimetres or float32 metres up to 10 m, as PNG."""
    numbers, encoding, header = _numbers(plane)
    return f"{encoding}; compressedDepth png", header + cv2.imencode(".png", numbers)[1].tobytes()


def plain(plane: np.ndarray) -> tuple[str, bytes]:
    """The same as the ordinary transport `compressed` sends it: PNG, or TIFF of float32 metres."""
    kind, encoding = ("png", "16UC1") if plane.dtype == np.uint16 else ("tiff", "32FC1")
    return f"{encoding}; {kind} compressed ", cv2.imencode(f".{kind}", plane)[1].tobytes()


def rvl(plane: np.ndarray) -> tuple[str, bytes]:
    """The same as RVL."""
    numbers, encoding, header = _numbers(plane)
    height, width = numbers.shape
    data = struct.pack("<II", width, height) + _rvl(numbers.reshape(-1).tolist())
    return f"{encoding}; compressedDepth rvl", header + data


def _numbers(plane: np.ndarray) -> tuple[np.ndarray, str, bytes]:
    """(H, W) uint16, what they stand for, and the header."""
    if plane.dtype == np.uint16:
        return plane, "16UC1", struct.pack("<iff", 0, 0, 0)
    furthest, quantization = 10.0, 100.0
    scale = quantization * (quantization + 1)
    offset = 1 - scale / furthest
    near = plane < furthest
    numbers = np.zeros(plane.shape, np.uint16)
    numbers[near] = scale / plane[near] + offset
    return numbers, "32FC1", struct.pack("<iff", 0, scale, offset)


def _rvl(pixels: list[int]) -> bytes:
    nibbles: list[int] = []

    def put(number: int) -> None:
        while number > 7:
            nibbles.append(number & 7 | 8)
            number >>= 3
        nibbles.append(number)

    at, before = 0, 0
    while at < len(pixels):
        begin = at
        while at < len(pixels) and not pixels[at]:
            at += 1
        end = at
        while end < len(pixels) and pixels[end]:
            end += 1
        put(at - begin)
        put(end - at)
        for value in pixels[at:end]:
            step = value - before
            put(2 * step if step >= 0 else -2 * step - 1)
            before = value
        at = end
    nibbles += [0] * (-len(nibbles) % 8)
    words = [int("".join(f"{nibble:x}" for nibble in nibbles[at : at + 8]), 16) for at in range(0, len(nibbles), 8)]
    return struct.pack(f"<{len(words)}I", *words)
