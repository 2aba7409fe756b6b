"""Tensors on disk: safetensors, which never run code, with a description in JSON."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from uuid import uuid4

from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from irem_core.method import Method

WEIGHTS = "method.safetensors"
CONFIG = "config.json"


def write_whole(path: Path, content: bytes) -> None:
    """Write the file whole or not at all: nobody ever meets half of it, nor after a power cut."""
    part = path.with_name(f"{path.name}.{uuid4().hex}.part")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the new name, too
    finally:
        os.close(folder)


def write_tensors(path: Path, tensors: dict[str, Tensor], about: dict[str, Any]) -> None:
    """Write named tensors and what is to be known about them."""
    on_disk = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_whole(path, save(on_disk, {"about": json.dumps(about)}))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What ``write_tensors`` wrote, on the CPU."""
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return tensors, json.loads(file.metadata()["about"])


def write_config(folder: Path, config: dict[str, Any]) -> None:
    """Write the configuration that a method is made from."""
    write_whole(folder / CONFIG, (json.dumps(config, indent=2) + "\n").encode())


def save_method(folder: Path, method: Method, config: dict[str, Any]) -> None:
    """Write a method's parameters, and beside them its configuration."""
    write_config(folder, config)
    write_tensors(folder / WEIGHTS, method.state_dict(), config)
