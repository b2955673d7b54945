"""Simulates what a camera does to the images of a video: exposure, colours, blur, noise and compression."""

from __future__ import annotations

import cv2
import numpy as np


class Camera:
    """A camera with random properties. Its exposure changes from frame to frame, mostly only a little."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._gamma, self._gain = rng.normal(0, 0.22), rng.normal(1, 0.05, 3) * rng.uniform(0.8, 1.1)
        self._unsteady = float(rng.choice([0.01, 0.05, 0.15], p=[0.6, 0.3, 0.1]))
        self._is_gray = rng.random() < 0.06
        self._blur = rng.uniform(0.4, 1.6) if rng.random() < 0.25 else 0.0
        self._noise = rng.uniform(2, 10) if rng.random() < 0.35 else 0.0
        self._quality = int(rng.integers(25, 92)) if rng.random() < 0.5 else 0

    def shoot(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """An image (h, w, 3) uint8 RGB as this camera takes it, the same size and type."""
        ramp = np.linspace(0, 1, 256)[:, None] ** np.exp(self._gamma + rng.normal(0, self._unsteady))
        gain = self._gain * np.exp(rng.normal(0, self._unsteady)) * rng.normal(1, 0.3 * self._unsteady, 3)
        table = np.clip(255 * ramp * gain + rng.normal(0, 60 * self._unsteady), 0, 255)
        image = cv2.LUT(image, table.astype(np.uint8)[None])
        if self._is_gray:
            image = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        if self._blur:
            image = cv2.GaussianBlur(image, (0, 0), self._blur * rng.uniform(0.7, 1.2))
        if self._noise:
            noise = np.empty(image.shape, np.int16)
            cv2.setRNGSeed(int(rng.integers(2**31)))
            cv2.randn(noise, 0, self._noise)
            image = cv2.add(image, noise, dtype=cv2.CV_8U)
        if self._quality:
            coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, self._quality])[1]
            image = cv2.imdecode(coded, cv2.IMREAD_COLOR)
        return image
