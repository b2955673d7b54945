"""No module, function or folder of the package is too large to be read at once."""

from __future__ import annotations

import ast
from pathlib import Path

import sampt_ros

PACKAGE = Path(sampt_ros.__file__).parent
MODULES = {str(path.relative_to(PACKAGE)): path for path in sorted(PACKAGE.rglob("*.py"))}
GENERATED = ("msg", "srv", "action")  # In an installed package, what rosidl made lies beside the package's own modules.

MAX_MODULE, MAX_FUNCTION = 400, 60  # lines
MAX_FOLDER = 12  # modules


def own_modules() -> dict[str, Path]:
    return {name: path for name, path in MODULES.items() if Path(name).parts[0] not in GENERATED}


def functions(path: Path):
    """Every function and method of a module, with its decorators and docstring: name, lines."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            yield node.name, node.end_lineno - first + 1


def test_no_module_is_longer_than_400_lines():
    lines = {name: len(path.read_text().splitlines()) for name, path in own_modules().items()}
    assert {name: count for name, count in lines.items() if count > MAX_MODULE} == {}


def test_no_function_is_longer_than_60_lines():
    lengths = {(name, function): lines for name, path in own_modules().items() for function, lines in functions(path)}
    assert {where: lines for where, lines in lengths.items() if lines > MAX_FUNCTION} == {}


def test_no_folder_has_more_than_12_modules():
    folders = [str(Path(name).parent) for name in own_modules()]
    assert {folder: folders.count(folder) for folder in folders if folders.count(folder) > MAX_FOLDER} == {}


def test_the_root_has_only_the_entrance_the_data_types_and_the_errors():
    root = {name for name in own_modules() if "/" not in name}
    assert root == {"__init__.py", "data_types.py", "errors.py"}
