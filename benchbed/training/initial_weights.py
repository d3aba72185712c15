"""What a training starts from: CLIP's weights or class vectors, a backbone's, or a whole segmenter's; by default the recipe's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

from torch import Tensor

from benchbed import weights
from benchbed.checkpoints import assign, read_tensors
from benchbed.clip_weights import shapes_clip_path, take_clip
from benchbed.errors import CheckpointError, MissingError, UsageError
from benchbed.segmenter import Segmenter
from benchbed.training.checkpoint import file_digest
from benchbed.training.recipe import Recipe

PARTS: Final = ("clip", "backbone", "vectors", "all")
RANDOM: Final = "random"
SHIPPED: Final = "shapes"
# Of image classifiers: not part of a backbone.
_HEADS: Final = ("fc.", "head.", "classifier.", "aux_classifier.")


@runtime_checkable
class TakesBackbone(Protocol):
    """A segmenter that knows better than `take_backbone` how its backbone's files look."""

    def take_backbone(self, tensors: Mapping[str, Tensor]) -> None:
        """Copy a backbone file's tensors."""


@dataclass(frozen=True)
class InitialWeights:
    """One file for each part, None for random weights; with `whole`, that alone.

    With `vectors` the segmenter is built around a table of class vectors, in place of CLIP's text tower.
    """

    clip: Path | None = None
    backbone: Path | None = None
    whole: Path | None = None
    vectors: Path | None = None

    def as_dict(self) -> dict[str, Any]:
        """File names and their SHA-256, never somebody's folders."""
        parts = {
            "vectors" if self.vectors else "clip": self.vectors or self.clip,
            "backbone": self.backbone,
            "all": self.whole,
        }
        return {
            name: {"file": path.name, "sha256": file_digest(path)} if path else RANDOM
            for name, path in parts.items()
            if name != "all" or path
        }

    def give(self, segmenter: Segmenter) -> None:
        """Copy all of it into a segmenter with random weights.

        Raises:
            CheckpointError: a file is damaged, or of another method or size.
        """
        if self.whole:
            try:
                assign(segmenter, read_tensors(self.whole))
            except CheckpointError as error:
                raise CheckpointError(f"--init all={self.whole}: {error}") from error
            return
        if self.backbone:
            take_backbone(segmenter, self.backbone)
        if self.clip:
            take_clip(segmenter, self.clip)


def initial_weights(flag: str, recipe: Recipe) -> InitialWeights:
    """Read `--init`: `clip=PATH,backbone=PATH` or `all=PATH`; `random` in place of a path; unnamed parts as the recipe says.

    `vectors=PATH` stands in the place of `clip=`.

    Raises:
        UsageError: an unknown part, or parts that exclude each other.
        MissingError: a file is not there; the message says what to do.
    """
    given = _given(flag)
    if "all" in given:
        if len(given) > 1:
            raise UsageError(f"--init {flag}: all= is the whole segmenter; leave the other parts out")
        return InitialWeights(whole=_file("all", given["all"]))
    if {"clip", "vectors"} <= given.keys():
        raise UsageError(
            f"--init {flag}: vectors= stand in the place of CLIP's text tower; leave one of them out"
        )
    vectors = _file("vectors", given["vectors"]) if "vectors" in given else None
    clip = _file("clip", given["clip"]) if "clip" in given else None
    return InitialWeights(
        clip if given.keys() & {"clip", "vectors"} else _named(recipe.clip, "clip"),
        _file("backbone", given["backbone"]) if "backbone" in given else _named(recipe.backbone, "backbone"),
        vectors=vectors,
    )


def _given(flag: str) -> dict[str, str]:
    given: dict[str, str] = {}
    for part in filter(None, flag.split(",")):
        name, _, path = (text.strip() for text in part.partition("="))
        if name not in PARTS or not path:
            raise UsageError(
                f"--init {part!r}: expected clip=PATH, backbone=PATH, vectors=PATH or all=PATH ('random' in place of a path)"
            )
        given[name] = path
    return given


def _file(part: str, path: str) -> Path | None:
    optional = part not in ("all", "vectors")
    if path == RANDOM and optional:
        return None
    if not Path(path).is_file():
        raise MissingError(
            f"--init {part}={path}: no such file; expected a file's path{' or random' if optional else ''}"
        )
    return Path(path)


def _named(name: str, part: str) -> Path | None:
    """The file that the recipe names."""
    if not name:
        return None
    path = shapes_clip_path() if (part, name) == ("clip", SHIPPED) else weights.folder() / name
    if path.is_file():
        return path
    how = f"give --init {part}=PATH, or --init {part}=random to try the recipe out without"
    raise MissingError(
        f"{path}: the recipe starts from these {part} weights, which are not there; put them there, {how}"
    )


def take_backbone(segmenter: Segmenter, path: Path) -> None:
    """Copy a backbone's file into `segmenter.backbone` by name; a classifier's head in the file is left out.

    Raises:
        CheckpointError: it does not fill the backbone.
    """
    tensors = read_tensors(path)
    try:
        if isinstance(segmenter, TakesBackbone):
            segmenter.take_backbone(tensors)
            return
        backbone = getattr(segmenter, "backbone", None)
        if backbone is None:
            raise CheckpointError(f"{type(segmenter).__name__} has no backbone to put them into")
        bare = {
            name.removeprefix("module.").removeprefix("backbone."): value for name, value in tensors.items()
        }
        own = {
            name: value
            for name, value in backbone.state_dict().items()
            if name.endswith("num_batches_tracked")
        }
        assign(backbone, {**own, **{n: v for n, v in bare.items() if not n.startswith(_HEADS)}})
    except CheckpointError as error:
        raise CheckpointError(f"{path}: cannot be the backbone: {error}") from error
