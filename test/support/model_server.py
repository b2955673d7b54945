"""A server on this machine that has weights to fetch."""

from __future__ import annotations

import hashlib
import http.server
import io
import zipfile
from pathlib import Path


def archive(text: str) -> bytes:
    """A small zip file, as torch writes them."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        file.writestr("archive/data.pkl", text * 100)
    return stream.getvalue()


CONTENT, OTHER = archive("weights"), archive("other weights")
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Serves `content` under any address; sends only the first `sent` bytes of what it announces."""

    content = CONTENT
    sent: int | None = None
    status = 200
    requests = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self):
        self.server.requests += 1
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.content)))
        self.end_headers()
        self.wfile.write(self.server.content[: self.server.sent])

    def log_message(self, *_arguments):
        pass


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
