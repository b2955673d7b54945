"""The colours of ImageNet's photographs, which most published networks expect to be taken out of an image."""

from __future__ import annotations

from torch import Tensor

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of red, green, blue, 0..1


def normalized(image: Tensor) -> Tensor:
    """An RGB image (..., 3, h, w) of 0..1 as such networks take it."""
    mean, deviation = statistics(image)
    return (image - mean) / deviation


def statistics(image: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (3, 1, 1), on the device and in the number format of an image."""
    return image.new_tensor(MEAN)[:, None, None], image.new_tensor(DEVIATION)[:, None, None]
