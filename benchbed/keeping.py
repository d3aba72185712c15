"""Keeping predictions while a run counts: a byte budget, the same draw of images for every method, whole files only."""

from __future__ import annotations

import io
import json
import os
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchbed.datasets.dataset import Sample
from benchbed.errors import StoreError
from benchbed.kept import MANIFEST, PHOTOS, TRUTH, Kept, label_png, read_labels, stem
from benchbed.progress import Reporter

LONGEST: Final = 1040  # pixels of a kept photo's longer side: twice a gallery's panel
QUALITY: Final = 92
RESERVE: Final = 2**28  # bytes that stay free on the disk: records matter more than pictures


@dataclass(frozen=True)
class _Entry:
    """An image's three files; contents are empty where the file is there already."""

    image_id: str
    size: int
    files: tuple[tuple[Path, bytes], ...] = ()


class Keeper:
    """Collects predictions in memory, at most `budget` bytes with photo and truth, and writes them at the end.

    What stays is the longest beginning of the draw (the order of the images' stems) that fits the budget, in whatever
    order the images come. It does not depend on interruptions: `missing` names what an earlier run had counted but
    not kept.
    """

    def __init__(self, place: Kept, num_classes: int, budget: int, reporter: Reporter) -> None:
        """`place` says whose predictions these are and where they go; its `images` are not looked at."""
        self.place = place
        self.num_classes = num_classes
        self.budget = budget
        self.reporter = reporter
        self._held: dict[str, _Entry] = {}
        self._bytes = 0
        self._first_refused: str | None = None
        self._off = not self._has_room()

    def offer(self, sample: Sample, labels: NDArray[np.integer]) -> None:
        """Keep this prediction, [H, W], if it is early enough in the draw."""
        name = stem(sample.id)
        if not self._off and self._admits(name):
            self._take(name, self._entry(sample, labels))

    def resume(self, image_ids: Iterable[str]) -> None:
        """Take over what an interrupted run had kept of these images."""
        for image_id in [] if self._off else image_ids:
            name = stem(image_id)
            paths = self._files(name)
            if self._admits(name) and all(path.is_file() for path in paths) and _whole(paths[0]):
                self._take(name, _Entry(image_id, sum(path.stat().st_size for path in paths)))

    def missing(self, image_ids: Iterable[str]) -> Iterable[str]:
        """Those of the images that would still be kept, in the order of the draw; each is to be offered."""
        for image_id in sorted(image_ids, key=stem):
            if self._off or not self._admits(stem(image_id)):
                return
            if stem(image_id) not in self._held:
                yield image_id

    def write(self) -> None:
        """Write what is held, drop what is not, and say so if that cannot be done: a run never fails for a picture."""
        if self._off or not self._held:
            return
        try:
            for name in sorted(self._held):
                for path, content in self._held[name].files:
                    _write(path, content)
            images = tuple(self._held[name].image_id for name in sorted(self._held))
            manifest = json.dumps(replace(self.place, images=images).manifest(), indent=1, ensure_ascii=False)
            _write(self.place.folder / MANIFEST, manifest.encode() + b"\n")
            for path in self.place.folder.glob("*.png"):
                if path.stem not in self._held:
                    path.unlink(missing_ok=True)
        except OSError as error:
            shutil.rmtree(self.place.folder, ignore_errors=True)
            self.reporter.note(f"{self.place.folder}: predictions are not kept ({error.strerror or error})")

    def _admits(self, name: str) -> bool:
        return self._first_refused is None or name < self._first_refused

    def _take(self, name: str, entry: _Entry) -> None:
        self._held[name] = entry
        self._bytes += entry.size
        while self._bytes > self.budget:
            self._first_refused = max(self._held)
            self._bytes -= self._held.pop(self._first_refused).size

    def _entry(self, sample: Sample, labels: NDArray[np.integer]) -> _Entry:
        prediction, truth, photo = self._files(stem(sample.id))
        contents = [
            (prediction, label_png(labels, self.num_classes)),
            (truth, label_png(sample.labels, self.num_classes)),
        ]
        there = photo.stat().st_size if photo.is_file() else 0
        if not there:
            contents.append((photo, photo_jpeg(sample.image)))
        return _Entry(sample.id, there + sum(len(content) for _, content in contents), tuple(contents))

    def _files(self, name: str) -> tuple[Path, Path, Path]:
        """Prediction, truth and photo of a stem."""
        folder = self.place.folder
        return (
            folder / f"{name}.png",
            folder.parent / TRUTH / f"{name}.png",
            folder.parent / PHOTOS / f"{name}.jpg",
        )

    def _has_room(self) -> bool:
        nearest = next(folder for folder in self.place.folder.absolute().parents if folder.exists())
        free = shutil.disk_usage(nearest).free
        if free < RESERVE + self.budget:
            self.reporter.note(
                f"{nearest}: {free / 1e6:,.0f} MB are free: no predictions are kept, so that records find room"
            )
        return free >= RESERVE + self.budget


def photo_jpeg(photo: NDArray[np.uint8]) -> bytes:
    """[H, W, 3] uint8 as JPEG, made smaller where its longer side passes 1,040 pixels."""
    image = Image.fromarray(photo)
    image.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
    content = io.BytesIO()
    image.save(content, "JPEG", quality=QUALITY, subsampling=0)
    return content.getvalue()


def _whole(path: Path) -> bool:
    try:
        read_labels(path)
    except StoreError:
        return False
    return True


def _write(path: Path, content: bytes) -> None:
    """A file appears whole or not at all. Not flushed to the disk as records are: pictures can be made again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).chmod(0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
