"""`benchbed list`: what there is, where it comes from, what it still needs. Imports no torch."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from benchbed import registry, weights
from benchbed.errors import BenchError, MissingError, UsageError
from benchbed.method_card import Method, OfficialFlops, Variant
from benchbed.registry import DATASET_GROUP, METHOD_GROUP, Chosen, Found

if TYPE_CHECKING:
    from benchbed.datasets.dataset import DatasetCard

KINDS: Final = ("methods", "datasets", "protocols", "flops")


def list_command(what: str, as_json: bool) -> None:
    """Print one kind of thing to stdout; entries that cannot be loaded are named on stderr and skipped.

    Raises:
        UsageError: `what` is none of the kinds.
    """
    if what not in KINDS:
        raise UsageError(registry.unknown("kind", what, KINDS).replace(" (benchbed list kinds)", ""))
    rows = {"methods": _methods, "datasets": _datasets, "protocols": _protocols, "flops": _flops}[what]()
    if as_json:
        print(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    for row in rows:
        print(_lines(row))


def _found(group: str) -> list[Found]:
    found = []
    for name in registry.names(group):
        try:
            found.append(registry.find(group, name))
        except BenchError as error:
            print(f"benchbed: {error}", file=sys.stderr)
    return found


def _methods() -> list[dict[str, Any]]:
    return [
        _method_row(found, variant.name)
        for found in _found(METHOD_GROUP)
        for variant in found.object.variants
    ]


def _method_row(found: Found, variant_name: str) -> dict[str, Any]:
    method: Method = found.object
    card = method.card
    chosen = registry.choose(f"{found.name}/{variant_name}")
    variant = chosen.variant
    paper = f"{card.title} ({card.venue} {card.year}{', arXiv ' + card.arxiv if card.arxiv else ''})"
    return {
        "name": chosen.label,
        "summary": variant.summary,
        "paper": paper,
        "family": card.family,
        "backbone": variant.backbone or None,
        "clip": variant.clip or None,
        "parameters": _parameters(variant),
        "from": f"{found.distribution}, {found.module}",
        "licence": f"official code {card.code_licence}, official weights {card.weights_licence}",
        "needs": _weights_needed(chosen),
    }


def _parameters(variant: Variant) -> dict[str, int] | None:
    """Total and trainable numbers as the card states them; None where it does not."""
    if variant.params is None:
        return None
    total, trainable = variant.params
    return {"total": total, "trainable": trainable}


def _weights_needed(chosen: Chosen) -> str:
    try:
        choice = weights.automatic(chosen)
    except MissingError as error:
        return str(error).removeprefix(f"{chosen.label}: ")
    if choice.kind == "random":
        return "nothing (no trained weights are shipped yet: random ones, accuracy means nothing)"
    return f"nothing ({choice.kind} weights: {choice.path})"


def _flops() -> list[dict[str, Any]]:
    """Every figure of official code beside ours."""
    return [
        _flops_row(f"{found.name}/{variant.name}", figure)
        for found in _found(METHOD_GROUP)
        for variant in found.object.variants
        for figure in variant.official_flops
    ]


def _flops_row(label: str, figure: OfficialFlops) -> dict[str, Any]:
    height, width = figure.size
    proposals = f", {figure.proposals} proposals" if figure.proposals else ""
    product = ", with the label map's product" if figure.label_map else ""
    return {
        "name": label,
        "summary": f"{height} x {width} pixels, {figure.classes} classes{proposals}, text left out{product}",
        "ours": f"{figure.ours:,.1f} GFLOPs",
        "official": f"{figure.official:,.1f} GFLOPs",
        "ratio": f"{figure.ratio:.3f}",
        "source": figure.source,
        "why": figure.why or "the same within 1 %",
    }


def _datasets() -> list[dict[str, Any]]:
    return [_dataset_row(found) for found in _found(DATASET_GROUP)]


def _dataset_row(found: Found) -> dict[str, Any]:
    card: DatasetCard = found.object
    seen = sum(card.seen)
    return {
        "name": card.name,
        "summary": card.title,
        "classes": f"{len(card.names)} ({f'{seen} seen, {len(card.names) - seen} unseen' if seen else 'no seen/unseen split'})",
        "images": f"{card.full_size:,} in {card.split}",
        "from": f"{found.distribution}, {found.module}",
        "rules": "; ".join(card.protocol_notes),
        "terms": card.terms,
        "needs": _data_needed(card),
    }


def _data_needed(card: DatasetCard) -> str:
    try:
        dataset = card.opened(None)
    except BenchError as error:
        return str(error)
    return f"nothing ({'made on the fly' if dataset.root is None else dataset.root}: {dataset.coverage()})"


def _protocols() -> list[dict[str, Any]]:
    from benchbed.protocol import SUMMARIES, Protocol, named

    card: DatasetCard = registry.find(DATASET_GROUP, "shapes").object
    rows = []
    for name, summary in SUMMARIES.items():
        protocol: Protocol = named(name, card, "fp32", threads=0, device="auto")
        fields = {
            key: value
            for key, value in asdict(protocol).items()
            if key not in ("name", "background", "threads", "device")
        }
        if name == "matched":
            fields["input"] = _matched_inputs()
        rows.append(
            {"name": name, "summary": summary, "from": "benchbed.protocol", "needs": "nothing", **fields}
        )
    return rows


def _matched_inputs() -> str:
    cards = [found.object for found in _found(DATASET_GROUP)]
    sides = ", ".join(f"{card.name} {card.matched_sides[0]} to {card.matched_sides[1]}" for card in cards)
    return f"the dataset's short and longest side in pixels, the same for all: {sides}"


def _lines(row: dict[str, Any]) -> str:
    rest = [f"    {key:<12} {_words(value)}" for key, value in row.items() if key not in ("name", "summary")]
    return "\n".join([f"{row['name']}: {row['summary']}", *rest])


def _words(value: Any) -> str:
    if value is None:
        return "not stated"
    if isinstance(value, dict):
        return ", ".join(f"{number:,} {name}" for name, number in value.items())
    return str(value)
