"""How much a page may ask for, and who may ask at all."""

from __future__ import annotations

import hmac
import ipaddress
import secrets
import time
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from sampt_ros.config.web import WebConfig

PROTOCOL = "sampt"  # The WebSocket subprotocol of the page.
_TOKEN = "token."  # In front of the token, which is sent as one more subprotocol: a browser can set no other header.
_ATTEMPTS = (5.0, 50)  # Requests of one address to watch, a second and at once.
_MOST_ADDRESSES = 256  # Whose requests are counted.


class RateLimit:
    """A bucket of `burst` tokens that fills again at `rate` tokens a second; whoever comes takes one."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._left, self._at = burst, clock()

    def take(self) -> bool:
        """Whether there was a token left."""
        now = self._clock()
        self._left = min(self._burst, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Gate:
    """Says who may watch.

    On this machine's own address everybody on this machine may, and nobody who was led here by a page of somebody else:
    not by its scripts (Origin), and not by a name that was made to lead here (Host). On any other address the token is
    needed too.

    token  what viewers must know; empty: nothing
    """

    def __init__(self, config: WebConfig) -> None:
        self.token = config.token or ("" if is_loopback(config.host) else secrets.token_urlsafe(16))
        self._attempts: dict[str, RateLimit] = {}  # By the address that asks.

    def refusal(self, headers: Mapping[str, str], host: str, address: str) -> tuple[int, str] | None:
        """The HTTP status and the reason for which a viewer is refused; None: come in.

        host: whom was asked for; address: of the machine that asks.
        """
        if not self._limit(address).take():
            return 429, "expected fewer connections at a time"
        origin = headers.get("Origin")
        if origin is not None and origin.lower() not in (f"http://{host}".lower(), f"https://{host}".lower()):
            return 403, "expected a page from this server; got another Origin"
        if not self.token and not is_loopback(_name_in(host)):
            return 403, "expected an address of this machine, such as localhost; got another Host"
        # Headers may hold bytes that are no text.
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
    """The name or address in a Host header, without the port; empty where there is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _given(headers: Mapping[str, str]) -> str:
    """The token that a request carries; empty: none."""
    kind, _, token = headers.get("Authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return token.strip()
    offered = [word.strip() for word in headers.get("Sec-WebSocket-Protocol", "").split(",")]
    return next((word[len(_TOKEN) :] for word in offered if word.startswith(_TOKEN)), "")


def is_loopback(host: str) -> bool:
    """Whether an address or name can only mean this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
