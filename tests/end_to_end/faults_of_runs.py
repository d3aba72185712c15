"""Faults of a run, each provoked for real: killed, without room, without memory, on bad files, beside another run.

Each function takes a fresh folder and a source of chance, and returns what happened in a few words, the same words whenever the
same happened; it raises AssertionError where anything was lost, counted twice, or not said.
"""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from kill_often import kill_often, summary
from light_data import light_data
from light_run import counts_by_label, ended, journalled, run, start
from worker_run import DIES, together

from benchbed.metrics import Counts
from benchbed.record_store import RecordStore

IMAGES: Final = 40
NONE: Final = ("--methods", "faulty/none")


class Impossible(Exception):
    """The fault cannot be provoked on this machine; says what is missing."""


def killed(folder: Path, draw: random.Random) -> str:
    """Five kills at random moments, in one or more commands."""
    tally = kill_often(folder, kills=5, images=IMAGES, seed=draw.randrange(2**32))
    assert not tally.wrong, summary(tally)
    return (
        "the same command went on from the last finished image; one record each, the integers of a calm run"
    )


def full_disk(folder: Path, draw: random.Random) -> str:
    """A store on a file system that fills at a random place: journal, list of records, or record."""
    data = light_data(folder / "data", IMAGES)
    expected = _calm(folder, data)
    with small_disk(folder / "disk", 4096 * draw.randrange(1, 12)) as disk:
        code = run(disk / "out", folder / "full.log", *NONE, "--dataset", data, "--keep", 0)
        said = (folder / "full.log").read_text()
        if code != 0:
            assert code == 4, said[-500:]
            assert "free room" in said
            assert "Traceback" not in said
        assert RecordStore(disk / "out").read_all()[1] == []
        held = sum(journalled(disk / "out").values())
        subprocess.run(["mount", "-o", "remount,size=4M", str(disk)], check=True)
        assert (
            code == 0 or run(disk / "out", folder / "after.log", *NONE, "--dataset", data, "--keep", 0) == 0
        )
        assert code == 0 or not held or f"going on after {held} images" in (folder / "after.log").read_text()
        _same(disk / "out", expected)
    return (
        "exit code 4 and one sentence; with room again the same command went on to the integers of a calm run"
    )


def read_only_store(folder: Path, draw: random.Random) -> str:
    """A store that can be read but not written."""
    data = light_data(folder / "data", IMAGES)
    with small_disk(folder / "disk", 4 << 20) as disk:
        assert run(disk / "out", folder / "first.log", *NONE, "--dataset", data, "--keep", 0) == 0
        before = {path: path.stat().st_mtime_ns for path in disk.rglob("*")}
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        assert run(disk / "out", folder / "log", *NONE, "--dataset", data, "--keep", 0) == 4
        assert "Read-only file system" in (folder / "log").read_text()
        assert {path: path.stat().st_mtime_ns for path in disk.rglob("*")} == before
        assert len(counts_by_label(disk / "out")["faulty/none"]) == 1
    return "refused before anything was measured, exit code 4; what was there stayed"


def no_room_for_the_cache(folder: Path, draw: random.Random) -> str:
    """No room for decoded ground truth."""
    data = light_data(folder / "data", IMAGES)
    expected = _calm(folder, data)
    with small_disk(folder / "disk", 4096 * draw.randrange(2, 40)) as disk:
        log = folder / "log"
        assert run(folder / "out", log, *NONE, "--dataset", data, "--keep", 0, cache=disk) == 0
        assert "decoded ground truth is not kept" in log.read_text()
    _same(folder / "out", expected)
    return "said once; the run went on, decoding each label map"


def corrupt_image(folder: Path, draw: random.Random) -> str:
    """One file among many cut, cut and closed, emptied, or replaced by something else; first stop, then skip."""
    data = light_data(folder / "data", IMAGES)
    expected = _calm(folder, data)
    name = f"{draw.randrange(IMAGES):05d}"
    part, ending = draw.choice([("photos", ".jpg"), ("labels", ".png")])
    path = folder / "data" / part / f"{name}{ending}"
    content = path.read_bytes()
    half = content[: len(content) // 2]
    path.write_bytes(draw.choice([half, half + b"\xff\xd9", b"", b"<html>not found</html>", content[:8]]))
    assert run(folder / "out", folder / "stop.log", *NONE, "--dataset", data, "--keep", 0) == 3
    assert f"{name}{ending}" in (folder / "stop.log").read_text()
    assert sum(journalled(folder / "out").values()) == int(name)
    flags = (*NONE, "--dataset", data, "--keep", 0, "--on-bad-image", "skip")
    assert run(folder / "out", folder / "skip.log", *flags) == 0, (folder / "skip.log").read_text()[-500:]
    said = (folder / "skip.log").read_text()
    assert f"going on after {name.lstrip('0') or '0'} images" in said or int(name) == 0
    assert said.replace("\n", " ").count("1 bad image was skipped") == 3
    (record,) = RecordStore(folder / "out").read_all()[0]
    assert record.dataset["skipped"] == [name]
    others = tuple(each for each in expected.image_ids if each != name)
    assert record.counts == expected.select(others)
    return (
        "stop: exit code 3, file named, images before it kept; skip: all others counted, said in every table"
    )


def out_of_memory(folder: Path, draw: random.Random) -> str:
    """A forward pass that holds two images at most."""
    data = light_data(folder / "data", IMAGES)
    expected = _calm(folder, data)
    batch = draw.choice([3, 4, 8, 16])
    flags = ("--methods", "faulty/two-fit", "--dataset", data, "--keep", 0, "--batch", batch)
    assert run(folder / "out", folder / "log", *flags) == 0, (folder / "log").read_text()[-500:]
    (record,) = RecordStore(folder / "out").read_all()[0]
    assert record.protocol["resolved"]["counting"]["batch"] in (1, 2)
    assert record.protocol["resolved"]["counting"]["out_of_memory"] >= 1
    assert record.counts == expected
    return "a smaller batch was taken and recorded; the same integers"


def thread_that_dies(folder: Path, draw: random.Random) -> str:
    """A method that breaks in the middle, while threads read ahead of it and count behind it."""
    data = light_data(folder / "data", IMAGES)
    flags = ("--methods", "faulty/raises-late,faulty/none", "--dataset", data, "--keep", 0)
    assert run(folder / "out", folder / "log", *flags) == 4, (folder / "log").read_text()[-500:]
    said = (folder / "log").read_text()
    assert "the method itself is broken" in said
    assert sum(journalled(folder / "out").values()) == 8
    _same(folder / "out", _calm(folder, data))
    return "no hang; one sentence and the traceback in a file; the images before it stayed, the other method was measured"


def worker_that_dies(folder: Path, draw: random.Random) -> str:
    """One of three workers of a run is killed after a random number of its images; then fewer workers go on."""
    data = light_data(folder / "data", IMAGES)
    flags = (*NONE, "--dataset", data, "--keep", 0, "--out", folder / "out")
    rank, images = draw.randrange(3), draw.randrange(IMAGES // 3)
    codes = together(3, folder / "first", *flags, environment={DIES: f"{rank}:{images}"})
    assert codes[rank] == -9, codes
    assert all(code == 4 for place, code in enumerate(codes) if place != rank), codes
    shares = (folder / "out" / "partial").rglob("*.jsonl")
    held = sum(path.read_bytes().count(b"\n") for path in shares)
    assert held >= images
    assert together(draw.choice([1, 2]), folder / "second", *flags)[0] == 0
    assert f"going on after {held} images" in (folder / "second" / "0.err").read_text()
    _same(folder / "out", _calm(folder, data))
    return "the others ended with one sentence; the same command with fewer workers went on to the integers of a calm run"


def two_at_once(folder: Path, draw: random.Random) -> str:
    """The same command twice at once into one store, with one cache of decoded ground truth."""
    data = light_data(folder / "data", IMAGES)
    flags = (*NONE, "--dataset", data, "--keep", 0)
    both = [start(folder / "out", folder / f"{n}.log", *flags, cache=folder / "cache") for n in range(2)]
    assert [ended(child) for child in both] == [0, 0], (folder / "0.log").read_text()[-500:]
    found = counts_by_label(folder / "out")["faulty/none"]
    expected = _calm(folder, data)
    assert len(found) == 2
    assert all(counts == expected for counts in found)
    assert not journalled(folder / "out")
    return "both wrote a whole record of the same integers"


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    """A file system of `size` bytes of its own.

    Raises:
        Impossible: the system does not let us mount one.
    """
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise Impossible(f"cannot mount a tmpfs here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def _calm(folder: Path, data: Path) -> Counts:
    """The counts of a run that nothing happens to."""
    store = folder / "calm"
    assert run(store, folder / "calm.log", *NONE, "--dataset", data, "--keep", 0) == 0
    (counts,) = counts_by_label(store)["faulty/none"]
    assert counts is not None
    return counts


def _same(store: Path, expected: Counts) -> None:
    """The store holds one record of `faulty/none`, of these integers."""
    found = counts_by_label(store)["faulty/none"]
    assert len(found) == 1, f"{len(found)} records"
    assert found[0] == expected, "other integers"
