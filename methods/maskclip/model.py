"""MaskCLIP (Zhou, Loy, Dai; ECCV 2022), section 3.2: no training, no new parameter."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Final

from open_clip.transformer import LayerNorm, QuickGELU
from open_clip.zero_shot_metadata import OPENAI_IMAGENET_TEMPLATES
from torch import Tensor, nn

from benchbed.clip import ImageTower, TextTower, resize_position
from benchbed.clip_sizes import CLIP_SIZES, ClipSize
from benchbed.images import ImageBatch
from benchbed.input_spec import InputSpec
from benchbed.scores import DenseScores, Geometry
from benchbed.segmenter import Segmenter, TextFeatures
from benchbed.stages import stage
from benchbed.vocabulary import Vocabulary
from methods.maskclip.card import INPUT

# The authors' 85 templates: OpenAI's 80 for ImageNet and five of scenes (tools/maskclip_utils/prompt_engineering.py).
TEMPLATES: Final = (
    *(template("{}") for template in OPENAI_IMAGENET_TEMPLATES),
    "there is a {} in the scene.",
    "there is the {} in the scene.",
    "this is a {} in the scene.",
    "this is the {} in the scene.",
    "this is one {} in the scene.",
)
ACTIVATIONS: Final[dict[str, type[nn.Module]]] = {"gelu": nn.GELU, "quick-gelu": QuickGELU}


class MaskCLIP(Segmenter):
    """Per-patch cosine similarities of CLIP's value path with class-name embeddings.

    Args:
        size: the CLIP's sizes.
        input_spec: how images enter.
        activation: `gelu` as the authors ran it, or `quick-gelu` as CLIP was trained.
        norm_eps: LayerNorm epsilon of the image tower.
    """

    clip_prefixes = ("visual.", "text.")
    text_prefixes = ("text.",)

    def __init__(self, size: ClipSize, input_spec: InputSpec, activation: str, norm_eps: float) -> None:
        super().__init__(input_spec)
        self.visual = ImageTower(size, ACTIVATIONS[activation], partial(LayerNorm, eps=norm_eps))
        self.text = TextTower(size)
        self.requires_grad_(False)

    def encode_vocabulary(self, vocabulary: Vocabulary) -> TextFeatures:
        """[K, D] unit-norm means over the 85 templates."""
        return TextFeatures(self.text.encode_words(vocabulary.prompts, TEMPLATES))

    def segment(self, images: ImageBatch, text: TextFeatures) -> DenseScores:
        """Cosine similarities [B, K, h, w], one a patch, without a temperature (argmax does not need one)."""
        with stage("clip_image"):
            features = self.visual.dense(images.tensor, self._position(images.tensor))
        with stage("classify"):
            logits = (features.flatten(2).transpose(1, 2) @ text.embeddings.T).transpose(1, 2)
            logits = logits.unflatten(2, features.shape[2:])
        return DenseScores(logits, tuple(self._stretched(g, images) for g in images.geometry))

    def _position(self, tensor: Tensor) -> Tensor:
        """The authors resize the table only where the token count differs, whatever the grid's shape."""
        table = self.visual.positional_embedding
        grid = (tensor.shape[2] // self.visual.size.patch, tensor.shape[3] // self.visual.size.patch)
        return table if grid[0] * grid[1] == len(table) - 1 else resize_position(table, grid)

    def _stretched(self, geometry: Geometry, images: ImageBatch) -> Geometry:
        """The authors resize the padded grid's logits to the unpadded image. Only exact where an image sets the padding."""
        alone = self.input_spec.padded(*geometry.valid) == tuple(images.tensor.shape[2:])
        return replace(geometry, padded=geometry.valid) if alone else geometry


def build(
    clip: str = "vit-b16",
    activation: str = "gelu",
    norm_eps: float = 1e-6,
    size: ClipSize | None = None,
    input_spec: InputSpec = INPUT,
) -> MaskCLIP:
    """A MaskCLIP with random weights; `clip` names one of `CLIP_SIZES`, `size` overrides it."""
    return MaskCLIP(size or CLIP_SIZES[clip], input_spec, activation, norm_eps)
