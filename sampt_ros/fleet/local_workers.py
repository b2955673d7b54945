"""Workers that are processes of this machine; GPUs, if there are any, are shared out among them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress

from sampt_ros.fleet.workers import MOST_ATTEMPTS, Attempt, Attempts, Item, Value, Workers, attempt
from sampt_ros.utils.allocator import use_one_arena
from sampt_ros.utils.cpu_threads import do_not_spin
from sampt_ros.utils.device import network_device
from sampt_ros.utils.machine import usable_cores


class LocalWorkers(Workers):
    """Processes of this machine. Each has one task at a time, so that it is known which task a process died of."""

    def __init__(self, environments: Sequence[Mapping[str, str]]) -> None:
        """environments: for each worker, the environment variables that it gets in addition to this process's."""
        self._environments = environments

    @classmethod
    def for_device(cls, device: str, count: int | None = None) -> LocalWorkers:
        """Workers whose networks run on a device: `auto`, `cpu` or `cuda`; raises ConfigError without such a device.

        count  number of workers, which share the GPUs and cores. None: one for each GPU, or for each core on the CPU
        """
        gpus = _gpus() if network_device(device) == "cuda" else []
        count = count or len(gpus) or usable_cores()
        threads = {"OMP_NUM_THREADS": str(max(1, usable_cores() // count))}
        return cls([threads | ({"CUDA_VISIBLE_DEVICES": gpus[k % len(gpus)]} if gpus else {}) for k in range(count)])

    def run(self, function: Callable[[Item], Value], items: Mapping[str, Item]) -> Attempts[Value]:
        waiting = deque(items)
        deaths = dict.fromkeys(items, 0)
        idle = [_Process(environment) for environment in self._environments[: len(items)]]
        busy: dict[Future[Attempt[Value]], tuple[_Process, str]] = {}
        try:
            while waiting or busy:
                while waiting and idle:
                    process, name = idle.pop(), waiting.popleft()
                    busy[process.submit(function, items[name])] = process, name
                for future in wait(busy, return_when=FIRST_COMPLETED).done:
                    process, name = busy.pop(future)
                    idle.append(process)
                    try:
                        went = future.result()
                    except BrokenProcessPool:
                        process.restart()
                        deaths[name] += 1
                        if deaths[name] < MOST_ATTEMPTS:
                            waiting.append(name)
                            continue
                        went = Attempt(error=f"its worker died, as did {deaths[name] - 1} before it")
                    yield name, went
        finally:
            for process, _ in busy.values():
                process.interrupt()
            for process in [*idle, *(process for process, _ in busy.values())]:
                process.close()


class _Process:
    """A worker process, which is started with its first task."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        self._executor = self._new()
        self._pid: Future[int] | None = None

    def submit(self, function: Callable[[Item], Value], item: Item) -> Future[Attempt[Value]]:
        if self._pid is None:
            self._pid = self._executor.submit(os.getpid)
        return self._executor.submit(attempt, function, item)

    def restart(self) -> None:
        """Replace a process that died."""
        self._executor.shutdown(wait=False)
        self._executor, self._pid = self._new(), None

    def interrupt(self) -> None:
        """End its task; the process can still delete its temporary files."""
        if self._pid is not None:
            with suppress(BrokenProcessPool, ProcessLookupError):  # The process has already ended.
                os.kill(self._pid.result(), signal.SIGTERM)

    def close(self) -> None:
        """End the process, which has no task or an interrupted one."""
        self._executor.shutdown(cancel_futures=True)

    def _new(self) -> ProcessPoolExecutor:
        # A process that is forked would share the threads and the CUDA context of this one.
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(1, context, initializer=_prepare, initargs=(self._environment,))


def _prepare(environment: Mapping[str, str]) -> None:
    """Set up a new worker process."""
    os.environ.update(environment)
    use_one_arena()
    do_not_spin()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the one that started them ends them.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process when the process that started it ends, even if that one was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _gpus() -> list[str]:
    """The name of each GPU that this process sees, as CUDA_VISIBLE_DEVICES would name it."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name.strip() for name in named.split(",") if name.strip()]
    import torch

    return [str(number) for number in range(torch.cuda.device_count())]
