"""Ground truth decoded once and memory-mapped afterwards. Free of torch.

Below the cache's folder (`$BENCHBED_CACHE`, else `~/.cache/benchbed`; `off` for none):

    truth/DATASET-IDENTITY-CODE/labels-XXXX.bin      label maps one after the other, rows of uint8 or uint16
    truth/DATASET-IDENTITY-CODE/labels-XXXX.jsonl    one line each: the mask file's SHA-256, place, shape, the labels' SHA-256

A label map is found by the content of its mask file and believed only if its own digest agrees, so that an edited mask, a torn
file or a broken disk leads to decoding, never to other labels. Every run that finds something missing writes files of its own:
runs side by side never touch each other's. CODE is the digest of benchbed's source; folders of other code are removed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray

from benchbed.datasets.dataset import Dataset, Sample
from benchbed.datasets.file_dataset import FileDataset
from benchbed.datasets.image_file import read_content
from benchbed.progress import Reporter
from benchbed.source_digest import source_digest

CACHE: Final = "BENCHBED_CACHE"
OFF: Final = "off"
RESERVE: Final = 2**28  # bytes that stay free on the disk: records matter more than saved decoding
_TYPES: Final[dict[str, np.dtype[Any]]] = {"uint8": np.dtype("<u1"), "uint16": np.dtype("<u2")}


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a label map lies, and the SHA-256 that its bytes must have."""

    file: Path
    start: int
    shape: tuple[int, int]
    type: str
    digest: bytes

    def read(self) -> NDArray[np.integer] | None:
        """[H, W], read-only and mapped for as long as somebody holds it; None where the file no longer has it."""
        try:
            mapped = np.memmap(self.file, _TYPES[self.type], "r", self.start, self.shape)
        except (OSError, ValueError):
            return None
        labels = np.asarray(mapped)
        return labels if hashlib.sha256(labels.data).digest() == self.digest else None


class TruthCache:
    """Reads samples of a dataset, with label maps from the disk where they were decoded before; use it as a context.

    Any number of threads may read. A dataset that is no `FileDataset` (a drawn one) is passed through.
    """

    def __init__(self, dataset: Dataset, reporter: Reporter) -> None:
        """`reporter` hears, once, that label maps are not kept."""
        self.dataset = dataset
        self.reporter = reporter
        self.decoded = 0  # label maps that this object had to decode
        self._lock = threading.Lock()
        self._segment: _Segment | None = None
        self._keeps = True
        self._folder = _folder(dataset)
        self._places = _read_places(self._folder) if self._folder else {}

    def sample(self, index: int) -> Sample:
        """Read one sample; its labels may be read-only.

        Raises:
            DataError: as `Dataset.sample`.
        """
        dataset = self.dataset
        if self._folder is None or not isinstance(dataset, FileDataset):
            return dataset.sample(index)
        mask = hashlib.sha256(read_content(dataset.mask_file(index))).digest()
        mapped = (place.read() for place in self._places.get(mask, ()))
        labels = next((each for each in mapped if each is not None), None)
        if labels is None:
            labels = dataset.labels(index)
            sample = dataset.joined(index, labels)
            self._keep(self._folder, mask, labels)
            return sample
        return dataset.joined(index, labels)

    def _keep(self, folder: Path, mask: bytes, labels: NDArray[np.integer]) -> None:
        with self._lock:
            self.decoded += 1
            if not self._keeps or labels.dtype.name not in _TYPES:
                return
            try:
                if self._segment is None:
                    self._segment = _Segment(folder)
                self._segment.add(mask, labels)
            except OSError as error:
                self.reporter.note(
                    f"{folder}: decoded ground truth is not kept ({error.strerror or error}); the run goes on, "
                    f"decoding each label map; free room, or set {CACHE} to another folder"
                )
                self._keeps = False

    def __enter__(self) -> TruthCache:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._segment is not None:
            self._segment.close()


class _Segment:
    """What one run adds: two new files that nobody else writes."""

    def __init__(self, folder: Path) -> None:
        """Make the files; folders of the same data under other code go."""
        folder.mkdir(parents=True, exist_ok=True)
        for other in folder.parent.glob(f"{folder.name.rpartition('-')[0]}-*"):
            if other != folder:
                shutil.rmtree(other, ignore_errors=True)
        handle, name = tempfile.mkstemp(dir=folder, prefix="labels-", suffix=".bin")
        self._data: IO[bytes] = os.fdopen(handle, "wb", buffering=0)
        self._index: IO[bytes] = Path(name).with_suffix(".jsonl").open("xb", buffering=0)
        self._end = 0

    def add(self, mask: bytes, labels: NDArray[np.integer]) -> None:
        """Append a label map, then the line that makes it findable.

        Raises:
            OSError: no room; what was whole before stays.
        """
        content = np.ascontiguousarray(labels, _TYPES[labels.dtype.name])
        stat = os.fstatvfs(self._data.fileno())
        if stat.f_bavail * stat.f_frsize < RESERVE + content.nbytes:
            raise OSError(28, f"less than {RESERVE >> 20} MiB are free, which records may need")
        line = {
            "mask": mask.hex(),
            "start": self._end,
            "shape": list(content.shape),
            "type": labels.dtype.name,
            "labels": hashlib.sha256(content.data).hexdigest(),
        }
        _write_all(self._data, content.data.cast("B"))
        _write_all(self._index, json.dumps(line).encode() + b"\n")
        self._end += content.nbytes

    def close(self) -> None:
        """Done; a tail without a line is cut off."""
        with contextlib.suppress(OSError):
            self._data.truncate(self._end)
        self._data.close()
        self._index.close()


def _write_all(file: IO[bytes], content: Any) -> None:
    """Unbuffered files may take a part of what they are given."""
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) :]


def cache_folder() -> Path | None:
    """The folder of everything that benchbed may make again; None where a person wants none."""
    given = os.environ.get(CACHE, "")
    if given == OFF:
        return None
    return Path(given).expanduser() if given else Path.home() / ".cache" / "benchbed"


def _folder(dataset: Dataset) -> Path | None:
    root = cache_folder()
    if root is None or not isinstance(dataset, FileDataset):
        return None
    content = hashlib.sha256(dataset.identity.encode()).hexdigest()[:12]
    code = source_digest(type(dataset).__module__.partition(".")[0])[:12]
    return root / "truth" / f"{dataset.card.name}-{content}-{code}"


def _read_places(folder: Path) -> dict[bytes, tuple[_Place, ...]]:
    """Everything that earlier runs kept, perhaps more than once; torn and foreign lines are left out."""
    places: dict[bytes, tuple[_Place, ...]] = {}
    for path in sorted(folder.glob("labels-*.jsonl")):
        with contextlib.suppress(OSError):
            for line in path.read_bytes().splitlines():
                with contextlib.suppress(ValueError, KeyError, TypeError):
                    entry = json.loads(line)
                    mask, place = _place(path.with_suffix(".bin"), entry)
                    places[mask] = (*places.get(mask, ()), place)
    return places


def _place(file: Path, entry: dict[str, Any]) -> tuple[bytes, _Place]:
    """A line's content. Raises ValueError, KeyError or TypeError where it is no such line."""
    height, width = entry["shape"]
    if min(height, width) < 1 or entry["start"] < 0 or entry["type"] not in _TYPES:
        raise ValueError(f"no place of a label map: {entry}")
    place = _Place(
        file, int(entry["start"]), (int(height), int(width)), entry["type"], bytes.fromhex(entry["labels"])
    )
    return bytes.fromhex(entry["mask"]), place
