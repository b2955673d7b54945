"""Writing without interruption."""

from __future__ import annotations

import os
import signal

import pytest

from sampt_ros.errors import SourceError
from sampt_ros.io.writing import require_writable, uninterrupted, write_whole


def test_a_signal_takes_effect_after_the_outermost_block(heard):
    done = []
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        with uninterrupted():
            signal.raise_signal(signal.SIGINT)
            done.append("inner")
        done.append("outer")
    assert done == ["inner", "outer"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_ignored_signal_stays_ignored(heard):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with uninterrupted():
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_an_ignored_signal_hides_no_other(heard):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)


def test_a_file_is_replaced_whole(tmp_path):
    write_whole(tmp_path / "file", b"old content")
    write_whole(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"


def test_what_cannot_be_written_is_told_before_it_is(tmp_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "dangling").symlink_to("nothing")
    os.mkfifo(tmp_path / "pipe")
    for name in ("file", "link", "dangling", "pipe", "new/file"):
        require_writable(tmp_path / name)
    assert (tmp_path / "file").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dangling", "file", "link", "new", "pipe"]
    assert not any((tmp_path / "new").iterdir())
    for name in ("new", "file/scores"):
        with pytest.raises(SourceError, match=f"cannot write {tmp_path}/{name}: (Is|Not) a directory|File exists"):
            require_writable(tmp_path / name)
