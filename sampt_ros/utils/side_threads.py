"""Helper threads for work beside the caller's, which is awaited where its result is needed.

Results are taken at points that the caller chooses, never when they happen to be ready, so that a run gives the same
results with and without threads.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from sampt_ros.utils.machine import usable_cores

_I = TypeVar("_I")
_T = TypeVar("_T")


class Pending(Generic[_T]):
    """A result that is being computed."""

    def __init__(self, future: Future[_T]) -> None:
        self._future = future

    def result(self) -> _T:
        """Wait for the result; raises the error that ended the computation."""
        return self._future.result()

    def wait(self) -> None:
        """Cancel the computation, or wait until it has ended; errors are ignored."""
        if not self._future.cancel():
            self._future.exception()


class SideThreads:
    """Helper threads, started with the first work, which end when this object is no longer referenced.

    With only one core there are none, and work is done at once by the calling thread.

    count  number of threads
    """

    def __init__(self, name: str, count: int = 1) -> None:
        """name: of the threads; count: number of threads, if there is more than one core"""
        self.name = name
        self.count = count if usable_cores() > 1 else 0
        self._executor: ThreadPoolExecutor | None = None

    def start(self, work: Callable[[], _T]) -> Pending[_T]:
        """Submit work, which starts after all work submitted before. `Pending.result` raises its error, if any."""
        if self.count:
            # An executor's threads end when it is no longer referenced, and Python waits for them at exit.
            self._executor = self._executor or ThreadPoolExecutor(self.count, thread_name_prefix=self.name)
            return Pending(self._executor.submit(work))
        done: Future[_T] = Future()
        try:
            done.set_result(work())
        except Exception as error:
            done.set_exception(error)
        return Pending(done)

    def share(self, function: Callable[[_I], _T], items: Sequence[_I]) -> list[_T]:
        """Map a function over items, computed by the calling thread and by those helpers that are free.

        The results must not depend on one another. Raises the error of the first item that has one, after all have been
        tried.
        """
        shared = _Shared(function, items)
        helpers = [self.start(shared.compute) for _ in range(min(self.count, len(items) - 1))]
        try:
            shared.compute()
        finally:
            for helper in helpers:
                helper.wait()
        return shared.results()


class _Shared(Generic[_I, _T]):
    """Items shared among threads; each is computed by the first thread that is free."""

    def __init__(self, function: Callable[[_I], _T], items: Sequence[_I]) -> None:
        self._function = function
        self._remaining = deque(enumerate(items))
        self._results: dict[int, _T] = {}
        self._errors: dict[int, Exception] = {}

    def compute(self) -> None:
        """Compute items that no other thread has taken, until none are left."""
        try:
            while True:
                try:
                    index, item = self._remaining.popleft()
                except IndexError:
                    return
                try:
                    self._results[index] = self._function(item)
                except Exception as error:
                    self._errors[index] = error
        finally:
            self._remaining.clear()  # So that an interrupt ends the work in all threads.

    def results(self) -> list[_T]:
        """The results in the order of their items; raises the error of the first item that has one."""
        if self._errors:
            raise self._errors[min(self._errors)]
        return [self._results[index] for index in range(len(self._results))]
