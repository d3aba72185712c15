"""The loop over images: reading runs ahead of the forward pass or in turn with it, counting and the journal follow."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from benchbed.datasets.dataset import Sample
from benchbed.errors import DataError
from benchbed.forward import Forward, Ready, grouped
from benchbed.images import keep_picture_memory, resize
from benchbed.journal import Journal
from benchbed.keeping import Keeper
from benchbed.metrics import count_image
from benchbed.overlap import Behind, Readers, read_by, readers
from benchbed.progress import Reporter, Tick
from benchbed.subject import Subject
from benchbed.truth_cache import TruthCache

OnBadImage = Literal["stop", "skip"]


@dataclass(frozen=True)
class BadImage:
    """An image that was left out: its id, and what is wrong with its file."""

    id: str
    message: str


@dataclass(frozen=True)
class Counting:
    """How images are counted, where that changes no number of a good image.

    Attributes:
        on_bad_image: `stop` fails the item at the first bad file, `skip` leaves the image out and says so everywhere.
        readers: who reads; None for what suits the machine.
    """

    on_bad_image: OnBadImage = "stop"
    readers: Readers | None = None


USUAL: Final = Counting()


@dataclass
class Passed:
    """What a pass over some images leaves besides their counts: those left out, and how the forward pass went."""

    skipped: tuple[BadImage, ...] = ()
    forward: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def count_into(
    book: Journal,
    subject: Subject,
    indices: Sequence[int],
    how: Counting,
    reporter: Reporter,
    keeper: Keeper | None = None,
    tick: Tick = lambda done: None,
) -> Passed:
    """Count these images of the subject's dataset into a journal.

    Args:
        book: where counts go, an image at a time.
        subject: what to measure.
        indices: places in the dataset.
        how: what happens to bad images.
        reporter: hears where decoded ground truth cannot be kept.
        keeper: is offered each prediction.
        tick: hears how many of the images are done.

    Raises:
        DataError, ScoresError, StoreError: as `measure_counts`; what was counted before is in the journal.
    """
    keep_picture_memory()
    item = subject.item
    forward = Forward(subject.inference, item.protocol.batch)
    who = how.readers or readers(subject.inference.device.type, torch.get_num_threads())
    with TruthCache(item.dataset, reporter) as truth, Behind(who.threads if who.beside else 0) as behind:
        count = _Count(book, subject, how, keeper, tick)
        read = read_by(who, lambda index: count.read(truth, index), indices)
        with closing(read):
            for group in grouped((ready for ready in read if ready is not None), forward):
                for ready, labels in zip(group, forward.labels(group), strict=True):
                    behind.do(lambda sample=ready.sample, labels=labels: count.add(sample, labels))  # type: ignore[misc]
    return Passed(count.skipped(), forward.facts(), forward.warnings())


class _Count:
    """What is done beside the forward pass or in turn with it.

    `read` is called by the readers, `add` by the thread behind or, where that would disturb, the main one.
    """

    def __init__(
        self, book: Journal, subject: Subject, how: Counting, keeper: Keeper | None, tick: Tick
    ) -> None:
        self.book, self.subject, self.keeper, self.tick = book, subject, keeper, tick
        self.skips = how.on_bad_image == "skip"
        self.done = 0
        self.bad: dict[str, str] = {}

    def read(self, truth: TruthCache, index: int) -> Ready | None:
        """Decode a photo and its label map and resize the photo; None for a bad one that is skipped."""
        spec = self.subject.segmenter.input_spec
        try:
            sample = truth.sample(index)
        except DataError as error:
            self._refuse(self.subject.item.dataset.ids[index], error)
            return None
        photo = resize(sample.image, spec.resized(*sample.image.shape[:2]))
        # A view of [3, h, w]: what `prepare` makes of it, made here, where several threads share the work.
        return Ready(sample, np.ascontiguousarray(photo.transpose(2, 0, 1)).transpose(1, 2, 0))

    def add(self, sample: Sample, labels: NDArray[np.integer]) -> None:
        """Count a label map, offer it for keeping, note it in the journal."""
        classes, ignore = len(self.subject.vocabulary), self.subject.item.dataset.card.ignore
        try:
            row = count_image(labels, sample.labels, classes, ignore, image_id=sample.id)
        except DataError as error:
            self._refuse(sample.id, error)
            return
        if self.keeper is not None:
            self.keeper.offer(sample, labels)
        self.book.add(row)
        self.done += 1
        self.tick(self.done + len(self.bad))

    def _refuse(self, name: str, error: DataError) -> None:
        if not self.skips:
            raise error
        self.bad[name] = str(error)

    def skipped(self) -> tuple[BadImage, ...]:
        """Those left out, by id."""
        return tuple(BadImage(name, self.bad[name]) for name in sorted(self.bad))
