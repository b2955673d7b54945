"""The session that most tests of this folder begin with."""

from __future__ import annotations

import pytest
from session_stream import SessionStream


@pytest.fixture
def stream() -> SessionStream:
    """After its first frame."""
    made = SessionStream()
    made.step()
    return made
