"""From a checkpoint of ours, or of the official training code, to a segmenter; sizes come from the tensors' shapes.

The authors published no weights. What their code saves holds no class vectors: those come along as `embeddings=`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from torch import Tensor

from benchbed.checkpoints import assign
from benchbed.clip_sizes import CLIP_SIZES, ClipSize
from benchbed.errors import CheckpointError
from methods.parts.word_vectors import Embeddings, WordVectors, kept_words, replaced, state_of, word_vectors
from methods.spnet import key_names
from methods.spnet.model import SPNet
from methods.spnet.sizes import SpnetSize, plain

# (convolutions a block, blocks of the third stage) -> depth of the ResNet.
_DEPTHS: Final = {(2, 2): 18, (2, 6): 34, (3, 6): 50, (3, 23): 101}


def load(tensors: Mapping[str, Tensor], embeddings: Embeddings | None = None, **overrides: Any) -> SPNet:
    """Build an SPNet from our own tensors or the official training code's.

    Args:
        tensors: by their names in the file, `module.scale.` in front or not.
        embeddings: class vectors; needed where the file has neither a text tower nor vectors with names.
        overrides: `SpnetSize`'s fields. What shapes cannot tell: `rates`, `pyramid`, `gamma`, `templates`, `frozen_norm`,
            `caffe`, `warp` and `side`, with the published values as defaults.

    Returns:
        The segmenter; its `conversion` names every tensor used, and those ignored with the reason.

    Raises:
        UsageError: an unknown keyword, or embeddings that are none.
        CheckpointError: of another method or size, a tensor missing or left over, a size asked for that is not the
            checkpoint's, or no class vectors anywhere.
    """
    given = plain(overrides)
    words = kept_words(tensors) if embeddings is None else word_vectors(embeddings)
    ignored = {} if embeddings is None else replaced(tensors)
    sources = {key_names.ours(name): name for name in tensors if name not in ignored}
    renamed = {name: tensors[source] for name, source in sources.items()}
    segmenter = SPNet(SpnetSize(**_settled(sizes_told_by(renamed, words), given)), words)
    table = {} if words is None or embeddings is None else state_of(words)
    conversion = assign(segmenter, {**renamed, **table}, ignored)
    used = tuple(sources[name] for name in conversion.used if name in sources)
    segmenter.conversion = replace(conversion, used=used)
    return segmenter


def sizes_told_by(tensors: Mapping[str, Tensor], words: WordVectors | None = None) -> dict[str, Any]:
    """Every field of `SpnetSize` that shapes tell, from tensors by our names.

    Raises:
        CheckpointError: a tensor that every SPNet has is missing, or there are no class vectors.
    """
    try:
        told: dict[str, Any] = {
            "width": tensors["backbone.conv1.weight"].shape[0],
            "depth": _depth_of(tensors),
        }
        dim = tensors["aspp.branches.0.weight"].shape[0]
        if words is None:
            told["text"] = _text_of(tensors, dim)
    except KeyError as error:
        raise CheckpointError(f"the checkpoint lacks {error.args[0]}; is it of another method?") from error
    except (ValueError, IndexError) as error:
        raise CheckpointError(
            f"a tensor has an unexpected number of axes ({error}); is it of another method?"
        ) from error
    if words is not None and words.dim != dim:
        raise CheckpointError(
            f"the checkpoint's pixel embeddings have {dim} numbers, the given class vectors {words.dim}; "
            "give the vectors it was trained with (the authors': fastText and word2vec, 600)"
        )
    return told


def _depth_of(tensors: Mapping[str, Tensor]) -> int:
    blocks = {name.split(".")[2] for name in tensors if name.startswith("backbone.layer3.")}
    found = (3 if "backbone.layer3.0.conv3.weight" in tensors else 2, len(blocks))
    if found not in _DEPTHS:
        raise CheckpointError(
            f"the third stage has {found[1]} blocks of {found[0]} convolutions; expected one of "
            f"{', '.join(f'{count} of {each}' for each, count in _DEPTHS)}: a ResNet-18, 34, 50 or 101"
        )
    return _DEPTHS[found]


def _text_of(tensors: Mapping[str, Tensor], dim: int) -> ClipSize:
    """The text tower's sizes; those of the image tower, which SPNet has none of, are of any CLIP with the same text tower."""
    if "text.token_embedding.weight" not in tensors:
        raise CheckpointError(
            "the checkpoint holds no text tower, so classes would have no vectors; give them as embeddings= "
            f"(class name -> {dim} numbers; the authors' are fastText and word2vec, 600)"
        )
    words, text_width = tensors["text.token_embedding.weight"].shape
    prefix = "text.transformer.resblocks."
    layers = len({name[len(prefix) :].split(".")[0] for name in tensors if name.startswith(prefix)})
    text = {
        "embed_dim": tensors["text.text_projection"].shape[1],
        "text_width": text_width,
        "text_layers": layers,
        "context": tensors["text.positional_embedding"].shape[0],
        "words": words,
    }
    return next(
        (size for size in CLIP_SIZES.values() if replace(size, **text) == size),
        replace(CLIP_SIZES["vit-b16"], **text),
    )


def _settled(told: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Shapes first, then keywords; a keyword against the shapes is an error."""
    for name in sorted(set(told) & set(given)):
        if told[name] != given[name]:
            raise CheckpointError(
                f"{name} is {told[name]} by the checkpoint's shapes, but {given[name]} was asked for; "
                "is it of another variant? Drop the keyword, or name the variant that fits"
            )
    return {**told, **given}
