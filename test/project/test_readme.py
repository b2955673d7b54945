from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def test_the_tables_are_current():
    subprocess.run([sys.executable, ROOT / "tools/readme_tables.py", "--check"], check=True, cwd=ROOT)


def test_every_file_that_the_readme_points_to_is_there():
    targets = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    assert "docs/install.md" in targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_the_python_examples_compile():
    examples = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(examples) == 3
    for example in examples:
        compile(example, "README.md", "exec")
