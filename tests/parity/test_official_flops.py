"""FLOPs of every full-size method against the official code's, as the cards state both, by the bench's own counter.

The official figures were measured on the official code or come from the dossiers (shared/reference/methods); each card says
which. `pytest tests/parity/test_official_flops.py --flops-table FILE` writes all of them as a table.
"""

from __future__ import annotations

import pytest
from official_flops import counted

from benchbed import registry
from benchbed.method_card import OfficialFlops, Variant
from benchbed.registry import METHOD_GROUP

NEAR = 0.01  # issue 5: within 1 %, or the card says why not
FIGURES = [
    (f"{found.name}/{variant.name}", variant, figure)
    for found in registry.every(METHOD_GROUP)
    if found.distribution.startswith("benchbed ")
    for variant in found.object.variants
    for figure in variant.official_flops
]
IDS = [f"{label} {figure.size[0]}x{figure.size[1]}, {figure.classes} classes" for label, _, figure in FIGURES]
# Crops of two-stream methods through the whole of CLIP's last block, as the official code sends them.
WHOLE = {"zegformer": {"whole_last_block": True}, "simseg": {"whole_last_block": True}}

SWITCHED = [each for each in FIGURES if each[0].partition("/")[0] in WHOLE]


def test_methods_with_an_official_figure_are_those_of_the_dossiers() -> None:
    assert {label.partition("/")[0] for label, _, _ in FIGURES} == {
        "san",
        "deop",
        "zegformer",
        "simseg",
        "lseg",
    }


@pytest.mark.parametrize(("label", "variant", "figure"), FIGURES, ids=IDS)
def test_the_card_s_figure_is_what_the_counter_counts(
    label: str, variant: Variant, figure: OfficialFlops
) -> None:
    assert counted(variant, figure) == pytest.approx(figure.ours, rel=1e-3), label


@pytest.mark.parametrize(("label", "variant", "figure"), FIGURES, ids=IDS)
def test_it_is_the_official_one_within_a_percent_or_the_card_says_why(
    label: str, variant: Variant, figure: OfficialFlops
) -> None:
    assert abs(figure.ratio - 1) <= NEAR or len(figure.why) > 40, label
    assert figure.source


@pytest.mark.parametrize(
    ("label", "variant", "figure"), SWITCHED, ids=[IDS[FIGURES.index(each)] for each in SWITCHED]
)
def test_with_what_is_left_out_computed_it_is_within_a_percent(
    label: str, variant: Variant, figure: OfficialFlops
) -> None:
    """The reason is the right one: with the dead branch that `why` names switched on, nothing of note is left.

    DeOP has no such switch: tests/unit/test_deop_counts.py holds its difference term by term.
    """
    assert counted(variant, figure, **WHOLE[label.partition("/")[0]]) == pytest.approx(
        figure.official, rel=NEAR
    )
