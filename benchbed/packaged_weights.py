"""Weights that ship inside a package: of a segmenter around the CLIP of `shapes`, only what that CLIP does not hold already."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from benchbed import shipped_file
from benchbed.checkpoints import assign, read_tensors
from benchbed.clip_weights import shapes_clip_path, take_clip
from benchbed.errors import CheckpointError
from benchbed.segmenter import Segmenter

CLIP_SHA: Final = "clip_sha256"


def pack(segmenter: Segmenter, path: Path, about: Mapping[str, Any], clip: Path | None = None) -> str:
    """Store what a segmenter has beside its CLIP, and what training changed of it.

    Args:
        segmenter: trained; it is left as it is.
        path: the file to write.
        about: recipe, seed, dataset: plain values for the header.
        clip: the CLIP's file that completes it, the shipped one if None. Its tensors are left out where they are equal.

    Returns:
        the file's SHA-256.

    Raises:
        CheckpointError: the CLIP's file is missing, damaged or of another size, or is not the one inside the segmenter.
        StoreError: the file cannot be written.
    """
    clip = clip or shapes_clip_path()
    state, twin = segmenter.state_dict(), copy.deepcopy(segmenter)
    taken = take_clip(twin, clip)
    shared = {name for name, value in twin.state_dict().items() if name in taken and value.equal(state[name])}
    matrices = {name for name in taken if state[name].ndim > 1}
    if matrices and not matrices & shared:  # vectors of ones and zeros may agree by chance
        raise CheckpointError(
            f"{clip}: is not the CLIP that {type(segmenter).__name__} was trained around: no matrix is the same; train it again"
        )
    header = {
        "kind": "segmenter",
        CLIP_SHA: shipped_file.file_sha256(clip) if shared else "",
        "from_clip": len(shared),
        **about,
    }
    return shipped_file.write(path, {n: v for n, v in state.items() if n not in shared}, header)


def unpack(path: Path, segmenter: Segmenter, clip: Path | None = None) -> dict[str, Any]:
    """Fill a segmenter from a file of `pack`, from a CLIP's file (for one that is CLIP alone), or from a whole state.

    Args:
        path: the file.
        segmenter: freshly built, of the same size.
        clip: the CLIP's file that completes it, the shipped one if None.

    Returns:
        the file's header, empty for a plain safetensors file.

    Raises:
        CheckpointError: damaged, of another method or size, or made for another CLIP than the one there.
    """
    header = shipped_file.read_header(path)
    taken: frozenset[str] = frozenset()
    tensors = {}
    if header.get("kind") == "clip":
        taken = take_clip(segmenter, path)
    else:
        tensors = read_tensors(path)
        if header.get(CLIP_SHA):
            taken = take_clip(segmenter, _completing(clip or shapes_clip_path(), path, header[CLIP_SHA]))
    known = {name: value for name, value in segmenter.state_dict().items() if name in taken}
    try:
        assign(segmenter, {**known, **tensors})
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    return header


def _completing(clip: Path, path: Path, expected: str) -> Path:
    if not clip.is_file():
        raise CheckpointError(f"{path}: needs the CLIP {clip}, which is not there; install benchbed again")
    found = shipped_file.file_sha256(clip)
    if found != expected:
        raise CheckpointError(
            f"{path}: was trained around a CLIP of SHA-256 {expected[:12]}..., but {clip} is {found[:12]}...; "
            "the two are of different versions: install benchbed again, or train and pack the weights anew"
        )
    return clip
