"""Published numbers: what ships is read whole, copies merge, names become the bench's own, damage is named."""

from __future__ import annotations

import csv
import math
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

import benchbed
from benchbed.errors import StoreError, UsageError
from benchbed.method_card import Method, MethodCard
from benchbed.registry import Found
from benchbed.report.published import (
    GROUP,
    HEADER,
    Published,
    _methods,
    merged,
    published,
    read_published,
)
from benchbed.report.published_rows import published_rows
from benchbed.report.same_variant import same_variant

FOLDER = Path(benchbed.__file__).parent / "data" / "published"


def lines(tmp_path: Path, *rows: str) -> list[Published]:
    """Entries of a file with these lines."""
    path = tmp_path / "p.csv"
    path.write_text("\n".join([",".join(HEADER), *rows]) + "\n")
    return list(read_published(path))


def test_every_line_that_ships_is_in_exactly_one_entry() -> None:
    there = {
        f"{path.name}:{number}"
        for path in FOLDER.glob("*.csv")
        for number, _ in enumerate(csv.reader(path.read_text().splitlines()), 1)
        if number > 1
    }
    found = [line for entry in published() for line in entry.lines]
    assert sorted(found) == sorted(there)
    assert len(there) > 500
    assert all(entry.source for entry in published())


def test_two_copies_of_one_number_merge_and_different_numbers_do_not(tmp_path: Path) -> None:
    found = lines(
        tmp_path,
        'SimSeg,2022,ECCV,VOC seen 15,"VOC2012 20 (15/5, no background)",R101c,ViT-B/16,hIoU,77.5,Table 1',
        "SimBaseline,2022,ECCV,VOC-15,VOC-20 (15/5),-,-,hIoU,77.5,a picture",
        "SimSeg,2022,ECCV,VOC-15,VOC-20 (15/5),R-50,-,hIoU,77.5,another",
        "SimSeg,2022,ECCV,VOC-15,VOC-20 (15/5),-,-,hIoU,70.0,a user",
    )
    first, *others = merged(found)
    assert (first.method, first.ours, first.dataset, first.setting) == ("SimSeg", "simseg", "voc", "zs3")
    assert (first.backbone, first.clip, first.metric) == ("R101c", "ViT-B/16", "hiou")
    assert first.source == "Table 1; also a picture"
    assert first.lines == ("p.csv:2", "p.csv:3")
    assert [entry.source for entry in others] == ["another", "a user"]


def a_plugin(monkeypatch: pytest.MonkeyPatch, card: MethodCard) -> None:
    """The only installed method is this one."""
    found = Found(card.name, Method(card, ()), "theirs 1", "theirs:METHOD")
    monkeypatch.setattr("benchbed.report.published.names", lambda group: [card.name])
    monkeypatch.setattr("benchbed.report.published.find", lambda group, name: found)
    _methods.cache_clear()
    monkeypatch.setattr("benchbed.report.published._methods", _methods.__wrapped__)


def test_a_plugins_card_tells_which_published_numbers_are_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = MethodCard("theirs", "T", "V", 2026, "", "pixel", "", "", published_as=("TheirNet", "TN"))
    a_plugin(monkeypatch, card)
    found = lines(
        tmp_path, "TN (a rerun),,,,VOC-20,,,mIoU,1,s", "TheirNet,,,,,,,mIoU,2,s", "SAN,,,,,,,mIoU,3,s"
    )
    assert [(entry.method, entry.ours) for entry in found] == [
        ("TheirNet (a rerun)", "theirs"),
        ("TheirNet", "theirs"),
        ("SAN", ""),
    ]


def test_a_method_that_cannot_be_loaded_does_not_stop_a_report(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(group: str, name: str) -> Found:
        raise UsageError("method 'san' cannot be loaded")

    monkeypatch.setattr("benchbed.report.published.find", broken)
    assert _methods.__wrapped__() == {}


def test_published_numbers_of_another_distribution_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "their_numbers"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "n.csv").write_text(",".join(HEADER) + "\nTheirNet,2026,,,VOC-20,,,mIoU,77.7,their paper\n")
    monkeypatch.syspath_prepend(tmp_path)
    points = [EntryPoint("theirs", "their_numbers", GROUP)]
    monkeypatch.setattr("benchbed.report.published.entry_points", lambda group: points)
    assert published.__wrapped__()[-1].source == "their paper"
    assert len(published.__wrapped__()) == len(published()) + 1
    points[:] = [EntryPoint("theirs", "no_such_package_at_all", GROUP)]
    with pytest.raises(
        UsageError, match="published numbers of theirs: no_such_package_at_all cannot be imported"
    ):
        published.__wrapped__()


def test_a_value_that_is_no_number_keeps_its_words(tmp_path: Path) -> None:
    (entry,) = lines(
        tmp_path, "DeOP,2023,ICCV,,,R101c,ViT-B/16,claimed_speedup_vs_two_stream,4 to 7x,abstract"
    )
    assert math.isnan(entry.value)
    assert entry.text == "4 to 7x"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("method,value\n", "columns method, value; expected method, year"),
        (",".join(HEADER) + "\na,b\n", r"p.csv, line 2: 2 columns, expected 10; quote commas"),
        ("", "columns none"),
    ],
)
def test_damage_is_named(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "p.csv").write_text(content)
    with pytest.raises(StoreError, match=said):
        list(read_published(tmp_path / "p.csv"))


def test_the_two_rules_of_pc459_stand_apart() -> None:
    rows = published_rows(published(), "all classes")
    (san,) = [
        row
        for row in rows
        if row.label == "SAN" and row.dataset == "pascal-context-459" and "B/16" in row.provenance.weights
    ]
    values = {rule: san.figure("miou", rule) for rule in ("union", "ground-truth-only", "")}
    assert {rule: figure.value for rule, figure in values.items() if figure} == {
        "union": 12.56,
        "ground-truth-only": 16.7053,
        "": 12.6,
    }


@pytest.mark.parametrize(
    ("label", "backbone", "clip", "same"),
    [
        ("san/vit-b16", "side ViT 240x8", "ViT-B/16", True),
        ("san/vit-l14", "side ViT 240x8", "ViT-L/14-336", True),
        ("san/vit-b16", "side ViT 240x8", "ViT-L/14-336", False),
        ("deop/r101c-vit-b16", "R-101c", "ViT-B/16", True),
        ("zegformer/r101", "R101", "ViT-B/16", True),
        ("zegformer/r101", "R50", "ViT-B/16", False),
        ("simseg/r101c", "R101", "ViT-B/16", False),
        ("lseg/vitl16", "ViT-L/16", "ViT-B/32 text", True),
        ("lseg/vitb32", "ViT-L/16", "ViT-B/32 text", False),
        ("lseg/rn101", "ResNet-101", "ViT-B/32 text", True),
        ("maskclip/vit-b16", "", "RN50x16", False),
        ("spnet/small", "R101", "", True),
        ("spnet/r101", "", "", True),
    ],
)
def test_a_variant_is_told_by_the_networks_it_names(label: str, backbone: str, clip: str, same: bool) -> None:
    entry = Published("", "", "", "", "", "", "other", backbone, clip, "miou", "", 1.0, "1", "s", ())
    assert same_variant(label, entry) is same
