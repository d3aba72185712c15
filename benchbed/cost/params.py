"""How many parameters, whose, and which of them a forward pass never reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchbed.cost.shape_only import shape_only, without_values
from benchbed.images import ImageBatch, prepare
from benchbed.vocabulary import Vocabulary

if TYPE_CHECKING:
    from benchbed.segmenter import Segmenter


@dataclass(frozen=True)
class Params:
    """Numbers of scalars in parameters (buffers are not parameters). A parameter under several names counts once.

    Attributes:
        total: all.
        trainable: those with `requires_grad`.
        frozen_clip: those of CLIP (`Segmenter.clip_prefixes`) without `requires_grad`.
        text: those of the text side (`Segmenter.text_prefixes`), trainable or not.
        unused_at_inference: those that no operator of `encode_vocabulary` and `segment` reads. Whole tensors only:
            of a fused query-key-value weight of which only the value third is read, nothing counts as unused.
    """

    total: int
    trainable: int
    frozen_clip: int
    text: int
    unused_at_inference: int


def count_params(
    segmenter: Segmenter, images: ImageBatch | None = None, vocabulary: Vocabulary | None = None
) -> Params:
    """Count parameters; the unused ones by watching one forward pass.

    Args:
        segmenter: in evaluation mode.
        images: what to watch it on; a grey square of its own input size if not given.
        vocabulary: likewise; two classes if not given.
    """
    read = _read_storages(
        segmenter, images or _grey(segmenter), vocabulary or Vocabulary(("cat", "dog"), (True, True))
    )
    parameters = dict(segmenter.named_parameters())
    clip = _below(segmenter, segmenter.clip_prefixes)
    text = _below(segmenter, segmenter.text_prefixes)
    return Params(
        total=_scalars(parameters.values()),
        trainable=_scalars(each for each in parameters.values() if each.requires_grad),
        frozen_clip=_scalars(each for each in clip if not each.requires_grad),
        text=_scalars(text),
        unused_at_inference=_scalars(each for name, each in parameters.items() if name not in read),
    )


def _scalars(parameters: Iterable[Tensor]) -> int:
    return sum(each.numel() for each in parameters)


def _below(module: nn.Module, prefixes: tuple[str, ...]) -> list[nn.Parameter]:
    """Parameters any of whose names is a prefix or lies below one; "clip" and "clip." mean the same."""
    roots = tuple(prefix.rstrip(".") for prefix in prefixes)
    inside = [
        each
        for name, each in module.named_parameters(remove_duplicate=False)
        if any(name == root or name.startswith(f"{root}.") for root in roots)
    ]
    return list({id(each): each for each in inside}.values())


def _grey(segmenter: Segmenter) -> ImageBatch:
    side = segmenter.input_spec.short_side
    device = next((each.device for each in segmenter.parameters()), torch.device("cpu"))
    return prepare([np.full((side, side, 3), 127, np.uint8)], segmenter.input_spec, device)


def _read_storages(segmenter: Segmenter, images: ImageBatch, vocabulary: Vocabulary) -> set[str]:
    """Names of the parameters that a forward pass reads: on a copy without values, or on the segmenter itself where
    Python looks at computed values (crop-based methods)."""
    try:
        return without_values(lambda: _watch(shape_only(segmenter), images, vocabulary))
    except (
        Exception
    ):  # whatever stops a pass without values says nothing of the real one, which is tried next
        with torch.no_grad():
            return _watch(segmenter, images, vocabulary)


def _watch(segmenter: Segmenter, images: ImageBatch, vocabulary: Vocabulary) -> set[str]:
    spy = _ReadSpy()
    with spy:
        segmenter.segment(images, segmenter.encode_vocabulary(vocabulary))
    return {name for name, each in segmenter.named_parameters() if _storage(each) in spy.read}


def _storage(tensor: Tensor) -> int:
    """Identifies the memory of a tensor and all its views; meta tensors, which have no address, included."""
    return int(tensor.untyped_storage()._cdata)


class _ReadSpy(TorchDispatchMode):
    """Notes the storage of every tensor that an operator reads; making a view, or asking for a device, reads nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.read: set[int] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if not func.is_view and func.namespace != "prim":
            self.read.update(
                _storage(each) for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor)
            )
        return func(*args, **kwargs)
