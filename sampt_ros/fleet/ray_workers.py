"""Workers of a Ray cluster, which may be on many machines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sampt_ros.errors import SamPtError
from sampt_ros.fleet.workers import MOST_ATTEMPTS, Attempt, Attempts, Item, Value, Workers, attempt
from sampt_ros.utils.cpu_threads import do_not_spin


class RayWorkers(Workers):
    """Runs tasks on Ray: each needs a core, and a share of a GPU if the cluster has GPUs and the networks may use them.

    If a worker dies, be it the process or its machine, Ray itself tries the task again on another one.
    """

    def __init__(self, address: str, device: str, per_gpu: int = 1) -> None:
        """Connect to a cluster; raises SamPtError without Ray, without an answer, or without GPUs for cuda.

        address  auto, HOST:PORT, or ray://HOST:10001
        device   of the networks: auto, cpu or cuda
        per_gpu  number of tasks that share a GPU
        """
        try:
            import ray
        except ImportError:
            raise SamPtError('expected Ray for --ray: pip install "sampt_ros[ray]", on every machine') from None
        self._ray: Any = ray
        try:
            ray.init(address=address, log_to_driver=False, logging_level="warning")
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise SamPtError(
                f"expected a Ray cluster at {address!r} (`ray start --head` starts one): {error}"
            ) from None
        gpus = ray.cluster_resources().get("GPU", 0) if device != "cpu" else 0
        if device == "cuda" and not gpus:
            ray.shutdown()
            raise SamPtError(f"expected GPUs in the Ray cluster at {address!r} for device cuda; it has none")
        self._options = {"num_cpus": 1, "num_gpus": 1 / per_gpu if gpus else 0, "max_retries": MOST_ATTEMPTS - 1}

    def run(self, function: Callable[[Item], Value], items: Mapping[str, Item]) -> Attempts[Value]:
        ray = self._ray
        remote = ray.remote(**self._options)(_attempt)
        try:
            names = {remote.options(name=f"sampt {name}").remote(function, item): name for name, item in items.items()}
            while names:
                for reference in ray.wait(list(names))[0]:
                    name = names.pop(reference)
                    try:
                        yield name, ray.get(reference)
                    except ray.exceptions.RayError as error:
                        reason = str(error).strip().partition("\n")[0]
                        yield name, Attempt(error=f"its worker died {MOST_ATTEMPTS} times: {reason}")
        finally:
            ray.shutdown()  # This ends the tasks that are still running.


def _attempt(function: Callable[[Any], Value], item: Any) -> Attempt[Value]:
    do_not_spin()
    return attempt(function, item)
