"""One archive onto the disk: resumed where it broke off, retried while the network comes and goes, then verified."""

from __future__ import annotations

import http.client
import os
import ssl
import threading
import urllib.error
from pathlib import Path
from typing import Any, Final

from benchbed.datasets.archive import Archive
from benchbed.download.digests import check_digests
from benchbed.download.room import check_room
from benchbed.download.tls import open_url
from benchbed.errors import DataError, MissingError, StoreError
from benchbed.progress import Reporter, Tick

MIB: Final = 1 << 20
_BLOCK: Final = 1 << 18
# Seconds between tries; a try that brought bytes starts the row again.
WAITS_S: Final = (1.0, 2.0, 4.0, 8.0)
_GONE: Final = (OSError, http.client.HTTPException)
# Request Timeout, Too Many Requests, and what a server says that is down for a while (RFC 9110, RFC 6585).
_TRY_AGAIN: Final = {408, 429, 500, 502, 503, 504}


def download(archive: Archive, folder: Path, reporter: Reporter, waits: tuple[float, ...] = WAITS_S) -> Path:
    """Bring an archive into `folder`; returns its path.

    Bytes are kept in `FILE.part`, from whose end the next call goes on; the file gets its name once its digests agree.

    Args:
        archive: with an address and digests.
        folder: made if it is not there.
        reporter: hears of progress.
        waits: seconds between tries.

    Raises:
        MissingError: the network or the server is gone; what came stays for the next call.
        DataError: the digests differ; the file is removed.
        StoreError: the folder cannot be written, or the disk is full; what came stays.
    """
    target, part = folder / archive.file, folder / f"{archive.file}.part"
    if target.is_file():
        check_digests(target, archive)
        return target
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held = part.stat().st_size if part.is_file() else 0
    except OSError as error:
        raise _unwritable(folder, error) from error
    check_room(folder, max(archive.bytes - held, 0), archive.file)
    _all_of_it(archive, part, reporter, waits)
    try:
        check_digests(part, archive)
    except DataError as error:
        part.unlink()
        raise DataError(f"{archive.url}: {error}; the download was removed") from error
    os.replace(part, target)
    return target


def _all_of_it(archive: Archive, part: Path, reporter: Reporter, waits: tuple[float, ...]) -> None:
    tries = 0
    while True:
        before = part.stat().st_size if part.is_file() else 0
        try:
            if _some_of_it(archive, part, reporter):
                return
            reason = "the server closed the connection"
        except urllib.error.HTTPError as error:
            if error.code not in _TRY_AGAIN:
                raise MissingError(
                    f"{archive.url}: the server answers {error.code} {error.reason}; get {archive.file} by hand from "
                    f"{archive.page} and pass its folder as --from"
                ) from error
            reason = f"the server answers {error.code} {error.reason}"
        except _GONE as error:
            cause = getattr(error, "reason", error)
            reason = str(cause) or type(error).__name__
            if isinstance(cause, ssl.SSLCertVerificationError):
                raise MissingError(
                    f"{archive.url}: its certificate cannot be verified ({reason}); nothing was taken from there; get "
                    f"{archive.file} by hand from {archive.page} and pass its folder as --from"
                ) from error
        held = part.stat().st_size if part.is_file() else 0
        tries = 0 if held > before else tries
        if tries == len(waits):
            raise MissingError(
                f"{archive.url}: {reason}, {len(waits) + 1} times in a row; {held:,} bytes are kept in {part}: run the same "
                "command to go on"
            )
        reporter.note(f"{archive.file}: {reason}; trying again in {waits[tries]:g} s, from byte {held:,}")
        threading.Event().wait(waits[tries])
        tries += 1


def _some_of_it(archive: Archive, part: Path, reporter: Reporter) -> bool:
    """Append what one connection brings; whether that was the rest of the file."""
    held = part.stat().st_size if part.is_file() else 0
    if archive.size is not None and held >= archive.size:
        return True
    try:
        response = open_url(archive.url, held)
    except urllib.error.HTTPError as error:
        # 416: there is nothing after the last byte held, so the file is whole, or another one, which its digest will tell.
        if error.code == 416 and held:
            return True
        raise
    with response:
        resumed = response.headers.get("Content-Range", "").startswith(f"bytes {held}-")
        start = held if response.status == 206 and resumed else 0
        length = response.headers.get("Content-Length")
        total = start + int(length) if length else archive.bytes
        with reporter.task(f"{archive.file} (MiB)", max(total // MIB, 1), start // MIB) as tick:
            end = _append(response, part, start, tick)
    return end >= total if length else True


def _append(response: Any, part: Path, start: int, tick: Tick) -> int:
    """Write the response from byte `start` of the part on; returns where it ends."""
    end = start
    try:
        file = part.open("r+b" if start else "wb")
    except OSError as error:
        raise _unwritable(part, error) from error
    with file:
        file.truncate(start)
        file.seek(start)
        while block := response.read1(_BLOCK):  # what is there: a kill or Ctrl-C then finds it in the file
            try:
                file.write(block)
                file.flush()
            except OSError as error:
                raise _unwritable(part, error) from error
            end += len(block)
            tick(end // MIB)
    return end


def _unwritable(path: Path, error: OSError) -> StoreError:
    return StoreError(
        f"{path} cannot be written: {error.strerror}; free space or pass another folder as --to, then run the same command"
    )
