"""What all sources of training pictures give."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Shot(NamedTuple):
    """Frames of one scene: images (H, W, 3) uint8 RGB and labels (H, W) uint8: 0 background, object ids, 255 void.

    complete: an object whose id is not in a frame is not seen there
    """

    images: list[np.ndarray]
    labels: list[np.ndarray]
    complete: bool = True
