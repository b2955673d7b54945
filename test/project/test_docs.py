"""The pages that people read: their tables, links, examples and names of files."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
if not (ROOT / "README.md").is_file():
    pytest.skip("the documentation is not part of an installed package", allow_module_level=True)
README = (ROOT / "README.md").read_text()
PAGES = sorted(
    page.relative_to(ROOT)
    for pattern in ("*.md", ".github/*.md", "docs/*.md", "examples/**/*.md", "training/**/*.md")
    for page in ROOT.glob(pattern)
)


def without_code(page: Path) -> str:
    """The text of a page without its fenced code."""
    return re.sub(r"^```.*?^```$", "", (ROOT / page).read_text(), flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """What `page#...` may name: its headings, in lower case, without punctuation, with hyphens for blanks."""
    headings = re.findall(r"^#+ (.+)$", without_code(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> list[str]:
    """The links of a page that lead to no file, or to no heading."""
    broken = []
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", without_code(page)):
        path, _, anchor = target.partition("#")
        file = (ROOT / page.parent / path).resolve() if path else ROOT / page
        if not file.exists() or (anchor and anchor not in anchors(file.relative_to(ROOT))):
            broken.append(target)
    return broken


def test_the_tables_are_current():
    subprocess.run([sys.executable, ROOT / "tools/docs_tables.py", "--check"], check=True, cwd=ROOT)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_link_leads_somewhere(page):
    assert broken_links(page) == []


def test_links_are_found_and_checked(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    (tmp_path / "a.md").write_text("# One Page!\n[b](b.md) [here](#one-page) [no](#two) [web](https://a.b/c.md)\n")
    assert broken_links(Path("a.md")) == ["b.md", "#two"]


def test_every_page_of_docs_can_be_reached_from_the_readme():
    reached = {target for target, _ in re.findall(r"\]\((docs/\w+\.md)(#[^)]*)?\)", README)}
    assert reached == {str(page) for page in PAGES if page.parent == Path("docs")}


def test_the_readme_is_short():
    assert len(README.splitlines()) < 200


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_the_python_examples_compile(page):
    for example in re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL):
        compile(example, str(page), "exec")


@pytest.mark.parametrize("name", ["mask_consumer", "position_consumer", "webcam"])
def test_the_readme_shows_the_code_of_the_examples(name):
    code = (ROOT / f"examples/{name}.py").read_text()
    assert f"(examples/{name}.py):\n\n```python\n{code}```\n" in README


def test_the_architecture_names_files_that_exist():
    named = set(re.findall(r"`((?:\w+/)+\w+\.py)`", (ROOT / "docs/architecture.md").read_text()))
    assert len(named) > 20
    missing = {path for path in named if not any((ROOT / base / path).is_file() for base in ("sampt_ros", ""))}
    assert missing == set()
