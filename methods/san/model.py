"""SAN (Xu, Zhang, Wei, Hu, Bai; CVPR 2023): masks from a side network, names from one pass through CLIP."""

from __future__ import annotations

from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchbed.checkpoints import Conversion
from benchbed.clip import ImageTower, TextTower
from benchbed.errors import UsageError
from benchbed.images import ImageBatch
from benchbed.scores import MaskScores
from benchbed.segmenter import Segmenter, TextFeatures
from benchbed.stages import stage
from benchbed.vocabulary import VILD_TEMPLATES, Vocabulary
from methods.parts.backbone_recipe import BACKBONE
from methods.parts.full_precision import full_precision
from methods.parts.mask_former_training import train_only
from methods.san.mask_decoder import MaskDecoder, Proposals
from methods.san.recognition import Seen, recognise, see, steering
from methods.san.side_adapter import SideAdapter
from methods.san.sizes import SanSize, plain
from methods.san.training import BACKGROUND, POSITIONS, MasksStage, SideAdapterStage, training_stage

INITIAL_LOGIT_SCALE = 4.6052  # ln(100), where OpenAI's CLIPs ended


class SAN(Segmenter):
    """Side Adapter Network.

    Stages: `clip_image` is CLIP over the image and, later, over the mask tokens; `backbone` is the side network's
    transformer, `proposals` its mask decoder, `classify` the products with the class names.

    Args:
        size: all sizes.
    """

    clip_prefixes = ("clip.", "text.", "logit_scale")
    text_prefixes = ("text.", "logit_scale")

    def __init__(self, size: SanSize) -> None:
        super().__init__(size.inputs)
        self.size = size
        self.conversion: Conversion | None = None
        self.clip = ImageTower(size.clip)
        self.text = TextTower(size.clip)
        self.side = SideAdapter(size)
        self.decoder = MaskDecoder(size)
        self.logit_scale = nn.Parameter(torch.tensor(INITIAL_LOGIT_SCALE))
        self.bg_embed = nn.Parameter(torch.randn(1, size.clip.embed_dim) * size.clip.embed_dim**-0.5)
        self._stage: SideAdapterStage | MasksStage | None = None
        train_only(self, *MasksStage.learns, BACKGROUND, POSITIONS)

    def encode_vocabulary(self, vocabulary: Vocabulary) -> TextFeatures:
        """[K, D] unit-norm means over ViLD's 14 templates; the background joins in `classify`."""
        return TextFeatures(self.text.encode_words(vocabulary.prompts, VILD_TEMPLATES))

    def segment(self, images: ImageBatch, text: TextFeatures) -> MaskScores:
        """Mask logits [B, Q, h, w] at the side network's resolution and class probabilities [B, Q, K]."""
        proposals, seen = self.propose(images.tensor)
        embeddings = self.name(proposals, seen)
        with stage("classify"):
            scores = self.classify(embeddings, text).softmax(-1)[..., :-1]
        return MaskScores(proposals.masks.float(), scores, images.geometry, order="resize-logits")

    def picture_features(self, images: Tensor) -> Tensor:
        """Stage `backbone`: the side network's last patches [B, C, h, w] of [B, 3, H, W]."""
        seen = self.see(self.clip_input(images))
        _, patches, side_grid = self.side(images, seen.states, seen.grid)
        features: Tensor = patches.transpose(1, 2).unflatten(2, side_grid)
        return features

    def begin_stage(self, name: str, **choices: Any) -> Self:
        """Enter `side-adapter`, or `backbone` or `masks` before it; `choices` as for `training.training_stage`.

        Raises:
            UsageError: another stage, or a choice out of range.
        """
        if name == BACKBONE:
            if choices:
                raise UsageError(
                    f"SAN's stage {BACKBONE!r} takes no choices, found {', '.join(choices)}; leave them out"
                )
            self._stage = None
            train_only(self, "side.")
            return self
        self._stage = training_stage(name, choices, self.size.side_layers)
        train_only(self, *self._stage.learns)
        return self

    def loss(self, images: ImageBatch, labels: Tensor, text: TextFeatures) -> dict[str, Tensor]:
        """The stage's losses by name, of the last side block and those supervised before it.

        Raises:
            UsageError: no stage was begun.
        """
        if self._stage is None:
            raise UsageError(
                "SAN is not in training: call begin_stage('masks') or begin_stage('side-adapter') first"
            )
        return self._stage.losses(self, images.tensor, labels, text)

    def propose(self, tensor: Tensor) -> tuple[Proposals, Seen]:
        """[B, 3, H, W] to proposals, and what CLIP sees without them."""
        with stage("clip_image"):
            seen = self.see(self.clip_input(tensor))
        with stage("backbone"):
            queries, patches, side_grid = self.side(tensor, seen.states, seen.grid)
        with stage("proposals"):
            proposals = self.decoder(queries, patches, side_grid)
        return proposals, seen

    def clip_input(self, tensor: Tensor) -> Tensor:
        """[B, 3, H, W] scaled for CLIP: the size is floored, the sampling step is exactly 1 / factor."""
        factor = self.size.clip_resolution
        return F.interpolate(tensor, scale_factor=factor, mode="bilinear", align_corners=False)

    def see(self, tensor: Tensor) -> Seen:
        """CLIP's blocks over [B, 3, h, w], without any mask."""
        tokens, grid = self.clip.tokens(tensor)
        kept = {self.size.shallow, *(block for block, _ in self.size.fusion)}
        return see(self.clip.transformer.resblocks, tokens, grid, self.size.shallow, kept)

    def name(self, proposals: Proposals, seen: Seen) -> Tensor:
        """One unit-norm embedding a mask, [B, Q, D], by CLIP's deep blocks."""
        with stage("clip_image"):
            shallow = self.size.shallow
            deep = self.clip.transformer.resblocks[shallow:]
            cls = seen.states[shallow][:, :1]
            tokens = recognise(deep, cls, seen, steering(proposals.bias, seen.grid))
            return F.normalize((self.clip.ln_post(tokens) @ self.clip.proj).float(), dim=-1)

    def classify(self, embeddings: Tensor, text: TextFeatures) -> Tensor:
        """Class logits [B, Q, K + 1], the background last.

        Always float32: at a scale of 100, bfloat16 would round logits by up to a quarter.
        """
        with full_precision(embeddings):
            names = torch.cat([text.embeddings.float(), self.bg_embed.float()])
            return embeddings @ (self.logit_scale.float().exp() * F.normalize(names, dim=-1)).T


def build(**keywords: Any) -> SAN:
    """A SAN with random weights; the keywords are `SanSize`'s, with `clip` also by name.

    Raises:
        UsageError: an unknown keyword, or sizes that do not fit together.
    """
    return SAN(SanSize(**plain(keywords)))
