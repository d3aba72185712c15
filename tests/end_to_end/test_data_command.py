"""`benchbed data get`: a dataset got from a TLS server, converted, found; and what a person is told."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import signal
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from threading import Event

import pytest
import tls_server
from pair_files import write_pairs

from benchbed import registry
from benchbed.cli import run_cli
from benchbed.datasets import ade20k_150
from benchbed.datasets.archive import Archive
from benchbed.datasets.dataset import DatasetCard
from benchbed.download import transfer
from benchbed.errors import EXIT_DONE, EXIT_INTERRUPTED, EXIT_MISSING, EXIT_PARTIAL, EXIT_USAGE

IDS = ("ADE_val_00000001", "ADE_val_00000002", "ADE_val_00000003")
Arrange = Callable[..., DatasetCard]


@pytest.fixture
def server(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tls_server.Served]:
    monkeypatch.setattr(transfer.download, "__defaults__", ((0.01, 0.01),))
    monkeypatch.delenv("BENCHBED_DATA", raising=False)
    with tls_server.serving(tmp_path_factory.mktemp("tls")) as served:
        monkeypatch.setenv("SSL_CERT_FILE", str(served.certificate))
        yield served


def zipped(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, each in files.items():
            archive.writestr(name, each)
    return content.getvalue()


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def few(server: tls_server.Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DatasetCard:
    """A registered dataset `few`, read as ADE20K-150, in two archives on the server."""
    origin = tmp_path / "origin"
    write_pairs(origin / "images/validation", origin / "annotations/validation", IDS, range(151))
    files = contents(origin)
    parts = {
        "photos.zip": {name: each for name, each in files.items() if name.startswith("images")},
        "labels.zip": {name: each for name, each in files.items() if name.startswith("annotations")},
    }
    archives = []
    for name, part in parts.items():
        server.files[name] = zipped(part)
        digest = hashlib.sha256(server.files[name]).hexdigest()
        archives.append(Archive(name, "https://page", name, f"{server.url}/{name}", (("sha256", digest),)))
    return arrange(monkeypatch, archives=tuple(archives), home="ade20k-150")


def arrange(monkeypatch: pytest.MonkeyPatch, **changes: object) -> DatasetCard:
    """Register a dataset `few` beside the others."""
    card = replace(ade20k_150.DATASET, name="few", **changes)  # type: ignore[arg-type]
    monkeypatch.setattr(ade20k_150, "FEW", card, raising=False)
    point = EntryPoint("few", "benchbed.datasets.ade20k_150:FEW", registry.DATASET_GROUP)
    known = registry.entry_points
    monkeypatch.setattr(
        registry,
        "entry_points",
        lambda group: [*known(group=group), *([point] if group == registry.DATASET_GROUP else [])],
    )
    return card


def test_get_find_check_and_get_again(
    few: DatasetCard, server: tls_server.Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "here"
    assert run_cli(["data", "get", "few", "--to", str(folder)]) == EXIT_DONE
    out, err = capsys.readouterr()
    assert out == f"{folder}\n"
    assert "few: 3 of 2,000 images" in err
    assert sorted(path.name for path in (folder / "downloads").iterdir()) == [
        "labels.zip.unpacked",
        "photos.zip.unpacked",
    ]
    assert run_cli(["data", "where", "few", "--data-root", str(folder)]) == EXIT_DONE
    assert run_cli(["data", "check", "few", "--data-root", str(folder)]) == EXIT_DONE
    assert (
        capsys.readouterr()
        .out.splitlines()[-1]
        .startswith("few: 3 of 2,000 images, all good; every class has pixels")
    )
    assert run_cli(["data", "get", "few", "--to", str(folder)]) == EXIT_DONE
    assert len(server.asked) == 2  # the second time nothing is asked for


def test_files_removed_after_they_were_got(
    few: DatasetCard, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["data", "get", "few", "--to", str(tmp_path / "here")]
    assert run_cli(command) == EXIT_DONE
    (tmp_path / "here/annotations/validation" / f"{IDS[1]}.png").unlink()
    assert run_cli(command) == EXIT_MISSING
    message = capsys.readouterr().err
    assert f"{IDS[1]} has no label map" in message
    assert f"remove {tmp_path}/here/downloads to have all of it anew" in message
    shutil.rmtree(tmp_path / "here/downloads")
    assert run_cli(command) == EXIT_DONE


def test_its_folder_of_the_environment(
    few: DatasetCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BENCHBED_DATA", str(tmp_path / "all"))
    assert run_cli(["data", "where", "few"]) == EXIT_MISSING
    assert run_cli(["data", "get", "few", "--keep"]) == EXIT_DONE
    assert (tmp_path / "all/ade20k-150/downloads/photos.zip").is_file()
    assert capsys.readouterr().out == f"{tmp_path}/all/ade20k-150\n"
    assert run_cli(["data", "list"]) == EXIT_DONE
    lines = capsys.readouterr().out.splitlines()
    assert f"few: 150 classes, 2,000 images; here: {tmp_path}/all/ade20k-150, 3 of 2,000 images" in lines
    assert "voc: 20 classes, 1,449 images; not here, can be got" in lines
    assert "coco-stuff: 171 classes, 5,000 images; not here, a part to be got by hand" in lines


def test_the_network_goes_in_the_middle_and_comes_back(
    few: DatasetCard, server: tls_server.Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["data", "get", "few", "--to", str(tmp_path / "here")]
    server.cut_after = [500, 0, 0, 0]
    assert run_cli(command) == EXIT_MISSING
    assert "500 bytes are kept in" in capsys.readouterr().err
    server.cut_after, server.asked = [], []
    assert run_cli(command) == EXIT_DONE
    assert server.asked[0] == ("/photos.zip", "bytes=500-")


@pytest.fixture
def heard() -> Iterator[None]:
    """Ctrl-C is heard, also where the tests were started in the background, whose SIGINT a shell ignores."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heard")
def test_ctrl_c_in_the_middle_of_a_download(
    few: DatasetCard, server: tls_server.Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """SIGINT while the client waits for the rest of a file, as a terminal sends it."""
    command = ["data", "get", "few", "--to", str(tmp_path / "here")]

    def interrupt() -> None:
        kept = tmp_path / "here/downloads/photos.zip.part"
        while not (kept.exists() and kept.stat().st_size == 700):
            Event().wait(0.01)
        os.kill(os.getpid(), signal.SIGINT)
        asked.wait(30)

    asked, server.when_cut, server.cut_after = Event(), interrupt, [700]
    assert run_cli(command) == EXIT_INTERRUPTED
    asked.set()
    message = capsys.readouterr().err.splitlines()[-1]
    assert message == "benchbed: interrupted; what came is kept: run the same command to go on"
    server.asked = []
    assert run_cli(command) == EXIT_DONE
    assert server.asked[0] == ("/photos.zip", "bytes=700-")


def test_a_changed_file_on_the_server(
    few: DatasetCard, server: tls_server.Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.files["labels.zip"] = zipped({"annotations/validation/x.png": b"evil"})
    assert run_cli(["data", "get", "few", "--to", str(tmp_path / "here")]) == EXIT_MISSING
    assert "is not the published file: its sha256 is" in capsys.readouterr().err
    assert not (tmp_path / "here/annotations").exists()


def test_archives_got_already(
    few: DatasetCard, server: tls_server.Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / "Downloads"
    mine.mkdir()
    (mine / "photos.zip").write_bytes(server.files["photos.zip"])
    (mine / "labels.zip").write_bytes(server.files["photos.zip"])
    command = ["data", "get", "few", "--from", str(mine), "--to", str(tmp_path / "here")]
    assert run_cli(command) == EXIT_MISSING  # a file of the right name is not believed for its name
    assert "labels.zip is not the published file" in capsys.readouterr().err
    (mine / "labels.zip").write_bytes(server.files["labels.zip"])
    assert run_cli(command) == EXIT_DONE
    assert server.asked == []
    assert sorted(path.name for path in mine.iterdir()) == [
        "labels.zip",
        "photos.zip",
    ]  # a person's files stay


def test_what_must_be_got_by_hand(
    server: tls_server.Served,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    origin = tmp_path / "origin"
    write_pairs(origin / "images/validation", origin / "annotations/validation", IDS, range(151))
    server.files["photos.zip"] = zipped({f"images/validation/{n}.jpg": b"" for n in IDS})
    digest = hashlib.sha256(server.files["photos.zip"]).hexdigest()
    photos = Archive(
        "photos.zip", "https://page", "photos", f"{server.url}/photos.zip", (("sha256", digest),)
    )
    labels = Archive(
        "labels.tar", "https://asked.for", "labels", why_by_hand="it is secret", holds="annotations/*/*.png"
    )
    arrange(monkeypatch, archives=(photos, labels))
    command = ["data", "get", "few", "--to", str(tmp_path / "here")]
    assert run_cli(command) == EXIT_MISSING
    message = capsys.readouterr().err
    assert "labels.tar (size not known) from https://asked.for: it is secret" in message
    assert server.asked == []  # gigabytes are not fetched for nothing
    with tarfile.open(tmp_path / "labels.tar", "w") as archive:
        archive.add(origin / "annotations", "annotations")
    assert run_cli([*command, "--from", str(tmp_path)]) == EXIT_DONE
    assert "no checksum of it is known" in capsys.readouterr().err


def test_unpacked_by_hand_already(
    server: tls_server.Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pairs(tmp_path / "images/validation", tmp_path / "annotations/validation", IDS, range(151))
    labels = Archive(
        "all.zip", "https://asked.for", "all", why_by_hand="secret", holds="annotations/**/*.png"
    )
    arrange(monkeypatch, archives=(labels,))
    assert run_cli(["data", "get", "few", "--to", str(tmp_path)]) == EXIT_DONE


def test_an_archive_that_points_outside(
    few: DatasetCard,
    server: tls_server.Served,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server.files["evil.zip"] = zipped({"images/a.jpg": b"", "../../outside": b"evil"})
    digest = hashlib.sha256(server.files["evil.zip"]).hexdigest()
    evil = Archive("evil.zip", "https://page", "things", f"{server.url}/evil.zip", (("sha256", digest),))
    arrange(monkeypatch, archives=(evil,))
    monkeypatch.setattr(registry, "find", lambda group, name: registry.Found(name, ade20k_150.FEW, "", ""))  # type: ignore[attr-defined]
    assert run_cli(["data", "get", "few", "--to", str(tmp_path / "deep/here")]) == EXIT_MISSING
    assert "'../../outside', which points outside the folder: refused" in capsys.readouterr().err
    assert not list(tmp_path.rglob("outside"))
    assert not (tmp_path / "deep/here/images").exists()


def test_no_room(
    few: DatasetCard,
    server: tls_server.Served,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from types import SimpleNamespace

    monkeypatch.setattr("benchbed.download.room.shutil.disk_usage", lambda place: SimpleNamespace(free=1000))
    assert run_cli(["data", "get", "few", "--to", str(tmp_path / "here")]) == EXIT_PARTIAL
    assert "the disk has 0 MB free" in capsys.readouterr().err
    assert server.asked == []


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        (["data", "get", "shapes", "--to", "x"], EXIT_USAGE, "there is nothing to get"),
        (["data", "get", "voc"], EXIT_USAGE, "where to? pass --to DIR"),
        (["data", "get", "vco", "--to", "x"], EXIT_USAGE, "did you mean"),
        (
            ["data", "get", "voc", "--to", "x", "--split", "test"],
            EXIT_USAGE,
            "expected one of val, train, all",
        ),
        (["data", "get", "voc", "--to", "x", "--from", "nowhere"], EXIT_USAGE, "--from nowhere is no folder"),
        (["data", "check", "voc"], EXIT_MISSING, "no --data-root was given"),
        (["data", "check", "ade20k-150", "--split", "train"], EXIT_USAGE, "ade20k-150 has val alone"),
        (["data", "where", "coco-stuff"], EXIT_MISSING, "get val2017.zip"),
        (["data", "check", "mine.toml"], EXIT_MISSING, "cannot be read"),
        (["data", "fetch"], EXIT_USAGE, "No such command 'fetch'"),
    ],
)
def test_slips(
    command: list[str],
    code: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("BENCHBED_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    assert run_cli(command) == code
    out, err = capsys.readouterr()
    assert message in err
    assert (out, err.count("\n")) == ("", 1)
    assert list(tmp_path.iterdir()) == []
