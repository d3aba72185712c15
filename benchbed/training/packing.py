"""From the folder of a finished training to the file that ships."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from benchbed.checkpoints import assign
from benchbed.clip_weights import shapes_clip_path
from benchbed.errors import CheckpointError, StoreError, UsageError
from benchbed.packaged_weights import pack
from benchbed.registry import choose, resolve
from benchbed.segmenter import Segmenter
from benchbed.trained_config import trained_config
from benchbed.training.checkpoint import read_checkpoint
from benchbed.training.folder import FINAL
from benchbed.weights import packaged_path

# Of a training's JSON, what the shipped file's header says too.
TOLD: Final = ("method", "dataset", "recipe", "seed", "amp", "command", "init", "bench", "torch")


def pack_folder(folder: Path, to: Path | None) -> Path:
    """Write the shipped file; returns where.

    Args:
        folder: of a finished `benchbed train`.
        to: the file; None: where the variant's card, or for a CLIP the bench, looks for it.

    Raises:
        CheckpointError: the training is not finished, or is damaged, or started from another CLIP than ships.
        UsageError: the card names no place for its weights.
        StoreError: the file cannot be written.
    """
    if not (folder / FINAL).is_file():
        raise CheckpointError(
            f"{folder}: no finished training ({FINAL} is not there); give a folder of benchbed train, or go on with --resume"
        )
    tensors, facts = read_checkpoint(folder / FINAL)
    if "clip" in facts:
        target = to or shapes_clip_path()
        _copy(folder / FINAL, target)
        return target
    target = to or _place(facts["method"])
    about = {name: facts[name] for name in TOLD} | {"command": without_folders(facts["command"])}
    pack(_segmenter(folder, tensors, facts), target, about)
    return target


def without_folders(command: str) -> str:
    """The command without the folders of who ran it: no `--out`, no `--data-root`, of `--init`'s paths the files' names."""
    words, kept = iter(shlex.split(command)), []
    for word in words:
        if word in ("--out", "--data-root"):
            next(words, None)
        elif word == "--init":
            kept += [word, ",".join(_file_only(part) for part in next(words, "").split(","))]
        else:
            kept.append(word)
    return shlex.join(kept)


def _file_only(part: str) -> str:
    name, equals, path = part.partition("=")
    return f"{name}{equals}{Path(path).name}"


def _place(method: str) -> Path:
    variant = choose(method).variant
    if not variant.packaged:
        raise UsageError(
            f"{method}: its card names no packaged weights; add that to the card, or give --to FILE"
        )
    return packaged_path(variant)


def _segmenter(folder: Path, tensors: Mapping[str, Any], facts: Mapping[str, Any]) -> Segmenter:
    variant = choose(facts["method"]).variant
    config = variant.config_for(facts["dataset"]["name"])
    _same_config(facts["method"], config, {**config, **trained_config(folder / FINAL)})
    segmenter: Segmenter = resolve(variant.build)(**config)
    try:
        assign(segmenter, tensors)
    except CheckpointError as error:
        raise CheckpointError(
            f"{folder / FINAL}: {error} (the variant's card has changed since, or the recipe trains other sizes)"
        ) from error
    return segmenter


def _same_config(method: str, card: Mapping[str, Any], trained: Mapping[str, Any]) -> None:
    """Shipped weights are built by the card alone: what a recipe changes of it would be lost."""
    differing = sorted(name for name, value in trained.items() if card.get(name) != value)
    if differing:
        raise UsageError(
            f"{method}: its recipe trains with {', '.join(f'{name}={trained[name]!r}' for name in differing)}, which its card "
            "does not say; shipped weights need the same in both: correct the card"
        )


def _copy(source: Path, target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    except OSError as error:
        raise StoreError(
            f"{target}: cannot be written ({error.strerror}); give another place with --to"
        ) from error
