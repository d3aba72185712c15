"""Class vectors that a user brings: fastText, word2vec or any other table, in place of a text tower."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchbed.class_vectors import read_vectors
from benchbed.errors import CheckpointError, UsageError
from benchbed.vocabulary import Vocabulary

Embeddings = Tensor | Mapping[str, Tensor] | str | Path
# Where a segmenter's `words` lie in a checkpoint of ours.
TABLE: Final = "words.vectors"
NAMES: Final = "words.names"


class WordVectors(nn.Module):
    """A table of unit vectors, one a class name; part of the weights, never trained.

    SPNet's own is the concatenation of fastText's 300 and word2vec's 300 numbers, each row then made of unit norm
    (eval.py, `fastnvec`).

    Args:
        vectors: [N, D], any norm but zero.
        names: N class names, or None where row k belongs to class k of whatever vocabulary comes. They are a buffer too
            (UTF-8, a line each), so that a checkpoint says what its rows are of.
    """

    vectors: Tensor

    def __init__(self, vectors: Tensor, names: tuple[str, ...] | None = None) -> None:
        super().__init__()
        self.register_buffer("vectors", F.normalize(vectors.detach().float(), dim=1))
        self.rows = None if names is None else {_key(name): row for row, name in enumerate(names)}
        if names is not None:
            text = "\n".join(names).encode()
            self.register_buffer("names", torch.frombuffer(bytearray(text), dtype=torch.uint8))

    @property
    def dim(self) -> int:
        """D."""
        return self.vectors.shape[1]

    def forward(self, vocabulary: Vocabulary) -> Tensor:
        """[K, D] of unit norm. Names are looked up first as prompts spell them, then by class; case and _ do not matter.

        Raises:
            UsageError: a class has no vector.
        """
        if self.rows is None:
            if len(vocabulary) != len(self.vectors):
                raise UsageError(
                    f"embeddings= has {len(self.vectors)} rows without names, the vocabulary {len(vocabulary)} classes; "
                    "give one row a class, or a mapping of names to vectors"
                )
            return self.vectors
        found = [self._row(*words) for words in zip(vocabulary.prompts, vocabulary.names, strict=True)]
        return self.vectors[torch.tensor(found, device=self.vectors.device)]

    def _row(self, prompt: str, name: str) -> int:
        assert self.rows is not None
        row = self.rows.get(_key(prompt), self.rows.get(_key(name)))
        if row is None:
            raise UsageError(
                f"embeddings= has no vector for {name!r}; add one to the table, or rename the class"
            )
        return row


def word_vectors(embeddings: Embeddings) -> WordVectors:
    """A table from what a user gives.

    Args:
        embeddings: [K, D], rows in the vocabulary's order; or class name -> [D]; or the path of a safetensors or torch
            file with one [D] tensor a class, named after it, or of a .npy [K, D].

    Raises:
        UsageError: not vectors of one length, or one that is zero or not finite.
        CheckpointError: the file is missing, damaged or unsafe.
    """
    if isinstance(embeddings, str | Path):
        embeddings = read_vectors(Path(embeddings))
    if isinstance(embeddings, Tensor):
        return WordVectors(_checked(embeddings, "embeddings="))
    shapes = {tuple(vector.shape) for vector in embeddings.values()}
    if len(shapes) != 1 or len(next(iter(shapes))) != 1:
        found = ", ".join(str(list(shape)) for shape in sorted(shapes)[:3]) or "none"
        raise UsageError(
            f"embeddings= holds tensors of shape {found}; expected one vector [D] a class, all as long"
        )
    return WordVectors(_checked(torch.stack(list(embeddings.values())), "embeddings="), tuple(embeddings))


def kept_words(tensors: Mapping[str, Tensor]) -> WordVectors | None:
    """The table that a checkpoint of ours was trained with; None where it has none, or rows without names.

    Raises:
        CheckpointError: names that are no text, or not one a row.
    """
    if TABLE not in tensors or NAMES not in tensors:
        return None
    try:
        names = bytes(tensors[NAMES].to(torch.uint8).flatten().tolist()).decode().split("\n")
    except UnicodeDecodeError as error:
        raise CheckpointError(f"the checkpoint's {NAMES} is no text ({error}); it is damaged") from error
    if len(names) != len(tensors[TABLE]):
        raise CheckpointError(
            f"the checkpoint names {len(names)} classes and has {len(tensors[TABLE])} vectors; it is damaged"
        )
    return WordVectors(tensors[TABLE], tuple(names))


def state_of(words: WordVectors) -> dict[str, Tensor]:
    """The tensors of a segmenter's `words`, by the segmenter's names."""
    return {f"words.{name}": tensor for name, tensor in words.state_dict().items()}


def replaced(names: Iterable[str]) -> dict[str, str]:
    """Those of a checkpoint's tensors that vectors of a user's own replace, with the reason."""
    gone = (name for name in names if name.startswith("text.") or name in (TABLE, NAMES))
    return dict.fromkeys(gone, "the vectors given are used instead")


def _checked(vectors: Tensor, what: str) -> Tensor:
    if vectors.ndim != 2 or 0 in vectors.shape or not vectors.is_floating_point():
        raise UsageError(
            f"{what} is {vectors.dtype} {list(vectors.shape)}; expected floats [K, D], one row a class"
        )
    lengths = vectors.float().norm(dim=1)
    bad = [row for row, length in enumerate(lengths.tolist()) if not 0 < length < float("inf")]
    if bad:
        raise UsageError(f"{what} row {bad[0]} is zero or not finite; a class needs a direction")
    return vectors


def _key(name: str) -> str:
    return name.strip().lower().replace("_", " ")
