"""Downloads against a real TLS server: whole, broken off, resumed, changed, gone, without room, without trust."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tls_server
from rich.console import Console

from benchbed.datasets.archive import Archive
from benchbed.download.digests import check_digests
from benchbed.download.tls import open_url
from benchbed.download.transfer import download
from benchbed.errors import DataError, MissingError, StoreError, UsageError
from benchbed.progress import Reporter

CONTENT = np.random.default_rng(0).integers(0, 256, 700_001, np.uint8).tobytes()
QUICK = (0.01, 0.01, 0.01)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture
def server(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tls_server.Served]:
    with tls_server.serving(folder) as served:
        served.files["data.zip"] = CONTENT
        monkeypatch.setenv("SSL_CERT_FILE", str(served.certificate))
        yield served


def archive(server: tls_server.Served, content: bytes = CONTENT, size: bool = True) -> Archive:
    digests = tuple((name, hashlib.new(name, content).hexdigest()) for name in ("sha256", "md5"))
    return Archive(
        "data.zip",
        "https://page",
        "things",
        f"{server.url}/data.zip",
        digests,
        len(content) if size else None,
    )


@pytest.fixture
def reporter() -> Reporter:
    return Reporter(Console(quiet=True))


@pytest.mark.parametrize("size", [True, False])
def test_whole(server: tls_server.Served, tmp_path: Path, reporter: Reporter, size: bool) -> None:
    path = download(archive(server, size=size), tmp_path / "new" / "folder", reporter, QUICK)
    assert path.read_bytes() == CONTENT
    assert [each.name for each in path.parent.iterdir()] == ["data.zip"]
    download(archive(server), path.parent, reporter, QUICK)
    assert len(server.asked) == 1  # what is there and right is not asked for again


@pytest.mark.parametrize("size", [True, False])
@pytest.mark.parametrize("ranges", [True, False])
def test_a_network_that_comes_and_goes(
    server: tls_server.Served, tmp_path: Path, reporter: Reporter, size: bool, ranges: bool
) -> None:
    server.cut_after, server.ranges = [1000, 300_000, 0, 5], ranges
    assert download(archive(server, size=size), tmp_path, reporter, QUICK).read_bytes() == CONTENT
    asked = [each for _, each in server.asked]
    assert len(asked) == 5
    if ranges:  # each connection begins where the one before broke off
        assert asked == ["", "bytes=1000-", "bytes=301000-", "bytes=301000-", "bytes=301005-"]


def test_gone_for_good_keeps_what_came_and_the_next_call_goes_on(
    server: tls_server.Served, tmp_path: Path, reporter: Reporter
) -> None:
    server.cut_after = [400_000, 0, 0, 0, 0]
    with pytest.raises(
        MissingError, match=r"4 times in a row; 400,000 bytes are kept in .*data\.zip\.part: run the same"
    ):
        download(archive(server), tmp_path, reporter, QUICK)
    assert (tmp_path / "data.zip.part").read_bytes() == CONTENT[:400_000]
    assert not (tmp_path / "data.zip").exists()
    server.cut_after, server.asked = [], []
    assert download(archive(server), tmp_path, reporter, QUICK).read_bytes() == CONTENT
    assert server.asked == [("/data.zip", "bytes=400000-")]


def test_no_server_at_all(server: tls_server.Served, tmp_path: Path, reporter: Reporter) -> None:
    gone = Archive(
        "a.zip", "https://page", "things", "https://localhost:1/a.zip", (("sha256", "0" * 64),), 10
    )
    with pytest.raises(MissingError, match=r"Connection refused.* 0 bytes are kept"):
        download(gone, tmp_path, reporter, (0.01,))


@pytest.mark.parametrize("size", [True, False])
def test_another_content_is_removed(
    server: tls_server.Served, tmp_path: Path, reporter: Reporter, size: bool
) -> None:
    server.files["data.zip"] = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
    expected = hashlib.sha256(CONTENT).hexdigest()
    with pytest.raises(
        DataError, match=rf"its sha256 is [0-9a-f]{{64}}, {expected} is expected.*was removed"
    ):
        download(archive(server, size=size), tmp_path, reporter, QUICK)
    assert list(tmp_path.iterdir()) == []


def test_a_part_of_another_file_is_found_out(
    server: tls_server.Served, tmp_path: Path, reporter: Reporter
) -> None:
    (tmp_path / "data.zip.part").write_bytes(b"x" * 1000)
    with pytest.raises(DataError, match="was removed"):
        download(archive(server), tmp_path, reporter, QUICK)
    assert download(archive(server), tmp_path, reporter, QUICK).read_bytes() == CONTENT


def test_a_part_longer_than_the_file(server: tls_server.Served, tmp_path: Path, reporter: Reporter) -> None:
    for size in (True, False):
        (tmp_path / "data.zip.part").write_bytes(CONTENT + b"more")
        with pytest.raises(DataError, match="was removed"):
            download(archive(server, size=size), tmp_path, reporter, QUICK)


def test_every_pinned_digest_counts(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    right = ("sha1", hashlib.sha1(b"abc").hexdigest())
    for digests in (((*right,), ("md5", "0" * 32)), (("md5", "0" * 32), (*right,))):
        with pytest.raises(DataError, match="its md5 is 900150983cd24fb0d6963f7d28e17f72, 0000"):
            check_digests(tmp_path / "a", Archive("a", "p", "w", "https://x", digests))
    check_digests(tmp_path / "a", Archive("a", "p", "w", "https://x", (right,)))
    with pytest.raises(DataError, match="has 3 bytes: 4 are expected"):
        check_digests(tmp_path / "a", Archive("a", "p", "w", "https://x", (right,), size=4))


@pytest.mark.parametrize("status", [503, 429])
def test_a_server_that_is_busy_is_asked_again(
    server: tls_server.Served, tmp_path: Path, reporter: Reporter, status: int
) -> None:
    server.statuses = [status, status]
    assert download(archive(server), tmp_path, reporter, QUICK).read_bytes() == CONTENT


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_file_that_is_gone_is_not_asked_for_again(
    server: tls_server.Served, tmp_path: Path, reporter: Reporter, status: int
) -> None:
    server.statuses = [status] * 9
    with pytest.raises(MissingError, match=rf"answers {status} .*get data\.zip by hand from https://page"):
        download(archive(server), tmp_path, reporter, QUICK)
    assert len(server.asked) == 1


def test_a_stranger_with_a_certificate_of_his_own(
    server: tls_server.Served, tmp_path: Path, reporter: Reporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(MissingError, match="certificate cannot be verified"):
        download(archive(server), tmp_path, reporter, QUICK)
    assert server.asked == []


def test_nothing_without_tls(server: tls_server.Served, tmp_path: Path, reporter: Reporter) -> None:
    with pytest.raises(UsageError, match=r"http://localhost/x is not https"):
        open_url("http://localhost/x")
    server.redirect = "http://localhost:1/data.zip"
    with pytest.raises(UsageError, match="is not https"):
        download(archive(server), tmp_path, reporter, QUICK)
    with pytest.raises(ValueError, match="needs https and a pinned digest"):
        Archive("a", "p", "w", "http://x", (("md5", "0"),))
    with pytest.raises(ValueError, match="needs https and a pinned digest"):
        Archive("a", "p", "w", "https://x")
    with pytest.raises(ValueError, match="needs the reason why"):
        Archive("a", "p", "w")


def test_room_is_looked_at_first(server: tls_server.Served, tmp_path: Path, reporter: Reporter) -> None:
    free = shutil.disk_usage(tmp_path).free
    large = Archive("a.zip", "p", "w", f"{server.url}/a.zip", (("md5", "0" * 32),), size=2 * free)
    with pytest.raises(StoreError, match=r"a\.zip needs [\d,]+ MB, of which the disk has [\d,]+ MB free"):
        download(large, tmp_path, reporter, QUICK)
    assert server.asked == []


def test_a_folder_that_cannot_be_made(server: tls_server.Served, tmp_path: Path, reporter: Reporter) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be written"):
        download(archive(server), tmp_path / "file" / "below", reporter, QUICK)
