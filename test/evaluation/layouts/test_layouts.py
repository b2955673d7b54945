"""Which layout a folder has."""

from __future__ import annotations

import json

import pytest
from davis_folders import davis_folder, moving_squares, vos_folder

from sampt_ros.errors import SourceError
from sampt_ros.evaluation.layouts import annotated_sequences

LABELS = moving_squares((20, 20), ids=(1,))


def test_the_layout_is_told_from_the_folders(tmp_path):
    davis_folder(tmp_path / "davis", LABELS)
    vos_folder(tmp_path / "mose", dict(enumerate(LABELS)))
    vos_folder(tmp_path / "youtube", {0: LABELS[0]})
    objects = {"1": {"category": "cat", "frames": ["00000"]}}
    (tmp_path / "youtube/meta.json").write_text(json.dumps({"videos": {"video": {"objects": objects}}}))
    found = {}
    for name in ("davis", "mose", "youtube"):
        (sequence,) = annotated_sequences(tmp_path / name)
        found[name] = (sequence.name, sequence.later_objects, sequence.objects is not None)
    assert found == {"davis": ("seq", False, False), "mose": ("video", True, False), "youtube": ("video", True, True)}


def test_a_folder_in_no_layout_is_refused_with_all_of_them(tmp_path):
    with pytest.raises(SourceError, match=r"\(DAVIS\), .*YouTube-VOS, with meta\.json, or MOSE.*stills"):
        annotated_sequences(tmp_path)
