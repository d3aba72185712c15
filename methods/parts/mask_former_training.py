"""A MaskFormer under training: every decoder layer's masks and names, and which parameters learn."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor, nn

from methods.parts.proposal_network import ProposalHead
from methods.parts.set_criterion import MaskOutput

Classify = Callable[[Tensor], Tensor]


def every_layer_outputs(
    head: ProposalHead, features: Mapping[str, Tensor], classify: Classify
) -> list[MaskOutput]:
    """What the set criterion compares with the truth: one output a decoder layer, for deep supervision.

    All layers share the mask embedding and the classifier (MaskFormer, section 3.3; DETR's auxiliary losses).

    Args:
        head: pixel decoder and predictor.
        features: `res2` ... `res5` of the backbone, [B, C, H/s, W/s].
        classify: query embeddings [B, Q, hidden] to class logits [B, Q, S + 1], no-object last.

    Returns:
        the last layer first, then the first, the second, ...; masks [B, Q, H/4, W/4].
    """
    layers = head.every_layer(features)
    outputs = [MaskOutput(layer.mask_logits, classify(layer.embeddings)) for layer in layers]
    return [outputs[-1], *outputs[:-1]]


def train_only(module: nn.Module, *prefixes: str, but: tuple[str, ...] = ()) -> None:
    """Let the parameters whose name starts with one of `prefixes`, and with none of `but`, learn, and no other.

    Raises:
        ValueError: a prefix that no parameter has.
    """
    names = [name for name, _ in module.named_parameters()]
    for prefix in (*prefixes, *but):
        if not any(name.startswith(prefix) for name in names):
            raise ValueError(f"no parameter of {type(module).__name__} starts with {prefix!r}")
    for name, parameter in module.named_parameters():
        parameter.requires_grad_(name.startswith(prefixes) and not name.startswith(but))
