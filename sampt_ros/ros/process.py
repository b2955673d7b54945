"""The process of a node: an interrupt ends it cleanly, whenever it comes and however often."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import rclpy
from rclpy.executors import ExternalShutdownException

from sampt_ros.ros.fastdds import enlarge_shared_memory
from sampt_ros.utils.allocator import use_one_arena
from sampt_ros.utils.cpu_threads import do_not_spin


@contextmanager
def ros(args: Sequence[str] | None) -> Iterator[None]:
    """Run a block with ROS initialized; SIGINT or SIGTERM ends the block, which may still clean up after itself."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # until here the start script lets it kill the process
    use_one_arena()
    do_not_spin()
    enlarge_shared_memory()
    try:
        rclpy.init(args=args)
        yield
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except RuntimeError:  # rclpy's own, if it was shut down in the middle of a call
        if rclpy.ok():
            raise
    finally:
        ignore_interrupts()
        rclpy.try_shutdown()


def ignore_interrupts() -> None:
    """Ignore interrupts during cleanup: ros2 launch may send SIGINT more than once."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
