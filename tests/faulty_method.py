"""A method that misbehaves on purpose, in the way its variant is called; registered by `register`."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points

import pytest
import torch
from torch import Tensor

from benchbed import Method, MethodCard, Segmenter, Variant, Vocabulary, registry, stage
from benchbed.images import ImageBatch
from benchbed.input_spec import InputSpec
from benchbed.scores import DenseScores
from benchbed.segmenter import TextFeatures

INPUT = InputSpec(64, 128, pad_multiple=8)
FAULTS = (
    "none",
    "other",
    "two-fit",
    "none-fits",
    "nan",
    "inf",
    "too-many-classes",
    "interrupt",
    "interrupt-late",
    "custom-operator",
    "raises",
    "raises-late",
    "build",
)


@torch.library.custom_op("benchbed_tests::my_attention", mutates_args=())
def my_attention(x: Tensor) -> Tensor:
    """A heavy operator that no FLOP formula knows."""
    return x @ x.transpose(-1, -2) @ x


class Faulty(Segmenter):
    """Dense scores from a 1x1 convolution, spoilt as asked."""

    def __init__(self, fault: str) -> None:
        super().__init__(INPUT)
        self.fault = fault
        self.head = torch.nn.Conv2d(3, 64, 1)
        self.calls = 0

    def encode_vocabulary(self, vocabulary: Vocabulary) -> TextFeatures:
        """K fixed rows of 64 numbers."""
        with stage("clip_text"):
            return TextFeatures(torch.randn(len(vocabulary), 64, generator=torch.Generator().manual_seed(0)))

    def segment(self, images: ImageBatch, text: TextFeatures) -> DenseScores:
        """[B, K, h, w] at stride 8."""
        with stage("backbone"):
            features = self.head(torch.nn.functional.avg_pool2d(images.tensor, 8))
        return DenseScores(
            self._spoil(torch.einsum("bdhw,kd->bkhw", features, text.embeddings)), images.geometry
        )

    def _spoil(self, logits: Tensor) -> Tensor:
        self.calls += 1
        if (self.fault == "two-fit" and len(logits) > 2) or self.fault == "none-fits":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        if self.fault in ("nan", "inf") and self.calls > 2:
            logits[0, 0, 0, 0] = float(self.fault)
        if self.fault == "too-many-classes":
            return torch.cat([logits, logits.amax(1, keepdim=True) + 1], 1)
        if self.calls > {"interrupt": 3, "interrupt-late": 40}.get(self.fault, self.calls):
            raise KeyboardInterrupt
        if self.fault == "raises" or (self.fault == "raises-late" and self.calls > 8):
            raise RuntimeError("the method itself is broken")
        if self.fault == "custom-operator":
            return logits + my_attention(logits).mean() * 0
        return logits


def build(fault: str) -> Faulty:
    """One of `FAULTS`."""
    if fault == "build":
        raise ImportError("no module named 'something'")
    return Faulty(fault)


METHOD = Method(
    card=MethodCard("faulty", "A Test", "none", 2026, "", "pixel", "Apache-2.0", "Apache-2.0"),
    variants=tuple(
        Variant(name, name, "faulty_method:build", {"*": INPUT}, {"fault": name}, embedded=True)
        for name in FAULTS
    ),
)


def register(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add `faulty` to the registered methods, for one test."""
    monkeypatch.setattr(registry, "entry_points", _points)


def register_for_good() -> None:
    """Add it in this process, for as long as it lives."""
    registry.entry_points = _points


def _points(group: str) -> list[EntryPoint]:
    extra = EntryPoint(name="faulty", value="faulty_method:METHOD", group=registry.METHOD_GROUP)
    return [*entry_points(group=group), *([extra] if group == registry.METHOD_GROUP else [])]
