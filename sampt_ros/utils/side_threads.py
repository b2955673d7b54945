"""Work that goes on beside the caller's, on threads of its own, and is waited for where its result is needed.

Results are taken at places that the caller chooses, never when they happen to be ready, so that a run with threads and
one without give the same.
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
        """Wait for it; raises the error that ended the computation."""
        return self._future.result()

    def wait(self) -> None:
        """Wait until nothing of it is being computed any longer, whatever became of it."""
        if not self._future.cancel():
            self._future.exception()


class SideThreads:
    """Threads for what is handed over; they begin with the first work, and end when nobody holds this object.

    Without a thread, as where there is only one core, work is done at once by whoever hands it over.

    count  how many threads there are
    """

    def __init__(self, name: str, count: int = 1) -> None:
        """name: of the threads; count: how many there are, if there is more than one core"""
        self.name = name
        self.count = count if usable_cores() > 1 else 0
        self._executor: ThreadPoolExecutor | None = None

    def start(self, work: Callable[[], _T]) -> Pending[_T]:
        """Hand some work over; it begins after what was handed over before. `Pending.result` raises an error in it."""
        if self.count:
            # An executor's threads end when it is no longer referred to, and are waited for when Python ends.
            self._executor = self._executor or ThreadPoolExecutor(self.count, thread_name_prefix=self.name)
            return Pending(self._executor.submit(work))
        done: Future[_T] = Future()
        try:
            done.set_result(work())
        except Exception as error:
            done.set_exception(error)
        return Pending(done)

    def share(self, function: Callable[[_I], _T], items: Sequence[_I]) -> list[_T]:
        """What a function makes of each item, computed by the caller and by those of the threads that have time.

        No result may depend on another one. Raises the error of the first item that has one, after all were tried.
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
    """Items of which each is computed by the thread that comes first."""

    def __init__(self, function: Callable[[_I], _T], items: Sequence[_I]) -> None:
        self._function = function
        self._remaining = deque(enumerate(items))
        self._results: dict[int, _T] = {}
        self._errors: dict[int, Exception] = {}

    def compute(self) -> None:
        """Compute what no other thread has begun with, until nothing is left."""
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
            self._remaining.clear()  # An interrupt ends it for all threads.

    def results(self) -> list[_T]:
        """The results in the order of their items; raises the first one's error that has one."""
        if self._errors:
            raise self._errors[min(self._errors)]
        return [self._results[index] for index in range(len(self._results))]
