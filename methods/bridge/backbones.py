"""The lightweight image encoders, each giving the features of its four stages for images of any size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from methods.parts.mmseg_backbone import mmseg_backbone

# Blocks of timm's xception41 after which a stage ends: two entry blocks, the entry's third with the middle flow, the exit.
_XCEPTION_ENDS: Final = (0, 1, 10, 12)


def backbone(name: str) -> nn.Module:
    """With random weights, without a classifier; maps [B, 3, H, W] to 4 features [B, C, H/s, W/s], sizes rounded up."""
    if name == "efficientformer-l1":
        return EfficientFormer()
    if name == "xception":
        return Xception()
    width = 0.5 if name == "mobilenetv2-half" else 1.0
    # Stages 2, 3, 5 and 7 of its seven: the last at strides 4, 8, 16 and 32.
    return mmseg_backbone({"type": "mmseg.MobileNetV2", "widen_factor": width, "out_indices": (1, 2, 4, 6)})


# Of classifiers: what follows the last stage. "conv2." is MobileNetV2's convolution to 1,280 channels; the final norm is
# EfficientFormer's.
_UNUSED: Final = ("head.", "head_dist.", "norm.", "fc.", "conv2.")


def pretrained(body: nn.Module, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """An ImageNet classifier's tensors by the names of `backbone(...)`, those left out that follow its last stage.

    Args:
        body: of `backbone`; its own step counts of norms stay where a file has none.
        tensors: by mmpretrain's names (`backbone.` in front) or timm's.
    """
    prefix = "net." if isinstance(body, Xception | EfficientFormer) else ""
    own = {n: value for n, value in body.state_dict().items() if n.endswith("num_batches_tracked")}
    bare = {name.removeprefix("backbone."): value for name, value in tensors.items()}
    kept = {f"{prefix}{name}": value for name, value in bare.items() if not name.startswith(_UNUSED)}
    return {**own, **kept}


class Xception(nn.Module):
    """timm's Aligned Xception-41."""

    def __init__(self) -> None:
        super().__init__()
        self.net = timm.create_model("xception41", pretrained=False, num_classes=0)

    def forward(self, x: Tensor) -> list[Tensor]:
        """[B, 3, H, W] to four features."""
        net: Any = self.net
        x = net.stem(x)
        features = []
        for index, block in enumerate(net.blocks):
            x = block(x)
            if index in _XCEPTION_ENDS:
                features.append(x)
        return features


class EfficientFormer(nn.Module):
    """timm's EfficientFormer-L1, made to take images of any size.

    Its last block attends over tokens with a table of position biases for 7 x 7 of them (224 x 224 pixels). At other sizes the
    table, one bias for each distance in rows and columns, is resized to the grid's distances. The authors' segmentation code
    instead drops the ImageNet table, trains one for 16 x 16 and stretches the matrix of token pairs
    (snap-research/EfficientFormer, segmentation/backbone.py); at 7 x 7 ours is timm's network unchanged.
    """

    def __init__(self) -> None:
        super().__init__()
        self.net = timm.create_model("efficientformer_l1", pretrained=False, num_classes=0)
        self.net.norm = nn.Identity()  # the classifier's; features are taken before it

    def forward(self, x: Tensor) -> list[Tensor]:
        """[B, 3, H, W] to four features."""
        net: Any = self.net
        x = net.stem(x)
        features = []
        for stage in net.stages[:3]:
            x = stage(x)
            features.append(x)
        return [*features, self._last(net.stages[3], x)]

    @staticmethod
    def _last(stage: Any, x: Tensor) -> Tensor:
        x = stage.downsample(x)
        grid = (x.shape[2], x.shape[3])
        for block in stage.blocks:
            x = _token_block(block, x, grid) if hasattr(block, "norm1") else block(x)
        features: Tensor = x.transpose(1, 2).unflatten(2, grid)
        return features


def _token_block(block: Any, tokens: Tensor, grid: tuple[int, int]) -> Tensor:
    """A transformer block over tokens [B, h*w, C] of a grid of any size."""
    attended = attend(block.token_mixer, block.norm1(tokens), grid)
    tokens = tokens + block.drop_path1(block.ls1(attended))
    added: Tensor = block.drop_path2(block.ls2(block.mlp(block.norm2(tokens))))
    return tokens + added


def attend(attention: Any, tokens: Tensor, grid: tuple[int, int]) -> Tensor:
    """timm's EfficientFormer attention with biases for this grid: tokens [B, h*w, C] to the same shape."""
    split = [attention.key_dim, attention.key_dim, attention.val_dim]
    parts = attention.qkv(tokens).unflatten(-1, (attention.num_heads, -1)).transpose(1, 2).split(split, dim=3)
    query, key, value = parts
    bias = position_bias(attention.attention_biases, grid).to(query.dtype)
    mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=bias, scale=attention.scale)
    result: Tensor = attention.proj(mixed.transpose(1, 2).flatten(2))
    return result


def position_bias(table: Tensor, grid: tuple[int, int]) -> Tensor:
    """Biases of all token pairs of a grid (h, w), [heads, h*w, h*w].

    Args:
        table: [heads, s*s], one bias for each distance (rows, columns) on an s x s grid. On another grid it is resized
            bilinearly with corners aligned, so that distance 0 stays 0 and the farthest stays the farthest.
        grid: (h, w).
    """
    side = round(table.shape[1] ** 0.5)
    distances = table.unflatten(1, (side, side))
    if grid != (side, side):
        distances = F.interpolate(distances[None].float(), grid, mode="bilinear", align_corners=True)[0]
    rows, columns = (torch.arange(length, device=table.device) for length in grid)
    down = (rows[:, None] - rows).abs()
    right = (columns[:, None] - columns).abs()
    pairs: Tensor = distances[:, down[:, None, :, None], right[None, :, None, :]]
    return pairs.flatten(3).flatten(1, 2)
