"""The forward pass in batches: same labels whatever the batch, smaller ones where memory is gone, and memory that stays flat."""

from __future__ import annotations

import gc
import resource
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from faulty_method import INPUT, METHOD, Faulty, register
from listed_dataset import ListedDataset
from rich.console import Console

from benchbed.counting_pass import Counting, count_into
from benchbed.datasets.dataset import Sample
from benchbed.errors import DataError
from benchbed.forward import Forward, Ready, grouped, is_out_of_memory
from benchbed.images import ImageBatch, resize
from benchbed.inference import Inference
from benchbed.journal import Journal, journal
from benchbed.metrics import Counts, count_image
from benchbed.overlap import Readers
from benchbed.plan import PlanItem
from benchbed.progress import Reporter
from benchbed.protocol import named
from benchbed.registry import choose
from benchbed.scores import DenseScores
from benchbed.segmenter import TextFeatures
from benchbed.subject import Subject, make_subject
from benchbed.weights import RANDOM

QUIET = Reporter(Console(quiet=True))
CLASSES = 7


def images(
    count: int, seed: int = 0, sizes: tuple[tuple[int, int], ...] = ((40, 56), (48, 32))
) -> ListedDataset:
    """Random photos and labels of a few sizes."""
    random = np.random.default_rng(seed)
    shapes = [sizes[int(random.integers(len(sizes)))] for _ in range(count)]
    values = np.array([*range(CLASSES), 255], np.uint8)
    labels = [random.choice(values, shape) for shape in shapes]
    photos = [random.integers(0, 256, (*shape, 3), np.uint8) for shape in shapes]
    return ListedDataset(labels, photos)


@pytest.fixture
def subject(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Subject]:
    """A tiny real method bound to images; `fault` as in `faulty_method`, `batch` of the protocol."""
    register(monkeypatch)

    def made(dataset: ListedDataset, fault: str = "none", batch: int = 1) -> Subject:
        protocol = named("paper", dataset.card, "fp32", 1, "cpu", batch)
        chosen = choose(f"{METHOD.card.name}/{fault}", False)
        return make_subject(PlanItem(chosen, dataset, protocol, RANDOM, len(dataset)), torch.device("cpu"))

    return made


def counted(subject: Subject, path: Path, how: Counting = Counting()) -> tuple[Counts, Journal]:  # noqa: B008
    dataset = subject.item.dataset
    with journal(path, CLASSES) as book:
        count_into(book, subject, range(len(dataset)), how, QUIET)
        return book.counts(dataset.ids), book


def plain(subject: Subject) -> Counts:
    """One image after the other, nothing beside it."""
    dataset = subject.item.dataset
    rows = []
    for index in range(len(dataset)):
        sample = dataset.sample(index)
        labels = subject.inference.labels(sample.image).numpy()
        rows.append(count_image(labels, sample.labels, CLASSES, 255, sample.id))
    return Counts.from_images(rows)


@pytest.mark.parametrize("readers", [Readers(0), Readers(1), Readers(3), Readers(2, beside=False)])
def test_counts_are_those_of_a_plain_loop(
    readers: Readers, subject: Callable[..., Subject], tmp_path: Path
) -> None:
    made = subject(images(25))
    assert counted(made, tmp_path / "j", Counting(readers=readers))[0] == plain(made)


@pytest.mark.parametrize("batch", [2, 5, 100])
def test_a_batch_changes_no_label_map(batch: int, subject: Callable[..., Subject], tmp_path: Path) -> None:
    """On this method, which does the same arithmetic for any batch."""
    dataset = images(23)
    made = subject(dataset, batch=batch)
    assert counted(made, tmp_path / "j")[0] == plain(made)


def ready(shape: tuple[int, int], name: str = "") -> Ready:
    photo = np.zeros((*shape, 3), np.uint8)
    return Ready(Sample(name, photo, np.zeros(shape, np.uint8)), photo)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("most", [1, 2, 5])
def test_groups_have_one_size_and_hold_every_photo_once(most: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    photos = [ready((int(n), 8), str(i)) for i, n in enumerate(random.integers(1, 9, 60))]
    forward = Forward.__new__(Forward)
    forward.most = most
    taken = 0

    def given():  # type: ignore[no-untyped-def]
        nonlocal taken
        for photo in photos:
            taken += 1
            yield photo

    names, handed = [], 0
    for group in grouped(given(), forward):
        assert len({each.photo.shape for each in group}) == 1
        assert len(group) <= most
        handed += len(group)
        assert taken - handed <= 4 * most  # bounded: memory does not grow with the dataset
        names += [each.sample.id for each in group]
    assert sorted(names, key=int) == [str(i) for i in range(60)]


def test_a_batch_that_does_not_fit_is_halved_and_it_is_said(
    subject: Callable[..., Subject], tmp_path: Path
) -> None:
    dataset = images(21, sizes=((40, 56),))
    made = subject(dataset, "two-fit", batch=8)
    with journal(tmp_path / "j", CLASSES) as book:
        passed = count_into(book, made, range(len(dataset)), Counting(), QUIET)
        assert book.counts(dataset.ids) == plain(made)
    assert passed.forward == {"batch": 2, "out_of_memory": 2}  # 8, then 4, then 2 for good
    assert "2 at a time in place of 8" in passed.warnings[0]


class Hungry(Faulty):
    """The same, with a layer of 64 MB an image."""

    def segment(self, images: ImageBatch, text: TextFeatures) -> DenseScores:
        layer = images.tensor.new_zeros(len(images.tensor), 2**24)
        scores = super().segment(images, text)
        return replace(scores, logits=scores.logits + layer[:, :1, None, None])


def test_what_the_system_refuses_is_met_by_a_smaller_batch(
    subject: Callable[..., Subject], tmp_path: Path
) -> None:
    """The system says no, not the test: 64 images need 4 GB at once; 256 MB are left beside what the process has."""
    dataset = images(64, sizes=((40, 56),))
    made = subject(dataset, batch=64)
    hungry = Hungry("none").eval().set_vocabulary(made.vocabulary)
    made.inference = Inference(hungry, made.vocabulary, torch.device("cpu"))
    expected = plain(made)
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    gc.collect()  # what earlier tests left is not to be room that this one gains later
    with journal(tmp_path / "j", CLASSES) as book:
        resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + 2**28, hard))
        try:
            passed = count_into(book, made, range(len(dataset)), Counting(readers=Readers(0)), QUIET)
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        assert book.counts(dataset.ids) == expected
    assert passed.forward["batch"] < 32
    assert passed.forward["out_of_memory"] >= 2


def test_one_image_that_does_not_fit_is_an_error_that_says_so(
    subject: Callable[..., Subject], tmp_path: Path
) -> None:
    made = subject(images(3), "none-fits", batch=4)
    with pytest.raises(torch.OutOfMemoryError):
        counted(made, tmp_path / "j")


def test_other_errors_of_a_batch_are_not_taken_for_memory(
    subject: Callable[..., Subject], tmp_path: Path
) -> None:
    made = subject(images(3), "raises", batch=4)
    with pytest.raises(RuntimeError, match="the method itself is broken"):
        counted(made, tmp_path / "j")
    assert made.segmenter.calls == 1  # type: ignore[attr-defined]  # and it was not tried again


def test_what_counts_as_memory() -> None:
    assert is_out_of_memory(torch.OutOfMemoryError("x"))
    assert is_out_of_memory(MemoryError())
    with pytest.raises(RuntimeError) as real:
        torch.empty(2**50)
    assert is_out_of_memory(real.value)
    assert is_out_of_memory(
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")
    )
    assert not is_out_of_memory(RuntimeError("shapes do not match"))
    assert not is_out_of_memory(RuntimeError("CUDA error: device-side assert triggered"))
    assert not is_out_of_memory(ValueError("not enough memory"))


class WithBadImages(ListedDataset):
    """Some images cannot be read."""

    bad: tuple[int, ...] = ()

    def sample(self, index: int) -> Sample:
        if index in self.bad:
            raise DataError(f"{self.ids[index]}.jpg is not a whole image")
        return super().sample(index)


@pytest.mark.parametrize("readers", [Readers(0), Readers(2), Readers(2, beside=False)])
@pytest.mark.parametrize("batch", [1, 4])
def test_bad_images_are_skipped_and_named(
    readers: Readers, batch: int, subject: Callable[..., Subject], tmp_path: Path
) -> None:
    """Damaged files, and ground truth with values that are no class, of which only counting hears."""
    base = images(20)
    base.all_labels[11][0, 0] = 77
    dataset = WithBadImages(base.all_labels, base.images)
    dataset.bad = (0, 7, 19)
    made = subject(dataset, batch=batch)
    with journal(tmp_path / "j", CLASSES) as book:
        passed = count_into(book, made, range(20), Counting("skip", readers), QUIET)
        assert [bad.id for bad in passed.skipped] == sorted(f"sample-{n}" for n in (0, 7, 11, 19))
        assert set(book.rows) == {f"sample-{n}" for n in range(20) if n not in (0, 7, 11, 19)}
    with pytest.raises(DataError), journal(tmp_path / "k", CLASSES) as book:
        count_into(book, made, range(1, 20), Counting("stop", readers), QUIET)
    if batch == 1:
        assert set(book.rows) == {f"sample-{n}" for n in range(1, 7)}


class Drawn(ListedDataset):
    """As many tiny images as asked for, made when they are asked for."""

    def __init__(self, count: int) -> None:
        super().__init__([np.zeros((2, 2), np.uint8)])
        self.names = tuple(f"image-{index:05d}" for index in range(count))

    @property
    def ids(self) -> tuple[str, ...]:
        return self.names

    @property
    def identity(self) -> str:
        return f"drawn {len(self.names)}"

    def sample(self, index: int) -> Sample:
        labels = np.full((24, 32), index % CLASSES, np.uint8)
        return Sample(self.names[index], np.full((24, 32, 3), index % 251, np.uint8), labels)


class Tiny(Faulty):
    """The same at a quarter of the input."""

    def __init__(self) -> None:
        super().__init__("none")
        self.set_input(replace(INPUT, short_side=16, longest_side=32))


@pytest.mark.parametrize(
    "total", [2000, pytest.param(10_000, marks=[pytest.mark.slow_proof, pytest.mark.timeout(1800)])]
)
def test_memory_stays_flat(total: int, subject: Callable[..., Subject], tmp_path: Path) -> None:
    """Reading ahead is bounded, journal rows are sparse: what is held after all images is what was held after few."""
    dataset = Drawn(total)
    made = subject(dataset)
    made.inference = Inference(
        Tiny().eval().set_vocabulary(made.vocabulary), made.vocabulary, torch.device("cpu")
    )
    with journal(tmp_path / "j", CLASSES) as book:
        count_into(book, made, range(200), Counting(readers=Readers(2)), QUIET)
        gc.collect()
        process = psutil.Process()
        resident = process.memory_info().rss
        tracemalloc.start()
        count_into(book, made, range(200, total), Counting(readers=Readers(2)), QUIET)
        gc.collect()
        held, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        grown = process.memory_info().rss - resident
    assert len(book.rows) == total
    assert held < 1000 * total  # the counts themselves: 10 MB of 10,000 images
    assert peak - held < 2 * 2**20
    assert grown < 40 * 2**20


def test_resized_photos_are_what_the_timed_call_makes(subject: Callable[..., Subject]) -> None:
    """Reading resizes ahead of the forward pass; the network must see the very same numbers."""
    made = subject(images(1))
    sample = made.item.dataset.sample(0)
    spec = made.segmenter.input_spec
    one = Ready(sample, resize(sample.image, spec.resized(*sample.image.shape[:2])))
    (labels,) = Forward(made.inference, 1).labels([one])
    assert np.array_equal(labels, made.inference.labels(sample.image).numpy())
