"""Photos in, label maps out, in batches of one input size; a batch that the memory cannot hold is halved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from benchbed.datasets.dataset import Sample
from benchbed.images import prepare
from benchbed.inference import Inference

# Photos that wait for others of their size, as multiples of the batch.
_WAITING: Final = 4
# What torch says where memory is gone and it has no error class for that: a processor's, and a graphics card's where not its own
# allocator but the driver, cuBLAS or cuDNN asked for it.
_NO_MEMORY: Final = (
    "can't allocate memory",
    "not enough memory",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)


@dataclass(frozen=True)
class Ready:
    """A sample and its photo at the network's size, [h, w, 3] uint8, not normalised yet."""

    sample: Sample
    photo: NDArray[np.uint8]


class Forward:
    """The forward pass of one subject.

    A smaller batch gives the same label maps but for float rounding. After a batch did not fit, none of its size is tried
    again; a single photo that does not fit is tried once more with the allocator's caches emptied.

    Attributes:
        most: photos a batch now.
        failures: how often the memory did not suffice.
    """

    def __init__(self, inference: Inference, batch: int) -> None:
        self.inference = inference
        self.asked = self.most = batch
        self.failures = 0

    def labels(self, group: Sequence[Ready]) -> list[NDArray[np.integer]]:
        """Label maps [H, W], each of its photo's own size, on the host.

        Raises:
            torch.OutOfMemoryError, MemoryError, RuntimeError: one photo alone does not fit the memory.
        """
        found: list[NDArray[np.integer]] = []
        rest = list(group)
        while rest:
            part = rest[: self.most]
            labels = self._attempt(part, last=False)
            if labels is None:
                self.failures += 1
                torch.cuda.empty_cache()  # does nothing where there is no graphics card
                if len(part) > 1:
                    self.most = len(part) // 2
                    continue
                labels = self._attempt(part, last=True) or []
            found += labels
            rest = rest[len(part) :]
        return found

    def _attempt(self, group: Sequence[Ready], last: bool) -> list[NDArray[np.integer]] | None:
        """None where the memory does not suffice; when this returns, no traceback holds the tensors of the attempt."""
        try:
            return self._pass(group)
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if last or not is_out_of_memory(error):
                raise
            return None

    def _pass(self, group: Sequence[Ready]) -> list[NDArray[np.integer]]:
        inference = self.inference
        sizes = [ready.sample.image.shape[:2] for ready in group]
        with torch.inference_mode():
            batch = prepare(
                [ready.photo for ready in group], inference.segmenter.input_spec, inference.device, sizes
            )
            return [labels.cpu().numpy() for labels in inference.maps(batch)]

    def facts(self) -> dict[str, Any]:
        """For a record: photos a batch at the end, and how often the memory did not suffice."""
        return {"batch": self.most, "out_of_memory": self.failures}

    def warnings(self) -> tuple[str, ...]:
        """What a reader must know."""
        if not self.failures:
            return ()
        return (
            f"out of memory {self.failures} times: images went forward {self.most} at a time in place of {self.asked}; "
            "label maps are the same but for float rounding",
        )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory, a graphics card's or the machine's, is gone."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _NO_MEMORY)


def grouped(photos: Iterable[Ready], forward: Forward) -> Iterator[list[Ready]]:
    """Batches of photos of one network size, so that a batch is padded no more than each photo alone.

    At most four batches wait for others of their size; then the largest goes, full or not.
    """
    waiting: dict[tuple[int, ...], list[Ready]] = {}
    for ready in photos:
        group = waiting.setdefault(ready.photo.shape, [])
        group.append(ready)
        if len(group) >= forward.most:
            yield waiting.pop(ready.photo.shape)
        elif sum(map(len, waiting.values())) >= _WAITING * forward.most:
            yield waiting.pop(max(waiting, key=lambda size: len(waiting[size])))
    yield from waiting.values()
