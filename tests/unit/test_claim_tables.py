"""Verdicts as tables and as lines of a plot."""

from __future__ import annotations

from example_cost import example_cost

from benchbed.claims.evidence import Evidence
from benchbed.claims.outcome import Verdict
from benchbed.claims.reading import named_claims
from benchbed.claims.verdict import decide
from benchbed.report.claim_points import claim_points
from benchbed.report.claim_tables import claim_tables
from benchbed.report.claim_tables import overview as overview_table
from benchbed.report.plots import claims_plot

LAWS = {
    "deop/r101c-vit-b16": (500.0, 0.0),
    "zegformer/r101": (500.0, 20.0),
    "simseg/r101c": (500.0, 14.5),
    "san/vit-b16": (300.0, 0.0),
}


def verdicts(*names: str) -> list[Verdict]:
    evidence = Evidence(costs=(example_cost(LAWS, noise=0.002),))
    return [each for claim in named_claims(names) for each in decide(claim, evidence)]


def test_the_overview_has_a_line_a_claim_and_details_follow() -> None:
    found = verdicts("deop-speed", "san-params", "zegformer-voc")
    overview, *details = claim_tables(found, details=True)
    assert [row[0].text for row in overview.rows] == ["deop-speed", "san-params", "zegformer-voc"]
    # 5.0 times and 3.9 times: the second is below 4, so that "two-stream methods" as a whole does not hold.
    assert [row[-1].text for row in overview.rows] == ["refuted", "undecided", "undecided"]
    titles = [table.title for table in details]
    assert titles[0] == "deop-speed: refuted on A Processor, 2 threads"
    assert titles[1] == "deop-speed: where the time goes, ms an image"
    words = " ".join(cell.text for row in details[0].rows for cell in row)
    assert "3.90 [" in words
    assert "4x is reached from 104 proposals up" in words
    assert "Table 1, VOC" in words
    assert "published" in details[0].notes[0]


def test_stages_stand_side_by_side_once_a_method() -> None:
    table = next(t for t in claim_tables(verdicts("deop-speed"), details=True) if "time goes" in t.title)
    assert [row[0].text for row in table.rows] == ["deop/r101c-vit-b16", "zegformer/r101", "simseg/r101c"]
    assert table.columns == ("method", "backbone", "clip_image", "sum")


def test_plots_get_a_line_for_each_measured_pair_by_unit() -> None:
    points = claim_points(verdicts("deop-speed", "san-speed", "san-params", "lseg-label-sets"))
    assert list(points) == ["x"]
    assert len(points["x"]) == 6
    first = points["x"][0]
    assert (first.claimed_low, first.claimed_high, first.decision) == (4.0, 7.0, "supported")
    assert first.low < first.value < first.high
    assert claims_plot(points["x"]) is not None


def test_one_opponent_that_comes_to_less_refutes_no_up_to() -> None:
    (verdict,) = verdicts("san-params")
    assert verdict.decision == "undecided"
    assert {each.decision for each in verdict.findings if each.measured} == {"refuted"}
    assert {each.decision for each in claim_points([verdict])["x"]} == {"undecided"}


def test_the_overview_tells_where_a_paper_contradicts_itself() -> None:
    """DeOP's Table 1: 4.37 over 1.11 images a second is 3.94 times, not 4 to 7; 6.55 over 2.66 is 2.46 times."""
    found = [
        each for claim in named_claims(["deop-speed", "deop-coco-hiou"]) for each in decide(claim, Evidence())
    ]
    notes = [note for note in overview_table(found).notes if "contradicts its sentence" in note]
    assert len(notes) == 2
    assert all(note.startswith("deop-speed: ") for note in notes)
    assert "3.94 x" in notes[0]
    assert "2.46 x" in notes[1]
