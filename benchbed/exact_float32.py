"""Arithmetic in plain float32 for a while, whatever the session around it asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def exact_float32(device: torch.device) -> Iterator[None]:
    """Switch autocast and reduced-precision products (TF32, bf16) off; put everything back afterwards.

    A product in TF32 keeps 10 bits of a weight, enough to move the border between two classes. The switch is torch's own and
    global: other threads that multiply matrices meanwhile get float32, too.
    """
    with torch.autocast(device.type, enabled=False), _full_products():
        yield


@contextmanager
def _full_products() -> Iterator[None]:
    """Set torch's one old switch, which also sets the newer ones a backend (torch 2.9 on); restore both kinds.

    Setting the newer ones alone would leave the two kinds at odds, and torch then raises where it reads the old one.
    """
    old = _old_switch()
    new = [(products, products.fp32_precision) for products in _new_switches()]
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        if old is not None:
            torch.set_float32_matmul_precision(old)
        for products, precision in new:
            if products.fp32_precision != precision:
                products.fp32_precision = precision


def _old_switch() -> str | None:
    """`highest`, `high` or `medium`; None where somebody used the newer switches, which makes torch refuse to say."""
    try:
        return torch.get_float32_matmul_precision()
    except RuntimeError:
        return None


def _new_switches() -> list[Any]:
    backends: Any = torch.backends
    products = [backends.cuda.matmul, backends.mkldnn.matmul] if hasattr(backends.mkldnn, "matmul") else []
    return [p for p in products if hasattr(p, "fp32_precision")]
