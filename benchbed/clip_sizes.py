"""The sizes of the CLIPs in use. Free of torch, so that method cards can name them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

HEAD_WIDTH: Final = 64  # OpenAI's models: heads = width // 64, in both towers.


@dataclass(frozen=True)
class ClipSize:
    """The sizes that make a CLIP; QuickGELU throughout, as OpenAI's weights need it.

    Attributes:
        embed_dim: the shared embedding, numbers.
        image_size, patch: pixels.
        width, layers: of the image tower.
        text_width, text_layers: of the text tower.
        context, words: token positions and vocabulary entries of the text tower.
    """

    embed_dim: int
    image_size: int
    patch: int
    width: int
    layers: int
    text_width: int
    text_layers: int
    context: int = 77
    words: int = 49408

    @property
    def grid(self) -> int:
        """Patches a side at the pretraining size."""
        return self.image_size // self.patch


# Sizes of OpenAI's released models (open_clip model configs ViT-B-16-quickgelu and ViT-L-14-336-quickgelu).
VIT_B16: Final = ClipSize(512, 224, 16, 768, 12, 512, 12)
VIT_L14_336: Final = ClipSize(768, 336, 14, 1024, 24, 768, 12)
# Ours, for the embedded dataset: small enough to train on two cores.
TINY: Final = ClipSize(
    embed_dim=64, image_size=64, patch=8, width=128, layers=4, text_width=64, text_layers=2
)

CLIP_SIZES: Final = {"vit-b16": VIT_B16, "vit-l14-336": VIT_L14_336, "tiny": TINY}
