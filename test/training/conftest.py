"""The training of the nano segmenter, training/nano, and small pictures for it."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from synthetic import texture

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def checkout(monkeypatch):
    pytest.importorskip("torch", reason="torch is missing, which trains the network")
    if not (ROOT / "training/nano").is_dir():
        pytest.skip("the training is not part of an installed package")
    monkeypatch.syspath_prepend(ROOT)


@pytest.fixture
def stills(tmp_path):
    """Two photographs with an ellipse each, as stills.json describes them."""
    from training.nano.pictures.stills import read_stills

    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    outline = np.stack([150 + 55 * np.cos(angles), 110 + 40 * np.sin(angles)], 1)
    entries = []
    for number in range(2):
        picture = texture(240, 320, number)
        cv2.fillPoly(picture, [outline.astype(np.int32)], (200, 60, 40 + 100 * number))
        cv2.imwrite(str(tmp_path / f"{number}.jpg"), picture)
        objects = [{"polygons": [outline.ravel().tolist()]}]
        entries.append(
            {"file": f"{number}.jpg", "source": "ours", "licence": "CC0", "all_objects_labelled": True}
            | {"objects": objects}
        )
    (tmp_path / "stills.json").write_text(json.dumps(entries))
    return read_stills(tmp_path)


@pytest.fixture
def animate(stills):
    from training.nano.animation.animate import Animator
    from training.nano.animation.stage import Props

    return Animator(stills, Props(stills, []))
