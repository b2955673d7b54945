"""A page on a free port, without a tracker behind it."""

from __future__ import annotations

import pytest


@pytest.fixture
def backend():
    from web_helpers import FakeBackend

    return FakeBackend()


@pytest.fixture
def server(backend):
    from web_helpers import served

    with served(backend) as server:
        yield server
