"""ImageNet's weights by timm's and torchvision's names, as what the image encoders call them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from torch import Tensor, nn

from methods.lseg.resnet import ResNetEncoder

# The classifier, and the ViT's final norm, which follows the last block that is read.
UNUSED: Final = ("head.", "norm.", "fc_norm.", "fc.")
# The encoder's first stage holds the stem too.
_STEM: Final = {"conv1.": "layer1.0.", "bn1.": "layer1.1.", "layer1.": "layer1.4."}


def encoder_tensors(encoder: nn.Module, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A classifier's tensors by the encoder's names, those left out that it has no use for.

    Args:
        encoder: of `LSeg`, whose own step counts of norms stay where an old file has none.
        tensors: by timm's names (ViT) or torchvision's (ResNet).
    """
    own = {n: value for n, value in encoder.state_dict().items() if n.endswith("num_batches_tracked")}
    kept = {name: value for name, value in tensors.items() if not name.startswith(UNUSED)}
    if isinstance(encoder, ResNetEncoder):
        kept = {_staged(name): value for name, value in kept.items()}
    return {**own, **kept}


def _staged(name: str) -> str:
    part = name.partition(".")[0] + "."
    return _STEM.get(part, part) + name.removeprefix(part)
