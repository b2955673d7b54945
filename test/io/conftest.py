"""Whether PyAV is there."""

from __future__ import annotations

import sys

import pytest


@pytest.fixture
def no_pyav(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)


@pytest.fixture
def pyav():
    return pytest.importorskip("av", reason="PyAV is missing: pip install av")
