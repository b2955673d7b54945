"""Digests of files and folders, here and at addresses."""

from __future__ import annotations

import pytest

from sampt_ros.fleet.digests import digest


@pytest.fixture(params=["path", "address"])
def of(request):
    """The digest of a path, by the path or by its address."""
    if request.param == "path":
        return lambda path: digest(str(path))
    pytest.importorskip("fsspec", reason="fsspec is missing")
    return lambda path: digest(f"file://{path}")


def test_a_folder_is_known_by_the_names_and_the_content_of_its_visible_files(of, tmp_path):
    folder = tmp_path / "masks"
    (folder / "more").mkdir(parents=True)
    (folder / "1.png").write_text("one")
    (folder / "more/2.png").write_text("two")
    first = of(folder)
    (folder / ".DS_Store").write_text("of no interest")
    assert of(folder) == first == digest(str(folder))
    (folder / "1.png").write_text("ONE")
    other = of(folder)
    (folder / "1.png").rename(folder / "3.png")
    assert len({first, other, of(folder)}) == 3


def test_a_file_is_known_by_its_content_alone(of, tmp_path):
    (tmp_path / "a").write_text("one")
    (tmp_path / "b").write_text("one")
    (tmp_path / "c").write_text("two")
    assert of(tmp_path / "a") == of(tmp_path / "b") == digest(str(tmp_path / "a"))
    assert of(tmp_path / "a") != of(tmp_path / "c")


def test_what_is_not_there_has_no_digest(of, tmp_path):
    assert of(tmp_path / "nothing") is None
