"""MaskFormer's class-agnostic half: ResNet features in, Q mask logits and Q query embeddings out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import torch
from torch import Tensor, nn

from benchbed.errors import UsageError
from methods.parts.mlp import MLP
from methods.parts.pixel_decoder import PixelDecoder
from methods.parts.position_encoding import sine_position
from methods.parts.transformer_decoder import TransformerDecoder


@dataclass(frozen=True)
class ProposalSize:
    """The sizes that make a MaskFormer head; the defaults are those of the published configurations.

    Attributes:
        width: CONVS_DIM, of the pyramid.
        mask_width: MASK_DIM, of mask features and mask embeddings.
        hidden: of the transformer decoder; heads, feedforward and layers likewise.
        queries: masks proposed for each image.
        dropout: in the transformer decoder, while training.
        class_embed: hidden and output widths of the class head's MLP, or () for none.
    """

    width: int = 256
    mask_width: int = 256
    hidden: int = 256
    heads: int = 8
    feedforward: int = 2048
    layers: int = 6
    queries: int = 100
    dropout: float = 0.1
    class_embed: tuple[int, ...] = (1024, 512)


class _Size(Protocol):
    """The sizes of a method, among which a MaskFormer head's."""

    @property
    def proposals(self) -> ProposalSize: ...


Size = TypeVar("Size", bound=_Size)


def with_queries(size: Size, queries: int | None) -> Size:
    """The same sizes with so many proposals an image; None leaves the size's own.

    Raises:
        UsageError: fewer than one.
    """
    if queries is None:
        return size
    if queries < 1:
        raise UsageError(f"queries={queries}: expected the number of proposals an image, 1 or more")
    return replace(size, proposals=replace(size.proposals, queries=queries))  # type: ignore[type-var]


@dataclass(frozen=True)
class Proposals:
    """Mask proposals.

    Attributes:
        mask_logits: [B, Q, H/4, W/4].
        embeddings: [B, Q, hidden], what a class head reads.
    """

    mask_logits: Tensor
    embeddings: Tensor


class ProposalPredictor(nn.Module):
    """Queries through the transformer decoder over res5; key names below `sem_seg_head.predictor.`.

    `class_embed` is not run here: a method that classifies by it calls it on `Proposals.embeddings`.
    """

    def __init__(self, size: ProposalSize, inputs: int) -> None:
        super().__init__()
        self.transformer = nn.ModuleDict(
            {
                "decoder": TransformerDecoder(
                    size.layers, size.hidden, size.heads, size.feedforward, size.dropout
                )
            }
        )
        self.query_embed = nn.Embedding(size.queries, size.hidden)
        self.input_proj = nn.Conv2d(inputs, size.hidden, 1)
        self.mask_embed = MLP((size.hidden, size.hidden, size.hidden, size.mask_width))
        self.class_embed = MLP((size.hidden, *size.class_embed)) if size.class_embed else None
        nn.init.kaiming_uniform_(self.input_proj.weight, a=1)
        nn.init.zeros_(self.input_proj.bias)  # type: ignore[arg-type]

    def forward(self, res5: Tensor, mask_features: Tensor, every_layer: bool = False) -> list[Proposals]:
        """[B, C, h, w] and [B, mask_width, H/4, W/4] -> the last (or every) layer's proposals."""
        memory = self.input_proj(res5)
        height, width = memory.shape[-2:]
        position = sine_position(height, width, memory.shape[1], memory.device).flatten(0, 1)
        decoder = self.transformer["decoder"]
        hidden = decoder(memory.flatten(2).transpose(1, 2), position, self.query_embed.weight, every_layer)
        return [Proposals(self._masks(each, mask_features), each) for each in hidden]

    def _masks(self, embeddings: Tensor, mask_features: Tensor) -> Tensor:
        masks: Tensor = torch.bmm(self.mask_embed(embeddings), mask_features.flatten(2))
        return masks.reshape(*masks.shape[:2], *mask_features.shape[-2:])


class ProposalHead(nn.Module):
    """Pixel decoder and predictor; key names below `sem_seg_head.`.

    Args:
        size: of the head.
        channels: of the backbone's res2, res3, res4, res5.
    """

    def __init__(self, size: ProposalSize, channels: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.pixel_decoder = PixelDecoder(channels, size.width, size.mask_width)
        self.predictor = ProposalPredictor(size, channels[-1])

    def forward(self, features: Mapping[str, Tensor]) -> Proposals:
        """`res2` ... `res5` -> proposals of the last decoder layer."""
        return self.every_layer(features, every_layer=False)[-1]

    def every_layer(self, features: Mapping[str, Tensor], every_layer: bool = True) -> list[Proposals]:
        """The proposals of each decoder layer, for deep supervision in training."""
        mask_features = self.pixel_decoder(features)
        proposals: list[Proposals] = self.predictor(features["res5"], mask_features, every_layer)
        return proposals
