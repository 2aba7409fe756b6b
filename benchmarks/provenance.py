"""Where, when and with what a result was made."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch


def now() -> str:
    """In UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def provenance(device: torch.device | None, dtype: str) -> dict[str, Any]:
    """The columns of a row that say what made it; None is a device that is not known."""
    commit, dirty = _commit()
    return {
        "commit": commit,
        "dirty": dirty,
        "created": now(),
        "torch": torch.__version__,
        "device": _device_name(device),
        "threads": torch.get_num_threads(),
        "dtype": dtype,
        "python": platform.python_version(),
        "torch_geometric": version("torch_geometric"),
        "numpy": np.__version__,
        "driver": _driver(device),
    }


@cache
def _commit() -> tuple[str, bool | None]:
    """The commit of the source, and whether it was changed since; empty outside a checkout."""
    package = Path(__file__).parent
    sources = [package.name, "baselines", "irem_core"]

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(package.parent), *arguments]
        # a git hook sets GIT_DIR and the like, to another repository perhaps
        others = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=others)
        return done.stdout.strip()

    try:
        git("ls-files", "--error-unmatch", __file__)  # an installed copy may lie in some checkout
        return git("rev-parse", "HEAD"), bool(git("status", "--porcelain", "--", *sources))
    except (OSError, subprocess.CalledProcessError):
        return "", None


@cache
def _device_name(device: torch.device | None) -> str:
    if device is None:
        return ""
    if device.type == "cuda":
        return f"cuda: {torch.cuda.get_device_name(device)}"
    info = Path("/proc/cpuinfo")
    names = [
        line.partition(":")[2].strip()
        for line in (info.read_text(encoding="utf-8").splitlines() if info.exists() else [])
        if line.startswith("model name")
    ]
    return f"cpu: {names[0] if names else platform.processor() or platform.machine()}"


@cache
def _driver(device: torch.device | None) -> str:
    """The version of a CUDA device's driver; empty for a CPU."""
    if device is None or device.type != "cuda":
        return ""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""
    return said.partition("\n")[0].strip()
