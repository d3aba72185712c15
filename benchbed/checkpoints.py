"""Find, verify, safely load and account for checkpoints. Nothing is ever unpickled into code."""

from __future__ import annotations

import hashlib
import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from benchbed.errors import CheckpointError
from benchbed.method_card import Method, Variant
from benchbed.registry import resolve

if TYPE_CHECKING:
    from benchbed.segmenter import Segmenter

# Where trainers put the tensors: detectron2 `model`, Lightning and mmengine `state_dict`.
_WRAPPERS = ("model", "state_dict", "model_state_dict")


@dataclass(frozen=True)
class Conversion:
    """What became of a checkpoint's tensors.

    Attributes:
        used: official names whose values are now in the segmenter.
        ignored: official name -> why it is not needed.
    """

    used: tuple[str, ...]
    ignored: Mapping[str, str] = field(default_factory=dict)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a checkpoint by their official names, on the CPU.

    Reads safetensors and torch files; a torch file is loaded with `weights_only=True`, so that pickled code in it is
    refused and never run.

    Raises:
        CheckpointError: missing, truncated, empty, not a checkpoint, or with pickled code in it.
    """
    if not path.is_file():
        raise CheckpointError(
            f"{path}: no such checkpoint file; give --weights the path of a .pth or .safetensors file"
        )
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    return _tensors_of(_unpickle_tensors(path), path)


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors: dict[str, Tensor] = load_file(path)
    except SafetensorError as error:
        raise CheckpointError(f"{path}: not a whole safetensors file ({error}); fetch it again") from error
    return tensors


def _unpickle_tensors(path: Path) -> Any:
    _refuse_torchscript(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(_refusal(path, str(error))) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"{path}: cannot be read as a checkpoint ({_first_line(error)}); it is truncated or not a torch file; fetch it again"
        ) from error


def _refuse_torchscript(path: Path) -> None:
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        scripted = any("/code/" in name for name in archive.namelist())
    if scripted:
        raise CheckpointError(
            f"{path}: a TorchScript archive, which carries code; benchbed loads tensors only. For OpenAI's CLIP use the same "
            "weights as safetensors (Hugging Face: timm/vit_base_patch16_clip_224.openai, file open_clip_model.safetensors)"
        )


def _refusal(path: Path, reason: str) -> str:
    if "Weights only load failed" in reason or "Unsupported" in reason:
        offender = next(
            (line.strip() for line in reason.splitlines() if "GLOBAL" in line or "Unsupported" in line), ""
        )
        return (
            f"{path}: refused: it holds pickled objects other than tensors, which could run code when loaded"
            f"{' (' + offender + ')' if offender else ''}; re-save its tensors alone, e.g. as safetensors"
        )
    return f"{path}: cannot be read as a checkpoint ({reason.splitlines()[0]}); it is damaged or not a torch file; fetch it again"


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _tensors_of(content: Any, path: Path) -> dict[str, Tensor]:
    for key in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping):
        raise CheckpointError(
            f"{path}: holds a {type(content).__name__}; expected a dictionary of named tensors"
        )
    tensors = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    if not tensors:
        raise CheckpointError(
            f"{path}: holds no tensors; expected a model's weights under one of {', '.join(_WRAPPERS)}"
        )
    return tensors


def load_official(method: Method, variant: Variant, path: Path, keywords: Mapping[str, Any]) -> Segmenter:
    """Build a method's segmenter from an official checkpoint; `keywords` say what shapes cannot tell.

    A method without a `load` of its own is built by the variant's `build` and takes tensors of its own names.

    Raises:
        CheckpointError: unreadable, or of another method or size; the message names the file.
    """
    tensors = read_tensors(path)
    segmenter: Segmenter
    try:
        if method.load:
            segmenter = resolve(method.load)(tensors, **keywords)
        else:
            segmenter = resolve(variant.build)(**{**variant.config, **keywords})
            segmenter.conversion = assign(segmenter, tensors)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    return segmenter


def assign(
    module: nn.Module, tensors: Mapping[str, Tensor], ignored: Mapping[str, str] | None = None
) -> Conversion:
    """Copy converted tensors into a module, all or nothing.

    Args:
        module: whose `state_dict` names the tensors go by.
        tensors: every persistent parameter and buffer of `module`; other floating dtypes are converted.
        ignored: official names left out on purpose, with the reason.

    Raises:
        CheckpointError: a tensor is missing, left over, of another shape, or not finite; the message names the first ones.
    """
    expected = module.state_dict()
    _complain("lacks", sorted(set(expected) - set(tensors)))
    _complain("has unknown", sorted(set(tensors) - set(expected)))
    misfits = [
        f"{name} {tuple(tensors[name].shape)} (expected {tuple(value.shape)})"
        for name, value in expected.items()
        if tensors[name].shape != value.shape
    ]
    _complain("is of another size:", misfits)
    _complain(
        "holds NaN or Inf in",
        [n for n, t in tensors.items() if t.is_floating_point() and not t.isfinite().all()],
    )
    module.load_state_dict(
        {name: tensor.to(expected[name].dtype) for name, tensor in tensors.items()}, strict=True
    )
    return Conversion(tuple(tensors), dict(ignored or {}))


def _complain(what: str, names: list[str]) -> None:
    if names:
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        raise CheckpointError(
            f"the checkpoint {what} {', '.join(names[:3])}{more}; is it of another method or size?"
        )


def weights_digest(module: nn.Module) -> str:
    """SHA-256 over all names and values of a module's state, for the record."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(name.encode())
        digest.update(
            tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data
            if tensor.numel()
            else b""
        )
    return digest.hexdigest()
