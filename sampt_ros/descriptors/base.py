"""What a descriptor is: it says what the parts of an image look like, in place of the segmenter."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from sampt_ros.data_types import Frame


class Descriptor(ABC):
    """Feature maps of images, by which lost objects and those known from a picture are found.

    It keeps nothing of a frame.

    concurrent  whether `describe` may be called in one thread while another one computes with other networks
    """

    concurrent = False

    @abstractmethod
    def describe(self, frame: Frame) -> np.ndarray:
        """The feature map (h, w, C) float32 of a whole frame.

        Each cell is a unit vector. The cell (x, y) covers the image from x / w and y / h of its width and height on.
        """
