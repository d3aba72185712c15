"""Faults of what comes from outside, each provoked for real: downloads, archives, checkpoints, torn and foreign files.

As in `faults_of_runs.py`: a function a fault; it returns what happened, and an assertion of its own or of `pytest.raises` fails
where anything was lost.
"""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import random
import tarfile
import zipfile
from pathlib import Path
from typing import Final
from unittest import mock

import numpy as np
import pytest
import torch
from example_record import example_record
from faults_of_runs import Impossible
from light_data import light_data
from rich.console import Console
from tls_server import Served, serving

from benchbed.checkpoints import read_tensors
from benchbed.datasets.archive import Archive
from benchbed.download.transfer import download
from benchbed.download.unpack import unpack
from benchbed.errors import CheckpointError, DataError, MissingError
from benchbed.journal import journal
from benchbed.metrics import ImageCounts
from benchbed.progress import Reporter
from benchbed.record_store import RecordStore
from benchbed.registry import dataset_card
from benchbed.truth_cache import TruthCache

QUIET: Final = Reporter(Console(quiet=True))
BYTES: Final = 700_001
WAITS: Final = (0.01, 0.01)


def network_gone(folder: Path, draw: random.Random) -> str:
    """A server that breaks off three times at random places, then for good, then answers again."""
    content = draw.randbytes(BYTES)
    with _server(folder, content) as served:
        archive = _archive(served, content)
        served.cut_after = [draw.randrange(1, BYTES // 4) for _ in range(2)] + [0, 0, 0]
        held = sum(served.cut_after)
        with pytest.raises(MissingError, match=f"{held:,} bytes are kept"):
            download(archive, folder / "got", QUIET, WAITS)
        served.cut_after, served.asked = [], []
        assert download(archive, folder / "got", QUIET, WAITS).read_bytes() == content
        assert served.asked == [("/data.zip", f"bytes={held}-")]
    return "what came was kept; the same command asked for the rest alone, and the digest agreed"


def checksum_mismatch(folder: Path, draw: random.Random) -> str:
    """One bit of a download that is not the published one."""
    content = draw.randbytes(BYTES)
    other = bytearray(content)
    other[draw.randrange(BYTES)] ^= 1 << draw.randrange(8)
    with _server(folder, bytes(other)) as served, pytest.raises(DataError, match="was removed"):
        download(_archive(served, content), folder / "got", QUIET, WAITS)
    assert list((folder / "got").iterdir()) == []
    return "refused, both digests named, the file removed"


def entries_outside(folder: Path, draw: random.Random) -> str:
    """Zip and tar archives with entries that point outside, by name or by link."""
    victim = folder / "victim"
    name = draw.choice([f"../{victim.name}", str(victim), f"a/../../{victim.name}", f"..\\{victim.name}"])
    path = folder / "archive"
    kind = draw.choice(["zip", "tar", "link"])
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("good.txt", "good")
            archive.writestr(name, "evil")
    else:
        with tarfile.open(path, "w:gz") as tar:
            info = tarfile.TarInfo("inside" if kind == "link" else name)
            if kind == "link":
                info.type, info.linkname = draw.choice([tarfile.SYMTYPE, tarfile.LNKTYPE]), str(victim)
            else:
                info.size = 4
            tar.addfile(info, io.BytesIO(b"evil"))
    with pytest.raises(DataError, match="is a link" if kind == "link" else "points outside"):
        unpack(path, folder / "into", QUIET)
    assert not victim.exists()
    assert not (folder / "into").exists() or list((folder / "into").rglob("*")) == []
    return "refused before the first file was written, the entry named"


class _Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def checkpoint_with_code(folder: Path, draw: random.Random) -> str:
    """Checkpoints whose pickle runs a command when it is loaded, in torch's format and in plain ones."""
    path, ran = folder / "evil.pth", folder / "ran"
    content = {"model": {"weight": torch.ones(2)}, "epoch": _Bomb(ran)}
    if draw.random() < 0.5:
        torch.save(content, path, _use_new_zipfile_serialization=draw.random() < 0.5)
    else:
        path.write_bytes(pickle.dumps(content, protocol=draw.choice([2, 4])))
    with pytest.raises(CheckpointError, match=r"evil\.pth"):
        read_tensors(path)
    assert not ran.exists(), "its code ran"
    return "refused, the file named; its code did not run"


def torn_record(folder: Path, draw: random.Random) -> str:
    """A record cut off, with a changed byte, or of somebody else, among good ones."""
    store = RecordStore(folder)
    store.prepare()
    paths = [store.write(example_record(seed=seed)) for seed in range(3)]
    content = bytearray(paths[1].read_bytes())
    digits = [place for place, byte in enumerate(content) if 48 <= byte <= 57]
    place = draw.choice(digits)
    content[place] = 48 + (content[place] - 47) % 10
    damage = [bytes(content), content[: draw.randrange(1, len(content) - 2)], b"{}", b"\x00\xff", b"[]"]
    paths[1].write_bytes(draw.choice(damage))
    records, skipped = store.read_all()
    assert len(records) == 2
    assert len(skipped) == 1
    assert paths[1].name in skipped[0]
    return "named and skipped; the others were read"


def torn_journal(folder: Path, draw: random.Random) -> str:
    """A journal with a changed bit, cut off, or of somebody else."""
    path = folder / "journal.jsonl"
    random_ = np.random.default_rng(draw.randrange(2**32))
    rows = []
    for number in range(10):
        labelled = random_.integers(0, 99, 20)
        predicted = labelled[::-1].copy()
        right = np.minimum(labelled, predicted) // 2
        rows.append(ImageCounts(right, predicted, labelled, f"image {number}"))
    with journal(path, 20) as book:
        for row in rows:
            book.add(row)
    content = bytearray(path.read_bytes())
    place = draw.randrange(len(content))
    whole = content[:place].count(b"\n")
    content[place] ^= 1 << draw.randrange(8)
    path.write_bytes(
        draw.choice([bytes(content), bytes(content[:place]), bytes(content[:place]) + b"\xff\x00\n"])
    )
    with journal(path, 20) as book:
        assert list(book.rows) == [row.image_id for row in rows[:whole]]
        for row in rows[whole:]:
            book.add(row)
    with journal(path, 20) as book:
        counts = book.counts(tuple(row.image_id for row in rows))
    assert all(np.array_equal(counts.labelled[n], row.labelled) for n, row in enumerate(rows))
    return "lines before the damage were believed, the rest was counted again"


def damaged_cache(folder: Path, draw: random.Random) -> str:
    """Decoded ground truth with changed bits, cut off, or gone."""
    path = light_data(folder / "data", 6)
    with mock.patch.dict(os.environ, {"BENCHBED_CACHE": str(folder / "cache")}):
        dataset = dataset_card(str(path)).opened(None)
        with TruthCache(dataset, QUIET) as cache:
            first = [cache.sample(index).labels.copy() for index in range(6)]
        victim = draw.choice(sorted(each for each in (folder / "cache").rglob("*") if each.is_file()))
        content = bytearray(victim.read_bytes())
        for _ in range(draw.randrange(1, 5)):
            content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        victim.write_bytes(draw.choice([bytes(content), bytes(content[: len(content) // 2]), b""]))
        with TruthCache(dataset, QUIET) as cache:
            again = [cache.sample(index).labels for index in range(6)]
        assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True)), (
            "other labels were believed"
        )
    return "not believed: the masks were decoded again, to the same labels"


def _archive(served: Served, content: bytes) -> Archive:
    digest = hashlib.sha256(content).hexdigest()
    url = f"{served.url}/data.zip"
    return Archive("data.zip", "https://page", "things", url, (("sha256", digest),), len(content))


class _server:
    """A TLS server with one file, whose certificate is trusted inside the block."""

    def __init__(self, folder: Path, content: bytes) -> None:
        self.folder, self.content = folder, content

    def __enter__(self) -> Served:
        self.running = serving(self.folder)
        try:
            served = self.running.__enter__()
        except pytest.skip.Exception as error:
            raise Impossible(str(error)) from error
        served.files["data.zip"] = self.content
        self.trust = mock.patch.dict(os.environ, {"SSL_CERT_FILE": str(served.certificate)})
        self.trust.start()
        return served

    def __exit__(self, *_: object) -> None:
        self.trust.stop()
        self.running.__exit__(None, None, None)
