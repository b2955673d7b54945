"""The choice of workers: processes of this machine, or a Ray cluster."""

from __future__ import annotations

import argparse

from sampt_ros.cli import common
from sampt_ros.errors import ConfigError
from sampt_ros.fleet.local_workers import LocalWorkers
from sampt_ros.fleet.workers import Workers


def add_workers(parser: argparse.ArgumentParser, default: str = "one a GPU, else a core") -> None:
    """Add --workers, --ray and --per-gpu, which `workers_for` reads; default: the default of --workers, in words."""
    argument = parser.add_argument
    argument("--workers", type=common.count, metavar="N", help=f"processes of this machine (default: {default})")
    argument("--ray", metavar="ADDRESS", help="use a Ray cluster: auto (where `ray start` ran), or ray://HOST:10001")
    argument(
        "--per-gpu",
        type=common.count,
        metavar="N",
        help="tasks that share a GPU of the cluster (default: 1)",
    )


def workers_for(parsed: argparse.Namespace) -> Workers:
    """The workers selected by --workers and --ray; raises ConfigError."""
    device = common.config(parsed).device
    if parsed.ray is None:
        if parsed.per_gpu is not None:
            raise ConfigError("expected --per-gpu, which is for a cluster's GPUs, with --ray; got no --ray")
        return LocalWorkers.for_device(device, parsed.workers)
    if parsed.workers is not None:
        raise ConfigError("expected --workers, which are of this machine, or --ray; got both")
    from sampt_ros.fleet.ray_workers import RayWorkers

    return RayWorkers(parsed.ray, device, parsed.per_gpu or 1)
