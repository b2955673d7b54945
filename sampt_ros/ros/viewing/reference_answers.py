"""Answers to references, on /diagnostics: a topic has no response, but a sender has to learn what came of its own."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from std_msgs.msg import Header

from sampt_ros.errors import QueryError
from sampt_ros.streaming.failures import Attempt
from sampt_ros.streaming.requests import Answer

_MAX_KEPT = 16  # answers
_ACCEPTED, _REFUSED = "accepted: ", "refused: "


class ReferenceAnswers:
    """The newest answers, by the stamps of the references' headers. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[str, str] = {}

    def add(self, header: Header, attempt: Attempt) -> None:
        """Add what came of a reference; without a stamp in its header, nobody could tell that it is the answer."""
        if not (header.stamp.sec or header.stamp.nanosec):
            return
        text = attempt.answer.text if attempt.answer else ""
        with self._lock:
            self._values.pop(answer_key(header), None)
            self._values[answer_key(header)] = _REFUSED + attempt.reason if attempt.error else _ACCEPTED + text
            while len(self._values) > _MAX_KEPT:
                del self._values[next(iter(self._values))]

    def values(self) -> Mapping[str, str]:
        """The answers as values of a DiagnosticStatus, oldest first."""
        with self._lock:
            return dict(self._values)


def answer_key(header: Header) -> str:
    """The key of the answer to a reference with this header."""
    return f"reference of {header.stamp.sec}.{header.stamp.nanosec:09d}"


def attempt_from_value(value: str) -> Attempt:
    """The outcome in words, from the value under an answer's key."""
    if value.startswith(_ACCEPTED):
        return Attempt(answer=Answer(value.removeprefix(_ACCEPTED)))
    reason = value.removeprefix(_REFUSED)
    return Attempt(QueryError(reason), reason)
