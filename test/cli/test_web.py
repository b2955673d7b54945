"""`sampt web`: its options, its messages, its end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from fakes import blank

from sampt_ros.cli import main as cli
from sampt_ros.config.web import TOKEN_VARIABLE
from sampt_ros.io.image_files import write_image

pytest.importorskip("aiohttp", reason="aiohttp is missing: pip install aiohttp")
# A process that is started in the background, as these tests may be, ignores SIGINT; one in a terminal does not.
PROGRAM = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from sampt_ros.cli.main import main; sys.exit(main())"
)


@pytest.fixture
def folder(tmp_path):
    for index in range(3):
        write_image(tmp_path / f"frames/{index}.png", blank())
    return str(tmp_path / "frames")


@contextmanager
def running(*arguments: str, **environment: str) -> Iterator[tuple[subprocess.Popen, str]]:
    """`sampt web`, and the address that it prints."""
    command = [sys.executable, "-c", PROGRAM, "web", *arguments]
    env = os.environ | environment
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env) as process:
        try:
            line = process.stdout.readline()
            yield process, next(word for word in line.split() if word.startswith("http://"))
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_the_page_until_it_is_interrupted(folder, number):
    with running(folder, "--port", "0", "--preset", "grabcut") as (process, address):
        with urllib.request.urlopen(address, timeout=20) as answer:
            assert b"<title>sampt</title>" in answer.read()
        process.send_signal(number)
        _, said = process.communicate(timeout=30)
    assert (process.returncode, "Traceback" in said) == (0, False), said


def test_the_environment_names_the_token(folder):
    with running(folder, "--port", "0", "--preset", "grabcut", **{TOKEN_VARIABLE: "a-long-secret"}) as (_, address):
        assert address.endswith("/#a-long-secret")


def test_an_address_that_is_taken_ends_it_with_a_reason(folder, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert cli.main(["web", folder, "--port", port, "--preset", "grabcut"]) == 2
    assert f"cannot serve the page on 127.0.0.1, port {port}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["nowhere.mp4"], "there is no 'nowhere.mp4'"),
        (["SOURCE", "--port", "99999"], "port: expected 0 to 65535"),
        (["SOURCE", "--rate", "0"], "rate: expected 0.1 to 120"),
    ],
)
def test_what_cannot_be_served_is_an_error(folder, capsys, arguments, reason):
    assert cli.main(["web", *(folder if word == "SOURCE" else word for word in arguments)]) == 2
    assert reason in capsys.readouterr().err


def test_without_aiohttp_it_says_what_to_install(folder, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    for name in [name for name in sys.modules if name.startswith("sampt_ros.web")]:
        monkeypatch.delitem(sys.modules, name)
    assert cli.main(["web", folder]) == 2
    assert "pip install 'sampt_ros[web]'" in capsys.readouterr().err
