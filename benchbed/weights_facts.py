"""What a record says of the weights it was measured with: which they are, and what they were trained on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchbed.datasets.dataset import DatasetCard
from benchbed.method_card import Weights
from benchbed.plan import PlanItem
from benchbed.sealed_json import digest
from benchbed.shipped_file import file_sha256, read_header
from benchbed.subject import Subject
from benchbed.trained_config import training_beside

NAMED: Final = 5  # classes in a sentence; the record has all


def weights_facts(subject: Subject) -> dict[str, Any]:
    """`weights` of a record: kind, file, digest, use of its tensors, what they were trained on and must not be used for.

    Of weights that `benchbed train` made, `training` has dataset, seen classes, seed, recipe and code; None of others.
    """
    item = subject.item
    conversion = getattr(subject.segmenter, "conversion", None)
    training = _training(item)
    return {
        **item.weights.as_dict(),
        "sha256": subject.digest,
        "tensors_used": len(conversion.used) if conversion else None,
        "tensors_ignored": dict(conversion.ignored) if conversion else {},
        "training": training,
        **_trained_on(item, training),
    }


def _training(item: PlanItem) -> dict[str, Any] | None:
    path = item.weights.path
    if path is None or item.weights.kind == "random":
        return None
    return training_facts(read_header(path) if item.weights.kind == "packaged" else _beside(path))


def _beside(path: Path) -> dict[str, Any]:
    """The JSON beside the weights, if it is of this very file."""
    told = training_beside(path)
    return told if told and told.get("sha256") == file_sha256(path) else {}


def training_facts(told: Mapping[str, Any]) -> dict[str, Any] | None:
    """A training of a segmenter, from the JSON beside its weights or the header of a packed file; None of anything else.

    `recipe` is a digest of all that decides the weights but for seed, code and the files it starts from, which are `init`.
    """
    try:
        data, recipe, bench = told["dataset"], told["recipe"], told["bench"]
        basis = {
            "method": told["method"],
            "dataset": [data[name] for name in ("name", "split", "identity")],
            "seen": list(data["seen"]),
            "stages": [_meaning(stage) for stage in recipe["stages"]],
            "starts from": [recipe["clip"], recipe["backbone"]],
            "config": recipe["config"],
            "amp": bool(told["amp"]),
        }
        return {
            "dataset": str(data["name"]),
            "split": str(data["split"]),
            "images": int(data["images"]),
            "seen": [str(name) for name in data["seen"]],
            "seed": int(told["seed"]),
            "recipe": digest(basis),
            "init": dict(told["init"]),
            "bench": {name: bench.get(name) for name in ("version", "commit", "dirty", "source")},
        }
    except (AttributeError, KeyError, TypeError, ValueError):
        return None  # of a CLIP, of another program, or edited


def _meaning(stage: Mapping[str, Any]) -> dict[str, Any]:
    """A stage without what its kind of samples does not use, some of which is younger than some of the files."""
    if stage["samples"] == "objects":
        return dict(stage)
    return {name: value for name, value in stage.items() if not name.startswith("object")}


def _trained_on(item: PlanItem, training: Mapping[str, Any] | None) -> dict[str, Any]:
    """What an official file was trained on. No hashes of them are published: the name is all that tells it."""
    weights = item.chosen.variant.weights if item.weights.official else None
    if weights is not None:
        by_name = "by its name alone (its content is not verified)"
        return {"trained_on": f"{weights.trained_on}; {by_name}", "not_for": _not_for(weights, item)}
    if training is not None:
        reason = taught_unseen(training["seen"], item.dataset.card)
        not_for = {item.dataset.card.name: reason} if reason else {}
        return {"trained_on": _sentence(training), "not_for": not_for}
    by_user = item.weights.kind == "file"
    return {"trained_on": "unknown: a file of the user's" if by_user else None, "not_for": {}}


def taught_unseen(taught: Iterable[str], card: DatasetCard) -> str:
    """Why weights give no zero-shot figure on a dataset: their training had masks of classes that count as unseen there.

    Names are compared by letters and digits, a dataset's own and those of its `spellings`; another synonym is not found.

    Returns:
        a sentence, or "" where no class is found or the dataset splits none.
    """
    if not any(card.seen) or all(card.seen):
        return ""
    known = {_plain(name) for name in taught}
    called = zip(*card.spellings.values(), card.names, strict=True)
    classes = zip(card.names, called, card.seen, strict=True)
    found = [name for name, names, seen in classes if not seen and known.intersection(map(_plain, names))]
    if not found:
        return ""
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return (
        f"trained with masks of at least {', '.join(found[:NAMED])}{more}, which count as unseen here: no seen/unseen figure "
        "follows"
    )


def _plain(name: str) -> str:
    return "".join(each for each in name.casefold() if each.isalnum())


def _sentence(training: Mapping[str, Any]) -> str:
    seen: Sequence[str] = training["seen"]
    return (
        f"{training['dataset']} {training['split']}, masks of {len(seen)} seen classes, seed {training['seed']}, "
        f"recipe {training['recipe']} (benchbed train)"
    )


def _not_for(weights: Weights, item: PlanItem) -> dict[str, str]:
    """The card's reasons by dataset; a dataset that is another's under a new rule has that one's reason too."""
    card = item.dataset.card
    shared = {card.name: weights.not_for[card.like]} if card.like in weights.not_for else {}
    return {**shared, **weights.not_for}
