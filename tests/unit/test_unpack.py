"""Unpacking: what comes out, what is refused before a byte is written, what a damaged archive does."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from benchbed.download.unpack import unpack
from benchbed.errors import DataError, StoreError
from benchbed.progress import Reporter

FILES = {"a.txt": b"first", "folder/b.bin": os.urandom(300_000), "folder/deep/empty": b""}
QUIET = Reporter(Console(quiet=True))
Writer = Callable[[Path, dict[str, bytes]], Path]


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def write_tar(path: Path, files: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def write_tgz(path: Path, files: dict[str, bytes]) -> Path:
    return write_tar(path, files, "w:gz")


WRITERS = pytest.mark.parametrize("write", [write_zip, write_tar, write_tgz])


def held(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@WRITERS
def test_everything_comes_out(tmp_path: Path, write: Writer) -> None:
    path = write(tmp_path / "archive", FILES)
    assert unpack(path, tmp_path / "out", QUIET) == 3
    assert held(tmp_path / "out") == FILES


@WRITERS
def test_going_on_after_an_interruption(tmp_path: Path, write: Writer) -> None:
    path = write(tmp_path / "archive", FILES)
    out = tmp_path / "out"
    unpack(path, out, QUIET)
    (out / "folder/b.bin").write_bytes(b"torn")
    (out / "a.txt.part").write_bytes(b"left by a kill")
    (out / "a.txt").unlink()
    before = (out / "folder/deep/empty").stat().st_mtime_ns
    unpack(path, out, QUIET)
    assert held(out) == FILES
    assert (out / "folder/deep/empty").stat().st_mtime_ns == before


@WRITERS
@pytest.mark.parametrize(
    "name", ["../up", "/etc/up", "a/../../up", "..", "a\\..\\up", "folder/../../../up", "C:up", "c:/up"]
)
def test_entries_that_point_outside(tmp_path: Path, write: Writer, name: str) -> None:
    path = write(tmp_path / "archive", {"good": b"1", name: b"evil"})
    out = tmp_path / "deep" / "out"
    with pytest.raises(DataError, match="points outside the folder: refused, nothing was unpacked"):
        unpack(path, out, QUIET)
    assert not out.exists()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["archive"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar(tmp_path: Path, kind: bytes) -> None:
    with tarfile.open(tmp_path / "archive", "w") as archive:
        member = tarfile.TarInfo("link")
        member.type, member.linkname = kind, "/etc"
        archive.addfile(member)
    with pytest.raises(DataError, match="'link', which is a link or a device"):
        unpack(tmp_path / "archive", tmp_path / "out", QUIET)
    assert not (tmp_path / "out").exists()


def test_links_in_a_zip(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "archive", "w") as archive:
        info = zipfile.ZipInfo("link")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc")
    with pytest.raises(DataError, match="is a link or a device"):
        unpack(tmp_path / "archive", tmp_path / "out", QUIET)


def test_a_link_in_the_way_is_replaced_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine!")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/a.txt").symlink_to(victim)
    unpack(write_zip(tmp_path / "archive", FILES), tmp_path / "out", QUIET)
    assert victim.read_bytes() == b"mine!"
    assert held(tmp_path / "out") == FILES


@WRITERS
def test_a_cut_archive(tmp_path: Path, write: Writer) -> None:
    path = write(tmp_path / "archive", FILES)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match=r"archive is (damaged|no whole zip or tar)"):
        unpack(path, tmp_path / "out", QUIET)


@pytest.mark.parametrize("write", [write_zip, write_tgz])
def test_a_flipped_byte(tmp_path: Path, write: Writer) -> None:
    path = write(tmp_path / "archive", FILES)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(DataError, match="is damaged"):
        unpack(path, tmp_path / "out", QUIET)
    assert not (tmp_path / "out/folder/b.bin").exists()


@pytest.mark.parametrize("content", [b"", b"just text", b"PK\x03\x04nothing"])
def test_no_archive(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "archive").write_bytes(content)
    with pytest.raises(DataError, match="no whole zip or tar archive"):
        unpack(tmp_path / "archive", tmp_path / "out", QUIET)
    with pytest.raises(DataError, match="no whole zip or tar archive"):
        unpack(tmp_path / "nowhere", tmp_path / "out", QUIET)


def test_more_than_the_disk_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an archive promises is compared with what is free before the first file."""
    path = write_zip(tmp_path / "archive", {"bomb": bytes(50_000_000)})
    assert path.stat().st_size < 100_000
    little = SimpleNamespace(free=100_000_000)
    monkeypatch.setattr("benchbed.download.room.shutil.disk_usage", lambda place: little)
    with pytest.raises(StoreError, match="unpacking archive needs 50 MB, of which the disk has 33 MB free"):
        unpack(path, tmp_path / "out", QUIET)
    assert not (tmp_path / "out").exists()


def test_more_than_was_promised(tmp_path: Path) -> None:
    """A zip whose entry says 7 bytes and holds 1,000."""
    path = write_zip(tmp_path / "archive", {"liar": b"0" * 1000})
    path.write_bytes(path.read_bytes().replace((1000).to_bytes(4, "little"), (7).to_bytes(4, "little")))
    with pytest.raises(DataError, match="is damaged"):
        unpack(path, tmp_path / "out", QUIET)
    assert not (tmp_path / "out/liar").exists()


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/folder").write_bytes(b"a file where a folder belongs")
    with pytest.raises(StoreError, match=r"folder/b\.bin cannot be written"):
        unpack(write_zip(tmp_path / "archive", FILES), tmp_path / "out", QUIET)
