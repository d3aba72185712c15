"""A method's card in full: what its paper claims, how it was verified, its traps, and its FLOPs beside the official code's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, Final

from benchbed.method_card import MethodCard, OfficialFlops, Variant
from benchbed.registry import Chosen
from benchbed.report.table import Cell, Table, absent, significant, text, unique

COLUMNS: Final = (
    "variant",
    "image",
    "classes",
    "proposals",
    "ours GFLOPs",
    "official GFLOPs",
    "ours / official",
)
NOTE: Final = (
    "1 multiply-add = 2 FLOPs; one image, text left out; ours by benchbed's own counter "
    "(tests/parity/test_official_flops.py counts each anew)"
)


def method_tables(chosen: Chosen, variants: Iterable[Variant]) -> list[Table]:
    """Everything that a card says, then the variants.

    Args:
        chosen: the method.
        variants: those to be shown.
    """
    card, shown = chosen.method.card, list(variants)
    lists = (("claims", card.claims), ("verified", card.verified), ("traps", card.traps))
    tables = [
        _facts(chosen),
        *[_list(title, items) for title, items in lists if items],
        _variants(card.name, shown),
    ]
    flops = flops_table(card.name, shown)
    return [*tables, flops] if flops.rows else tables


def method_dict(chosen: Chosen, variants: Iterable[Variant]) -> dict[str, Any]:
    """The same as plain data."""
    return {
        "card": asdict(chosen.method.card),
        "from": f"{chosen.found.distribution}, {chosen.found.module}",
        "variants": [_variant_dict(each) for each in variants],
    }


def _variant_dict(variant: Variant) -> dict[str, Any]:
    names = ("name", "summary", "backbone", "clip", "proposals")
    return {
        **{name: getattr(variant, name) for name in names},
        "parameters": dict(zip(("total", "trainable"), variant.params or (None, None), strict=True)),
        "weights": None if variant.weights is None else variant.weights.file,
        "official_flops": [flops_dict(each) for each in variant.official_flops],
    }


def flops_dict(figure: OfficialFlops) -> dict[str, Any]:
    """A figure as plain data, with its ratio."""
    return {**asdict(figure), "size": list(figure.size), "ratio": figure.ratio}


def _facts(chosen: Chosen) -> Table:
    card = chosen.method.card
    rows = {
        "paper": f"{card.title} ({card.venue} {card.year}{f', arXiv {card.arxiv}' if card.arxiv else ''})",
        "family": card.family,
        "official code": f"licence: {card.code_licence}",
        "official weights": f"licence: {card.weights_licence}",
        "text": _text_words(card),
        "datasets": ", ".join(card.only_datasets) or "any vocabulary",
        "from": f"{chosen.found.distribution}, {chosen.found.module}",
    }
    return Table(card.name, ("", ""), tuple((text(key), text(value)) for key, value in rows.items()))


def _text_words(card: MethodCard) -> str:
    return (
        "the official evaluation encodes it anew for every image" if card.text_per_image else "encoded once"
    )


def _list(title: str, items: Iterable[str]) -> Table:
    return Table(
        title, ("", ""), tuple((text(str(place)), text(item)) for place, item in enumerate(items, 1))
    )


def _variants(method: str, shown: Iterable[Variant]) -> Table:
    rows = tuple(
        (
            text(f"{method}/{each.name}"),
            text(each.summary),
            text(f"{each.params[0] / 1e6:,.2f} / {each.params[1] / 1e6:,.2f}") if each.params else absent(),
            text(each.proposals) if each.proposals else absent(),
            text(each.weights.file) if each.weights else absent(),
        )
        for each in shown
    )
    return Table(
        "variants", ("variant", "what", "params M: all / trained", "proposals", "official file"), rows
    )


def flops_table(method: str, shown: Iterable[Variant]) -> Table:
    """A row a figure; the notes give sources and reasons."""
    figures = [(each, figure) for each in shown for figure in each.official_flops]
    rows = tuple(_flops_row(f"{method}/{each.name}", figure) for each, figure in figures)
    notes = [NOTE, *[_note(f"{method}/{each.name}", figure) for each, figure in figures]]
    return Table("FLOPs against the official code", COLUMNS, rows, unique(notes))


def _flops_row(label: str, figure: OfficialFlops) -> tuple[Cell, ...]:
    return (
        text(label),
        text(f"{figure.size[0]} x {figure.size[1]}"),
        text(figure.classes),
        text(figure.proposals) if figure.proposals else absent(),
        Cell(significant(figure.ours, 4), "measured"),
        Cell(significant(figure.official, 4), "published"),
        Cell(f"{figure.ratio:.3f}", "derived"),
    )


def _note(label: str, figure: OfficialFlops) -> str:
    why = f"; {figure.why}" if figure.why else ""
    product = "; with the label map's product" if figure.label_map else ""
    return f"{label}: official figure: {figure.source}{product}{why}"
