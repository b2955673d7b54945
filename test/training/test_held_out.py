"""What is used for training and what for validation, and how objects and videos become data: training/nano."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from synthetic import disk, texture
from training_samples import scene


@pytest.mark.parametrize(("kind", "expected"), [("leaves", True), ("moves", False), ("scene", True)])
def test_validation_takes_objects_that_do_what_the_kind_says(kind, expected):
    from training.nano.validation import is_suitable

    sequence = scene(48)
    for frame, labels in enumerate(sequence.labels):
        labels[:] = 0 if 14 <= frame < 24 else disk((60, 60), 24)
    assert is_suitable(sequence, 1, kind) == expected


def test_validation_takes_an_object_of_a_video_until_the_teacher_loses_it():
    pytest.importorskip("onnxruntime", reason="onnxruntime is missing, which runs the teacher")
    from training.nano.validation import _followed_object

    sequence = scene(12)
    for frame, labels in enumerate(sequence.labels):
        labels[:] = np.where(disk((130, 30), 12), 2, 0) if frame < 9 else 0
        labels[disk((60, 60), 24)] = 1 if frame < 4 else 3
    found, label = _followed_object(sequence)
    assert label == 2  # The teacher gave the first object another id too soon.
    assert len(found.images) == len(found.labels) == 9
    assert _followed_object(sequence._replace(images=sequence.images[:5], labels=sequence.labels[:5])) is None


def test_a_scanned_object_has_a_place_in_its_texture_for_every_corner(tmp_path):
    from training.nano.scenes.scanned import Scans
    from training.nano.sequence import is_held_out

    name = next(f"thing{number}" for number in range(9) if not is_held_out(f"thing{number}"))
    vertices = np.array([[0, 0, 1], [2, 0, 1], [0, 2, 1], [2, 2, 3]], np.float32)
    # The second face meets the first at an edge, where the texture has a seam: its corners lie elsewhere in it.
    texcoords = np.array([[0, 0], [1, 0], [0, 1], [0.5, 0.5], [1, 1], [0, 0.25]], np.float16)
    faces, texture_faces = np.array([[0, 1, 2], [1, 3, 2]]), np.array([[0, 1, 2], [3, 4, 5]])
    np.savez(
        tmp_path / f"{name}.npz", vertices=vertices, texcoords=texcoords, faces=faces, face_texcoords=texture_faces
    )
    cv2.imwrite(str(tmp_path / f"{name}.jpg"), texture(64, 64))
    ((mesh, paint),) = Scans(tmp_path).draw(np.random.default_rng(0))
    assert len(mesh.vertices) == 6
    for face, corners in zip(texture_faces, mesh.faces):
        np.testing.assert_allclose(mesh.uv[corners], texcoords[face] * [1, -1] + [0, 1], atol=1e-3)
    assert mesh.vertices[:, 2].min() == 0
    np.testing.assert_allclose(mesh.vertices[:, :2].min(0), -mesh.vertices[:, :2].max(0))
    assert paint.texture.shape == (64, 64, 3)


def test_a_photograph_for_training_is_a_sequence_of_one_frame(tmp_path):
    import json

    from training.nano.pictures.stills import make_photographs
    from training.nano.sequence import is_held_out, read_sequence

    names = [f"picture{number}" for number in range(60)]
    kept, empty = [name for name in names if not is_held_out(name)][:2]
    held_out = next(name for name in names if is_held_out(name))
    square = [100, 100, 300, 100, 300, 300, 100, 300]
    entries = []
    for name in (kept, empty, held_out):
        cv2.imwrite(str(tmp_path / f"{name}.jpg"), texture(1280, 960))
        objects = [] if name == empty else [{"polygons": [square]}]
        entry = {"file": f"{name}.jpg", "source": "here", "licence": "none", "all_objects_labelled": True}
        entries.append({**entry, "objects": objects})
    (tmp_path / "stills.json").write_text(json.dumps(entries))
    make_photographs(tmp_path, tmp_path)
    (path,) = (tmp_path / "sequences/photograph").iterdir()
    assert path.stem == kept
    ((image,), (labels,), *_) = read_sequence(path)
    assert max(image.shape) == 640
    np.testing.assert_array_equal(np.argwhere(labels)[[0, -1]], [[50, 50], [150, 150]])
    written = path.stat().st_mtime_ns
    make_photographs(tmp_path, tmp_path)
    assert path.stat().st_mtime_ns == written


def test_only_a_tenth_is_held_out_and_always_the_same():
    from training.nano.sequence import is_held_out

    names = [f"{number:012d}" for number in range(2000)]
    held_out = [name for name in names if is_held_out(name)]
    assert 140 < len(held_out) < 270
    assert held_out == [name for name in names if is_held_out(name)]


def test_teacher_masks_are_followed_from_frame_to_frame():
    pytest.importorskip("onnxruntime", reason="onnxruntime is missing, which runs the teacher")
    from training.nano.pictures.teacher import _linked

    picture = cv2.cvtColor(texture(), cv2.COLOR_RGB2GRAY)
    labels = np.where(disk((60, 60), 20), 7, 0).astype(np.uint8)
    parts = [disk((63, 61), 20), disk((130, 30), 12)]
    moved = np.roll(picture, (1, 3), (0, 1))
    assert _linked(parts, moved, (picture, labels), 7) == [7, 8]
