"""What the page is made of: groups, cells, pairs, pictures, claims."""

from __future__ import annotations

import base64
import io
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from example_record import example_record
from page_store import (
    METHODS,
    SEEN,
    made_record,
    measured,
    page_of,
    page_report,
)
from PIL import Image

from benchbed.claims.evidence import Evidence
from benchbed.claims.outcome import Measured
from benchbed.claims.reading import shipped_claims
from benchbed.claims.verdict import decide
from benchbed.metrics import METRICS, holm, paired_differences
from benchbed.report.figure_names import FIGURES
from benchbed.report.figures import Figure, accuracy_figures, slowdown_figure
from benchbed.report.page.claim_lines import claim_lines, lines_of
from benchbed.report.page.columns import ACCURACY, COST, HOW
from benchbed.report.page.pairs import MOST_PAIRS, candidates, pairs, rows_for_pairs
from benchbed.report.page.row_data import cell
from benchbed.report.page.scenes import IGNORED, label_picture, within
from benchbed.report.page.shared import Shared


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The data of the small store's page."""
    return page_of(tmp_path_factory.mktemp("page"))


def test_a_cell_is_the_figure_as_every_table_writes_it() -> None:
    shown = cell(Figure(34.06, 31.94, 37.6, "ms"), "latency", "best")
    assert shown == ["34.1", "[31.9, 37.6]", 34.06, 31.94, 37.6, "measured", 1]
    shown = cell(Figure(29.3, math.nan, math.nan, "images/s", "derived"), "throughput", "")
    assert shown == ["~29.30", "", 29.3, None, None, "derived", 0]
    assert cell(Figure(86.4, math.nan, math.nan, "%", "published"), "seen_miou", "")[0] == "86.4†"


def test_every_figure_has_a_column_a_view_and_words() -> None:
    assert set(ACCURACY) == set(METRICS)
    assert set(ACCURACY) | set(COST) == set(FIGURES) == set(HOW)


def test_rows_hold_what_the_records_give(store: dict[str, Any]) -> None:
    rows = {row["id"]: row for row in measured(store)}
    for seed, made in enumerate(METHODS):
        record, _ = made_record(made, seed)
        row = rows[record.id]
        for name, figure in accuracy_figures(record).items():
            assert row["cells"][name][2:5] == pytest.approx([figure.value, figure.low, figure.high], rel=1e-5)
        assert (row["label"], row["random"], row["ranked"]) == (made.label, made.random, not made.random)
        provenance = store["records"][row["record"]]
        assert provenance["record"]["id"] == record.id
        assert provenance["weights"]["sha256"] == record.method["weights"]["sha256"]
        assert store["protocols"][provenance["protocol"]]["fingerprint"] == record.protocol["fingerprint"]


def test_published_rows_say_what_tells_them_apart(store: dict[str, Any]) -> None:
    quoted = [row for row in store["rows"] if row["record"] is None]
    assert quoted
    assert all(row["source"] and row["sort"] == "published" and not row["ranked"] for row in quoted)
    assert any("CLIP" in row["weights"] for row in quoted)
    assert {line[5] for row in quoted for line in row["cells"].values()} == {"published"}


def test_ranks_stay_within_protocols_and_leave_random_weights_out(store: dict[str, Any]) -> None:
    for place in (0, 1):
        ranks = {row["label"]: row["cells"]["hiou"][6] for row in store["rows"] if row["group"] == place}
        assert (ranks["san/vit-b16"], ranks["deop/r101c-vit-b16"], ranks["zegformer/r101"]) == (1, 2, 0)
        assert ranks.get("maskclip/vit-b16", 0) == 0


def test_groups_name_the_field_that_parts_them(store: dict[str, Any]) -> None:
    first, second = store["groups"][:2]
    assert (first["protocol"], second["protocol"]) == ("paper", "matched")
    assert "input: as published / short side 640" in first["apart"][0]
    assert "input: short side 640 / as published" in second["apart"][0]


def test_pairs_are_the_paired_differences_of_the_bench(store: dict[str, Any]) -> None:
    (one, _), (other, _) = made_record(METHODS[0], 0), made_record(METHODS[3], 3)
    assert one.counts is not None
    assert other.counts is not None
    places = {row["id"]: place for place, row in enumerate(store["rows"])}
    first, second = sorted((places[one.id], places[other.id]))
    sign = 1 if places[one.id] == first else -1
    found = store["pairs"][f"{first}-{second}"]
    for name, expected in paired_differences(one.counts, other.counts, np.array(SEEN), "union").items():
        if name not in store["compared"]:
            continue
        value, low, high, p, corrected = found["differences"][name]
        ends = sorted((100 * expected.interval.low, 100 * expected.interval.high), reverse=sign < 0)
        assert [sign * value, sign * low, sign * high] == pytest.approx(
            [100 * expected.value, *ends], abs=1e-4
        )
        assert p == pytest.approx(expected.p_value, abs=1e-4)
        assert corrected >= p
    slow = other if sum(other.cost["latency"]["total_ms"]) > sum(one.cost["latency"]["total_ms"]) else one
    ratio = slowdown_figure(slow, one if slow is other else other)
    assert ratio is not None
    assert found["slower"] == places[slow.id]
    assert found["ratio"] == f"~{ratio.value:.2f} [{ratio.low:.2f}, {ratio.high:.2f}]"


def test_p_values_are_corrected_over_the_group(store: dict[str, Any]) -> None:
    inside = [place for place, row in enumerate(store["rows"]) if row["group"] == 0]
    keys = [key for key in store["pairs"] if int(key.split("-")[0]) in inside]
    assert len(keys) == len(METHODS) * (len(METHODS) - 1) // 2
    plain = {key: store["pairs"][key]["differences"]["hiou"][3] for key in keys}
    corrected = {key: store["pairs"][key]["differences"]["hiou"][4] for key in keys}
    assert corrected == pytest.approx(holm(plain), abs=1e-3)


def test_no_pair_crosses_two_groups(store: dict[str, Any]) -> None:
    groups = [row["group"] for row in store["rows"]]
    for key in store["pairs"]:
        first, second = map(int, key.split("-"))
        assert groups[first] == groups[second]
        assert first < second


def test_of_too_many_rows_the_ranked_and_newest_are_paired(tmp_path: Path) -> None:
    records = [example_record(f"m{i}/a", seed=i % 50) for i in range(12)]
    report = page_report(tmp_path, records)
    report_rows = list(enumerate(report.rows))
    chosen = candidates([(place, replace(row, random=row.label != "m7/a")) for place, row in report_rows], 5)
    assert len(chosen) == 5
    assert "m7/a" in {each.row.label for each in chosen}
    assert [each.place for each in chosen] == sorted(each.place for each in chosen)


@pytest.mark.parametrize("sizes", [[], [1], [30], [60], [50] * 20, [5, 5, 300], [2] * 700])
def test_all_groups_share_the_room_for_pairs(sizes: list[int]) -> None:
    rows = rows_for_pairs(sizes)
    used, more = (sum(math.comb(min(size, each), 2) for size in sizes) for each in (rows, rows + 1))
    assert used <= MOST_PAIRS
    assert more > MOST_PAIRS or rows >= max(sizes, default=0)


def test_rows_with_other_images_are_left_out_of_the_pairs(tmp_path: Path) -> None:
    whole, shorter = example_record("a/b"), example_record("c/d", seed=1)
    assert shorter.counts is not None
    cut = example_record("c/d", seed=1, counts=shorter.counts.select(shorter.counts.image_ids[:3]))
    report = page_report(tmp_path, [whole, cut])
    assert pairs(candidates(list(enumerate(report.rows)), 9)) == {}


def test_kept_predictions_become_scenes(store: dict[str, Any]) -> None:
    assert store["scenes"]
    for scene in store["scenes"]:
        assert len(scene["predictions"]) == len(METHODS)
        sizes = {
            picture(address).size
            for address in (scene["photo"], scene["truth"], *scene["predictions"].values())
        }
        assert len(sizes) == 1
        assert all(0 <= share <= 1 for share in scene["right"].values())


def picture(address: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))


@pytest.mark.parametrize("classes", [3, 300, 900])
def test_label_pictures_hold_every_class(classes: int) -> None:
    draw = np.random.default_rng(classes)
    labels = draw.integers(0, classes, (30, 40))
    labels[:3] = IGNORED
    read = np.asarray(picture(label_picture(labels)).convert("RGB")).astype(int)
    assert np.array_equal(read[..., 0] + 256 * read[..., 1], labels)


def test_pictures_stop_at_the_budget_but_no_group_goes_without() -> None:
    scenes = [
        {"group": group, "photo": "x" * 1000, "truth": "", "predictions": {}, "id": f"{group}{i}"}
        for group in (0, 1)
        for i in range(3)
    ]
    kept = [scene["id"] for scene in within(scenes, 3700)]
    assert kept == ["00", "01", "10"]
    assert within(scenes, 0) == []


def test_what_rows_share_is_kept_once() -> None:
    shared = Shared()
    assert [shared.place(each) for each in ({"a": 1, "b": 2}, "x", {"b": 2, "a": 1}, "x")] == [0, 1, 0, 1]
    assert shared.items == [{"a": 1, "b": 2}, "x"]


def test_claims_are_judged_by_what_lies_in_the_stores(tmp_path: Path) -> None:
    found = claim_lines(page_report(tmp_path, [example_record()]))
    assert len(found.lines) + found.without >= len(shipped_claims())
    for line in found.lines:
        assert set(line) == set(CLAIM_KEYS)
        assert line["measuredSpan"] != [None, None]


def test_decided_claims_come_first_and_unmeasured_ones_are_counted() -> None:
    verdicts = [verdict for claim in shipped_claims() for verdict in decide(claim, Evidence())]
    pair = Measured(2.0, 1.9, 2.1, "here", ("r1",))
    first = [replace(each, findings=(replace(each.findings[0], measured=pair),)) for each in verdicts[:2]]
    mixed = [replace(first[0], decision="undecided"), replace(first[1], decision="supported"), *verdicts[2:]]
    unmeasured = sum(each.span is None for each in mixed)
    lines = lines_of(mixed)
    assert lines.without == unmeasured
    kinds = [line["verdict"] for line in lines.lines]
    assert kinds == sorted(kinds, key=lambda kind: kind == "undecided")
    assert lines.lines[0]["name"] == verdicts[1].claim.name
    assert lines.lines[0]["measuredSpan"] == [1.9, 2.1]


CLAIM_KEYS = (
    "name",
    "sentence",
    "source",
    "claimed",
    "claimedSpan",
    "measured",
    "measuredSpan",
    "verdict",
    "reason",
    "conditions",
    "records",
)
