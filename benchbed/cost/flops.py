"""FLOPs of a segmenter: the image side by stage, the text side apart, the label map apart; two counters that must agree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from benchbed.cost.flop_counters import TorchCount, count_with_fvcore, count_with_torch
from benchbed.cost.label_map_flops import label_map_flops
from benchbed.cost.mac_formulas import vit_macs
from benchbed.cost.shape_only import shape_only, without_values
from benchbed.errors import MeasurementError
from benchbed.vocabulary import Vocabulary

if TYPE_CHECKING:
    from benchbed.images import ImageBatch
    from benchbed.segmenter import Segmenter, TextFeatures

FLOPS_PER_MAC: Final = 2
TOLERANCE: Final = 0.002  # of the larger one: how far two counts of the same work may lie apart
COUNTED: Final = (
    "convolutions, linear layers, matrix products and the products of attention; 1 multiply-add = 2 FLOPs; "
    "norms, activations, softmax, biases and interpolation are not counted; attention under a mask counts in full"
)


@dataclass(frozen=True)
class Flops:
    """FLOPs (2 a multiply-add) of one batch and one vocabulary.

    Attributes:
        total: of `segment` with text features at hand.
        per_stage: its parts by torch's counter, a nested stage's apart from those of the stage around it, `unaccounted`
            being the rest; they sum to `total`.
        text: of `encode_vocabulary` over the whole vocabulary; paid once where text is cached.
        label_map: of the products that make class scores per pixel from masks and classes (`benchbed.scores`), by
            formula; interpolation is not counted.
        counters: `segment` by `fvcore` and by `torch`; they agree within 0.2 %, or there is no result.
        counted_on: for `segment` and `text`, what torch's counter saw: `shapes` (a pass without values) or `values`.
        counted: what counts, in words.
    """

    total: int
    per_stage: dict[str, int]
    text: int
    label_map: int
    counters: dict[str, int]
    counted_on: dict[str, str]
    counted: str = COUNTED

    @property
    def gmac(self) -> float:
        """`total` in billions of multiply-adds, which many papers print as "GFLOPs"."""
        return self.total / FLOPS_PER_MAC / 1e9


def count_flops(
    segmenter: Segmenter, images: ImageBatch, vocabulary: Vocabulary, text: TextFeatures | None = None
) -> Flops:
    """Count one forward pass: by fvcore while it really runs, by torch's counter on shapes.

    Where Python looks at values (which crops are worth a pass, say), torch's counter takes a second real pass.

    Args:
        segmenter: in evaluation mode.
        images: B images.
        vocabulary: K classes.
        text: its features, if they are at hand or shall be made up; else the segmenter's cached ones.

    Raises:
        MeasurementError: the counters disagree, one cannot follow, or an operator that should count has no formula.
    """
    if segmenter.training:
        raise MeasurementError(f"FLOPs: {type(segmenter).__name__} is in training mode; call .eval() first")
    with torch.no_grad():
        features = _plain(text or segmenter.text_for(vocabulary))

    def segment(model: Segmenter) -> object:
        return model.segment(images, features)

    fvcore_flops = count_with_fvcore(lambda: segment(segmenter), segmenter)
    seen, counted_on = _by_torch(segmenter, segment, fvcore_flops)
    agree("the forward pass", fvcore=fvcore_flops, torch=seen.total)
    text_flops, text_counted_on = count_text(segmenter, vocabulary)
    scores: Any = seen.result
    return Flops(
        total=seen.total,
        per_stage=seen.per_stage,
        text=text_flops,
        label_map=label_map_flops(scores),
        counters={"fvcore": fvcore_flops, "torch": seen.total},
        counted_on={"segment": counted_on, "text": text_counted_on},
    )


def count_text(segmenter: Segmenter, vocabulary: Vocabulary) -> tuple[int, str]:
    """FLOPs of encoding a vocabulary, and what they were counted on (`shapes` or `values`).

    Both counters check the first class, fvcore while it really runs: a text tower's operators do not depend on how many
    classes there are. All classes are left to torch's counter: on shapes, 2,394 prompts take a second, not a minute.

    Raises:
        MeasurementError: as `count_flops`.
    """
    first = Vocabulary(vocabulary.names[:1], vocabulary.seen[:1], vocabulary.prompts[:1])
    fvcore_flops = count_with_fvcore(lambda: segmenter.encode_vocabulary(first), segmenter)
    probe, _ = _by_torch(segmenter, lambda model: model.encode_vocabulary(first), fvcore_flops)
    agree("the text tower on the first class", fvcore=fvcore_flops, torch=probe.total)
    whole, counted_on = _by_torch(segmenter, lambda model: model.encode_vocabulary(vocabulary))
    return whole.total, counted_on


def _by_torch(
    segmenter: Segmenter, work: Callable[[Segmenter], object], expected: int | None = None
) -> tuple[TorchCount, str]:
    """Count on a copy without values; really, where that fails or does not give what is expected."""
    try:
        copy = shape_only(segmenter)
        count = without_values(lambda: count_with_torch(lambda: work(copy)))
        if expected is None or _close(count.total, expected):
            return count, "shapes"
    except Exception:  # whatever stops a pass without values says nothing of the real one, which comes next
        pass
    return count_with_torch(lambda: work(segmenter)), "values"


def _close(*counts: int) -> bool:
    return max(counts) - min(counts) <= TOLERANCE * max(counts)


def agree(what: str, **counts: int) -> None:
    """Raise if counts of the same work differ by more than 0.2 % of the largest.

    Raises:
        MeasurementError: with every count.
    """
    if not _close(*counts.values()):
        found = ", ".join(f"{name} {flops / 1e9:.4f} GFLOP" for name, flops in counts.items())
        raise MeasurementError(
            f"FLOPs of {what}: the counters disagree ({found}; at most {TOLERANCE:.1%} is allowed): one of them misses "
            "an operator, or the pass does not do the same work each time; neither number can be trusted"
        )


def check_counters(build: Callable[[], nn.Module] | None = None) -> dict[str, int]:
    """Count CLIP's ViT-B/16 at 224 pixels by hand and by both counters (17.5635 GMAC, ecosystem.md section 6).

    Args:
        build: makes the tower; open_clip's `ViT-B-16` visual tower with random weights if not given.

    Returns:
        FLOPs: `hand`, `fvcore`, `torch`.

    Raises:
        MeasurementError: a counter is off by more than 0.2 %: this torch or fvcore cannot be trusted to count.
    """
    tower = (build or _open_clip_tower)().eval()
    image = torch.zeros(1, 3, 224, 224)
    counts = {
        "hand": FLOPS_PER_MAC * vit_macs(image=224, patch=16, width=768, layers=12, embedding=512),
        "fvcore": count_with_fvcore(lambda: tower(image), tower),
        "torch": count_with_torch(lambda: tower(image)).total,
    }
    agree("ViT-B/16 at 224 pixels", **counts)
    return counts


def _open_clip_tower() -> nn.Module:
    from open_clip.transformer import VisionTransformer

    tower: nn.Module = VisionTransformer(
        image_size=224, patch_size=16, width=768, layers=12, heads=12, mlp_ratio=4.0, output_dim=512
    )
    return tower


def _plain(text: TextFeatures) -> TextFeatures:
    """Features as ordinary tensors, which a trace can hold: without gradients, and not of inference_mode."""

    def plain(tensor: Tensor) -> Tensor:
        return tensor.detach().clone()

    return replace(
        text, embeddings=plain(text.embeddings), extra=tree_map_only(Tensor, plain, dict(text.extra))
    )
