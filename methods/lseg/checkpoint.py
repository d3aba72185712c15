"""From an official LSeg checkpoint, or one of ours, to a segmenter; sizes come from the tensors' shapes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from torch import Tensor

from benchbed.checkpoints import assign
from benchbed.clip_sizes import ClipSize
from benchbed.errors import CheckpointError, UsageError
from methods.lseg import key_names
from methods.lseg.model import LSeg
from methods.lseg.sizes import VIT_B32, LSegSize, even_hooks, plain, usual_heads
from methods.parts.word_vectors import (
    TABLE,
    Embeddings,
    WordVectors,
    kept_words,
    replaced,
    state_of,
    word_vectors,
)


def load(tensors: Mapping[str, Tensor], embeddings: Embeddings | None = None, **overrides: Any) -> LSeg:
    """Build an LSeg from the authors' or our own tensors.

    Args:
        tensors: by their names in the file, `net.` in front or not.
        embeddings: class vectors; needed where the file has neither a text tower nor vectors with names.
        overrides: `LSegSize`'s fields. What shapes cannot tell: `heads` (width / 64), `hooks` (the last block of each
            quarter), `regularisation` of a checkpoint that has such a block, with its `depth` and `activation`, and
            how to infer: `similarity`, `evaluation` and its sizes.

    Returns:
        The segmenter; its `conversion` names every tensor used, and those ignored with the reason.

    Raises:
        UsageError: an unknown keyword, or embeddings that are none.
        CheckpointError: of another method or size, a tensor missing or left over, a size asked for that is not the
            checkpoint's, or no class vectors anywhere.
    """
    given = plain(overrides)
    words = kept_words(tensors) if embeddings is None else word_vectors(embeddings)
    ignored = {**key_names.ignored(tensors), **_replaced(tensors, embeddings is not None)}
    sources = {key_names.ours(name): name for name in tensors if name not in ignored}
    renamed = {name: tensors[source] for name, source in sources.items()}
    segmenter = LSeg(_settled(sizes_told_by(renamed, words), given), words)
    table = {} if words is None or embeddings is None else state_of(words)
    conversion = assign(segmenter, {**renamed, **table}, ignored)
    used = tuple(sources[name] for name in conversion.used if name in sources)
    segmenter.conversion = replace(conversion, used=used)
    return segmenter


def _replaced(tensors: Mapping[str, Tensor], given: bool) -> dict[str, str]:
    """The file's own text tower or table, by the file's names, where vectors were given."""
    reasons = replaced(key_names.ours(name) for name in tensors) if given else {}
    return {name: reasons[key_names.ours(name)] for name in tensors if key_names.ours(name) in reasons}


def sizes_told_by(tensors: Mapping[str, Tensor], words: WordVectors | None = None) -> dict[str, Any]:
    """Every field of `LSegSize` that shapes tell, from tensors by our names.

    Raises:
        CheckpointError: a tensor that every LSeg has is missing, or there are no class vectors.
    """
    try:
        laterals = [tensors[f"decoder.lateral.{level}.weight"] for level in range(4)]
        told: dict[str, Any] = {
            "pyramid": tuple(lateral.shape[1] for lateral in laterals),
            "features": laterals[0].shape[0],
        }
        dim = tensors["decoder.head.weight"].shape[0]
        if words is None:
            told["text"] = _text_of(tensors, dim)
        told.update(_encoder_of(tensors))
    except KeyError as error:
        raise CheckpointError(
            f"the checkpoint lacks {error.args[0]}; is it of another method, or a part of a model?"
        ) from error
    except (ValueError, IndexError) as error:
        raise CheckpointError(
            f"a tensor has an unexpected number of axes ({error}); is it of another method?"
        ) from error
    if words is not None and words.dim != dim:
        raise CheckpointError(
            f"the checkpoint's pixel embeddings have {dim} numbers, the given class vectors {words.dim}; "
            "give the vectors it was trained with"
        )
    if "regularise.depthwise.weight" not in tensors:
        told["regularisation"] = "none"
    return told


def _vit_of(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    width, _, patch, _ = tensors["encoder.patch_embed.proj.weight"].shape
    side = round((tensors["encoder.pos_embed"].shape[1] - 1) ** 0.5)
    layers = _count(tensors, "encoder.blocks.")
    return {"encoder": "vit", "width": width, "patch": patch, "table_image": side * patch, "layers": layers}


def _text_of(tensors: Mapping[str, Tensor], dim: int) -> ClipSize:
    """The text tower's sizes; an image tower's stay those of ViT-B/32, since there is none."""
    if TABLE in tensors:
        raise CheckpointError(
            "the checkpoint was trained with class vectors instead of a text tower, and holds no names of theirs; give them "
            f"as embeddings= (class name -> {dim} numbers)"
        )
    words, text_width = tensors["text.token_embedding.weight"].shape
    return replace(
        VIT_B32,
        embed_dim=tensors["text.text_projection"].shape[1],
        text_width=text_width,
        text_layers=_count(tensors, "text.transformer.resblocks."),
        context=tensors["text.positional_embedding"].shape[0],
        words=words,
    )


def _count(tensors: Mapping[str, Tensor], prefix: str) -> int:
    return len({name[len(prefix) :].split(".")[0] for name in tensors if name.startswith(prefix)})


def _settled(told: Mapping[str, Any], given: Mapping[str, Any]) -> LSegSize:
    """Shapes first, then keywords, then defaults; a keyword against the shapes is an error."""
    asked = dict(given)
    if "text" in asked and "text" in told and _tower(asked["text"]) == _tower(told["text"]):
        asked["text"] = told["text"]
    for field in fields(LSegSize):
        name = field.name
        if name in asked and name in told and asked[name] != told[name]:
            raise CheckpointError(
                f"{name} is {told[name]} by the checkpoint's shapes, but {asked[name]} was asked for; "
                "is it of another variant? Drop the keyword, or name the variant that fits"
            )
    known = {**told, **asked}
    if known.get("regularisation", "none") == "none" and "regularisation" not in told:
        raise CheckpointError(
            "the checkpoint has a regularisation block, and shapes do not tell which of the two it is: "
            "say regularisation='bottleneck' (arch_option 1) or 'depthwise' (arch_option 2), and depth=block_depth"
        )
    if known["encoder"] == "vit":
        known.setdefault("heads", usual_heads(known["width"]))
        known.setdefault("hooks", even_hooks(known["layers"]))
    try:
        return LSegSize(**known)
    except UsageError as error:
        raise CheckpointError(f"sizes that do not fit together: {error}") from error


def _tower(size: ClipSize) -> tuple[int, ...]:
    return size.embed_dim, size.text_width, size.text_layers, size.context, size.words


def _encoder_of(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    if "encoder.layer1.0.weight" in tensors:
        return {"encoder": "resnet101"}
    return {"encoder": "resnet17"} if "encoder.stem.conv1.weight" in tensors else _vit_of(tensors)
