"""This machine's processors, and the memory in use."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import Any


def machine() -> str:
    """The CPU's name with the number of cores this process may use, and the GPU's name if torch uses one."""
    names = [f"{_cpu_name()} ({usable_cores()} cores)"]
    torch = _torch_with_cuda()
    if torch:
        names.append(torch.cuda.get_device_name())
    return ", ".join(names)


def usable_cores() -> int:
    """The number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cpu_name() -> str:
    return _cpu_fact("model name") or platform.processor() or platform.machine()


def _cpu_fact(name: str) -> str:
    """What Linux says of the CPU under this name; "" if it says nothing, or on another system."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")


def has_int8_instructions() -> bool:
    """Whether the CPU multiplies and adds 8-bit numbers in one exact instruction: x86 with VNNI, on Linux.

    Without it, sums may overflow, and little time is saved.
    """
    return not {"avx512_vnni", "avx_vnni"}.isdisjoint(_cpu_fact("flags").split())


def resident_memory() -> int:
    """Resident memory of this process, bytes; 0 if that is unknown, as on systems other than Linux."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def peak_memory() -> float:
    """Peak memory of this process, MiB."""
    import resource  # It is missing on Windows.

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def _torch_with_cuda() -> Any:
    """The torch module if the segmenter or tracker has imported it and there is a GPU, else None."""
    torch = sys.modules.get("torch")
    return torch if torch is not None and torch.cuda.is_available() else None


def reset_cuda_peak() -> None:
    """Restart the measurement of the GPU's peak memory; does nothing without a GPU."""
    torch = _torch_with_cuda()
    if torch:
        torch.cuda.reset_peak_memory_stats()


def cuda_peak() -> float | None:
    """Peak memory that torch held on the GPU, MiB; None without a GPU."""
    torch = _torch_with_cuda()
    return torch.cuda.max_memory_allocated() / 2**20 if torch else None


def device_memory() -> dict[str, str]:
    """Current and peak GPU memory, as a diagnostics entry; empty if torch uses no GPU."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available() or not torch.cuda.is_initialized():
        return {}
    now, most = _mib(torch.cuda.memory_allocated()), _mib(torch.cuda.max_memory_allocated())
    return {"device memory (MiB, now / most)": f"{now} / {most}"}


def _mib(count: int) -> int:
    return count // 2**20
