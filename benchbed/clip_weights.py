"""A CLIP's weights, by OpenAI's names, into the towers of any segmenter; and the small CLIP that ships for `shapes`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from benchbed import shipped_file
from benchbed.checkpoints import assign, read_tensors
from benchbed.clip import ImageTower, TextTower
from benchbed.clip_sizes import TINY
from benchbed.errors import CheckpointError
from benchbed.segmenter import Segmenter

# What OpenAI's own CLIP files hold beside weights.
CLIP_IGNORED: Final = {
    "input_resolution": "read from the position table",
    "context_length": "read from the position table",
    "vocab_size": "read from the token table",
    "attn_mask": "made anew: the causal mask",
}
SCALE: Final = "logit_scale"
# A segmenter's own name for CLIP's temperature; taken where the segmenter counts it to its CLIP.
SCALE_NAMES: Final = ("clip_scale", SCALE)

TABLE: Final = "token_embedding.weight"
# The token table of a shipped CLIP: only the rows of words that it has read.
TABLE_ROWS: Final = "token_embedding.rows"
TABLE_IDS: Final = "token_embedding.ids"


@runtime_checkable
class FollowsText(Protocol):
    """A part of a segmenter that keeps copies of the text tower's values in its buffers, as prompt learners do."""

    def take_signals(self, tower: TextTower) -> None:
        """Copy them anew."""


def shapes_clip_path() -> Path:
    """Where the CLIP of `shapes` lies that ships with benchbed."""
    return Path(str(files("benchbed") / "data" / "clip-shapes.safetensors"))


def shapes_clip() -> dict[str, Tensor]:
    """The small CLIP of `shapes` that ships with benchbed, of size `benchbed.clip_sizes.TINY`, by OpenAI's names.

    Raises:
        CheckpointError: the file is missing or damaged.
    """
    return read_clip(shapes_clip_path())


def read_clip(path: Path) -> dict[str, Tensor]:
    """A CLIP file's tensors by OpenAI's names: OpenAI's or open_clip's as safetensors or .pth, or one of `write_clip`.

    Raises:
        CheckpointError: missing, damaged, or with pickled code in it.
    """
    return whole_table(read_tensors(path))


def whole_table(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The token table with all its 49,408 rows where only some were stored; the others are 0. Other tensors as they are."""
    if TABLE_IDS not in tensors:
        return dict(tensors)
    rows = tensors[TABLE_ROWS]
    table = torch.zeros(TINY.words, rows.shape[1], dtype=rows.dtype)
    table[tensors[TABLE_IDS].long()] = rows
    others = {name: value for name, value in tensors.items() if name not in (TABLE_IDS, TABLE_ROWS)}
    return {**others, TABLE: table}


def write_clip(
    path: Path, tensors: Mapping[str, Tensor], words: Iterable[int], header: Mapping[str, Any]
) -> str:
    """Store a CLIP as it ships: matrices in half precision, and of the token table only the rows of `words`.

    Args:
        path: the file.
        tensors: by OpenAI's names.
        words: ids of the tokens that it was trained with; it knows nothing of any other.
        header: recipe, seed, figures: plain values.

    Returns:
        the file's SHA-256.
    """
    ids = torch.tensor(sorted(set(words)))
    kept = {name: value for name, value in tensors.items() if name not in (TABLE, *CLIP_IGNORED)}
    kept |= {TABLE_ROWS: tensors[TABLE][ids], TABLE_IDS: ids.int()}
    return shipped_file.write(path, kept, {"kind": "clip", **header})


def take_clip(segmenter: Segmenter, clip: Mapping[str, Tensor] | Path) -> frozenset[str]:
    """Copy a CLIP into the towers of a segmenter, and into what follows from them.

    Each `ImageTower` and `TextTower` inside takes its part, and keeps what it has beside CLIP's parameters; the parts that
    keep copies of text values (`FollowsText`) are brought up to date, as is the temperature where the segmenter counts
    one to its CLIP. A segmenter without one of the towers leaves that half of the file alone.

    Args:
        segmenter: whose towers are filled; what is trained or frozen stays so.
        clip: tensors by OpenAI's names, or the path of a file with them.

    Returns:
        the names in `segmenter.state_dict()` whose values are now CLIP's.

    Raises:
        CheckpointError: no such file, no ViT CLIP, or one of another size: file, found and expected are named.
    """
    tensors = read_clip(clip) if isinstance(clip, Path) else whole_table(clip)
    taken: set[str] = set()
    try:
        for name, module in segmenter.named_modules():
            if isinstance(module, ImageTower | TextTower):
                taken |= {f"{name}.{each}" for each in _fill(module, tensors)}
        _take_scale(segmenter, tensors, taken)
    except CheckpointError as error:
        where = clip if isinstance(clip, Path) else "the CLIP given"
        raise CheckpointError(f"{where}: no CLIP for {type(segmenter).__name__}: {error}") from error
    _follow(segmenter, taken)
    segmenter.forget_text()
    return frozenset(taken)


def _fill(tower: ImageTower | TextTower, tensors: Mapping[str, Tensor]) -> set[str]:
    """Copy what is the tower's; returns its parameters' names, without what a subclass has added to CLIP's."""
    visual = isinstance(tower, ImageTower)
    prefix = "visual." if visual else ""
    with torch.device("meta"):
        names = set(ImageTower(tower.size).state_dict() if visual else TextTower(tower.size).state_dict())
    own = {f"{prefix}{name}": value for name, value in tower.state_dict().items() if name not in names}
    given = {name: value for name, value in tensors.items() if name.startswith("visual.") == visual}
    weights = {name: value for name, value in given.items() if name not in (SCALE, *CLIP_IGNORED)}
    named: nn.Module = (
        nn.ModuleDict({"visual": tower}) if visual else tower
    )  # so that messages have CLIP's names
    assign(named, {**weights, **own})
    return names


def _take_scale(segmenter: Segmenter, tensors: Mapping[str, Tensor], taken: set[str]) -> None:
    for name in SCALE_NAMES:
        if name not in segmenter.clip_prefixes or not hasattr(segmenter, name):
            continue
        if SCALE not in tensors:
            raise CheckpointError(f"it lacks {SCALE}, the temperature; expected a whole CLIP")
        scale = getattr(segmenter, name)
        with torch.no_grad():
            scale.copy_(tensors[SCALE].reshape(scale.shape))
        taken.add(name)


def _follow(segmenter: Segmenter, taken: set[str]) -> None:
    """Bring copies of text values up to date."""
    tower = next((module for module in segmenter.modules() if isinstance(module, TextTower)), None)
    for name, module in segmenter.named_modules():
        if tower is not None and isinstance(module, FollowsText):
            taken |= {
                f"{name}.{buffer}" for buffer, _ in segmenter.get_submodule(name).named_buffers(recurse=False)
            }
            module.take_signals(tower)
