"""Limits how often a page may send requests, and decides who may connect at all."""

from __future__ import annotations

import hmac
import ipaddress
import secrets
import time
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from sampt_ros.config.web import WebConfig

PROTOCOL = "sampt"  # The WebSocket subprotocol of the page.
_TOKEN = "token."  # Prefix of the token, which is sent as another subprotocol, since a browser can set no other header.
_ATTEMPTS = (5.0, 50)  # Requests to watch from one address: a second, and at once.
_MOST_ADDRESSES = 256  # Largest number of addresses whose requests are counted.


class RateLimit:
    """A token bucket: it holds `burst` tokens at most, gets `rate` tokens a second, and each request takes one."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._left, self._at = burst, clock()

    def take(self) -> bool:
        """Take a token; returns whether there was one."""
        now = self._clock()
        self._left = min(self._burst, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Gate:
    """Decides who may watch.

    If the server listens on a loopback address, everybody on this machine may watch, except through a page of another
    server: requests of its scripts are recognized by their Origin, and names that were made to resolve to this machine
    by their Host. On any other address, the token is needed too.

    token  what viewers must send; empty if none is needed
    """

    def __init__(self, config: WebConfig) -> None:
        self.token = config.token or ("" if is_loopback(config.host) else secrets.token_urlsafe(16))
        self._attempts: dict[str, RateLimit] = {}  # By the address that asks.

    def refusal(self, headers: Mapping[str, str], host: str, address: str) -> tuple[int, str] | None:
        """The HTTP status and the reason why a viewer is refused, or None if it may watch.

        host     the Host header of the request
        address  network address of the machine that sent it
        """
        if not self._limit(address).take():
            return 429, "expected fewer connections at a time"
        origin = headers.get("Origin")
        if origin is not None and origin.lower() not in (f"http://{host}".lower(), f"https://{host}".lower()):
            return 403, "expected a page from this server; got another Origin"
        if not self.token and not is_loopback(_name_in(host)):
            return 403, "expected an address of this machine, such as localhost; got another Host"
        # Headers may contain bytes that are not valid text.
        if self.token and not hmac.compare_digest(
            _given(headers).encode(errors="surrogateescape"), self.token.encode()
        ):
            return 401, "expected the token that was printed at start"
        return None

    def _limit(self, address: str) -> RateLimit:
        if address not in self._attempts and len(self._attempts) >= _MOST_ADDRESSES:
            del self._attempts[next(iter(self._attempts))]
        return self._attempts.setdefault(address, RateLimit(*_ATTEMPTS))


def _name_in(host: str) -> str:
    """The name or address in a Host header, without the port; empty if there is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _given(headers: Mapping[str, str]) -> str:
    """The token in a request's headers; empty if there is none."""
    kind, _, token = headers.get("Authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return token.strip()
    offered = [word.strip() for word in headers.get("Sec-WebSocket-Protocol", "").split(",")]
    return next((word[len(_TOKEN) :] for word in offered if word.startswith(_TOKEN)), "")


def is_loopback(host: str) -> bool:
    """Whether an address or name always means this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
