"""What a training was, as plain values: what must agree for going on with it, and what a reader needs to run it again."""

from __future__ import annotations

from typing import Any

import torch

from benchbed import __version__
from benchbed.cost.checkout import find_checkout
from benchbed.errors import UsageError
from benchbed.source_digest import source_digest
from benchbed.training.plan import TrainPlan


def identity(plan: TrainPlan) -> dict[str, Any]:
    """What decides the weights, by the words that a message uses for it."""
    request = plan.request
    return {
        "--method": plan.chosen.label,
        "--dataset": plan.dataset.card.name,
        "the dataset's content": plan.dataset.identity,
        "the recipe": plan.published.as_dict(),
        "--seed": request.seed,
        "--amp": request.amp,
        "--iterations": request.iterations,
        "--init": plan.initial.as_dict(),
        "--device": plan.device.type,
        "the number of processes": plan.processes.world,
    }


def facts(plan: TrainPlan) -> dict[str, Any]:
    """Everything for the JSON beside a checkpoint that is known before training."""
    checkout = find_checkout()
    card = plan.dataset.card
    return {
        "command": plan.request.command(),
        "method": plan.chosen.label,
        "config": _plain(plan.recipe.config),
        "recipe": _plain(plan.recipe.as_dict()),
        "dataset": {
            "name": card.name,
            "split": getattr(plan.dataset, "split", "train"),
            "identity": plan.dataset.identity,
            "images": len(plan.dataset),
            "seen": list(plan.vocabulary.names),
            "prompts": list(plan.vocabulary.prompts),
        },
        "seed": plan.request.seed,
        "amp": plan.amp,
        "init": plan.initial.as_dict(),
        "identity": _plain(identity(plan)),
        "bench": {
            "version": __version__,
            "commit": checkout.commit if checkout else "",
            "dirty": checkout.dirty if checkout else None,
            "source": source_digest(plan.chosen.variant.build.partition(":")[0].partition(".")[0]),
        },
        "torch": str(torch.__version__),
        "threads": torch.get_num_threads(),
        "device": str(plan.device),
        "processes": plan.processes.world,
    }


def check_same(found: dict[str, Any], wanted: dict[str, Any], folder: object) -> list[str]:
    """Make sure that a training that goes on is the one that was begun.

    Returns:
        notes on what is not the same but was not asked for: code, torch, threads.

    Raises:
        UsageError: it is another one; the message names what differs.
    """
    then, now = found["identity"], wanted["identity"]
    differing = [name for name in now if then.get(name) != now[name]]
    if differing:
        sides = "; ".join(_difference(name, then.get(name), now[name]) for name in differing)
        raise UsageError(
            f"--resume: {folder} holds another training: {sides}; give the same flags or another --out"
        )
    changed = {
        "the code": found["bench"]["source"] != wanted["bench"]["source"],
        f"torch ({found['torch']} then)": found["torch"] != wanted["torch"],
        f"the number of threads ({found['threads']} then)": found["threads"] != wanted["threads"],
    }
    return [
        f"{what} changed since: the weights may differ in the last bits"
        for what, is_so in changed.items()
        if is_so
    ]


def _difference(name: str, then: Any, now: Any) -> str:
    """The first place where two plain values differ, in words."""
    if isinstance(then, dict) and isinstance(now, dict):
        key = next((key for key in [*now, *then] if then.get(key) != now.get(key)), "")
        return _difference(f"{name} {key}".strip(), then.get(key), now.get(key))
    if isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        index = next(index for index, pair in enumerate(zip(then, now, strict=True)) if pair[0] != pair[1])
        return _difference(f"{name} {index}", then[index], now[index])
    return f"{name} was {_short(then)} and is {_short(now)}"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _plain(value: Any) -> Any:
    """As JSON gives it back: tuples become lists, anything else unknown becomes text."""
    if isinstance(value, dict) or hasattr(value, "items"):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(each) for each in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)
