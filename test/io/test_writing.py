"""Writing without interruption."""

from __future__ import annotations

import signal

import pytest

from sampt_ros.io.writing import uninterrupted, write_whole


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


def test_a_file_is_replaced_whole(tmp_path):
    write_whole(tmp_path / "file", b"old content")
    write_whole(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"


def test_in_a_ros_node_the_handlers_stay_as_they_are():
    rclpy = pytest.importorskip("rclpy", reason="needs ROS 2")
    from rclpy.signals import SignalHandlerOptions, get_current_signal_handlers_options

    rclpy.init()
    try:
        before = signal.getsignal(signal.SIGINT)
        with uninterrupted():
            assert signal.getsignal(signal.SIGINT) is before
        assert get_current_signal_handlers_options() != SignalHandlerOptions.NO
    finally:
        rclpy.shutdown()
    assert get_current_signal_handlers_options() == SignalHandlerOptions.NO
