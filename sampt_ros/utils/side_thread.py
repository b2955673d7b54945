"""Work that goes on beside the caller's, on a thread of its own, and is waited for where its result is needed.

What is handed over is computed in the order in which it came. Results are taken at places that the caller chooses,
never when they happen to be ready, so that a run with a thread and one without give the same.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from sampt_ros.utils.machine import usable_cores

_T = TypeVar("_T")


class Pending(Generic[_T]):
    """A result that is being computed."""

    def __init__(self, future: Future[_T]) -> None:
        self._future = future

    def result(self) -> _T:
        """Wait for it; raises the error that ended the computation."""
        return self._future.result()

    def wait(self) -> None:
        """Wait until nothing of it is being computed any longer, whatever became of it."""
        if not self._future.cancel():
            self._future.exception()


class SideThread:
    """One thread for what is handed over; it begins with the first work, and ends when nobody holds this object.

    Without a thread, as where there is only one core, work is done at once by whoever hands it over.
    """

    def __init__(self, name: str, threaded: bool | None = None) -> None:
        """name: of the thread; threaded: whether there is one (default: where there is more than one core)"""
        self.name = name
        self.threaded = usable_cores() > 1 if threaded is None else threaded
        self._executor: ThreadPoolExecutor | None = None

    def start(self, work: Callable[[], _T]) -> Pending[_T]:
        """Begin with some work, after what was handed over before. An error in it is raised by `Pending.result`."""
        if self.threaded:
            # An executor's threads end when it is no longer referred to, and are waited for when Python ends.
            self._executor = self._executor or ThreadPoolExecutor(1, thread_name_prefix=self.name)
            return Pending(self._executor.submit(work))
        done: Future[_T] = Future()
        try:
            done.set_result(work())
        except Exception as error:
            done.set_exception(error)
        return Pending(done)
