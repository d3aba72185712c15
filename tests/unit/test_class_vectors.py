"""Class vectors from a file, through `--init vectors=`, into a segmenter and its checkpoint, and out of it again."""

from __future__ import annotations

import io
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from voc_devkit import write_devkit

from benchbed.checkpoints import load_official
from benchbed.class_vectors import named_vectors, read_vectors
from benchbed.datasets.voc import NAMES
from benchbed.errors import CheckpointError, UsageError
from benchbed.images import ImageBatch
from benchbed.scores import DenseScores
from benchbed.segmenter import Segmenter
from benchbed.training import engine
from benchbed.training.facts import facts
from benchbed.training.initial_weights import InitialWeights, initial_weights
from benchbed.training.plan import TrainPlan, make_plan
from benchbed.training.processes import Processes
from benchbed.training.recipe import Recipe
from benchbed.training.request import TrainRequest
from benchbed.vocabulary import Vocabulary
from methods import lseg, spnet
from methods.parts.word_vectors import NAMES as NAMES_KEY
from methods.parts.word_vectors import TABLE, WordVectors, kept_words, word_vectors

METHODS: dict[str, Any] = {"spnet": spnet.METHOD, "lseg": lseg.METHOD}
CLIP = Recipe((), "ours", clip="some-clip.safetensors")


@pytest.fixture
def rows() -> Tensor:
    """One row a VOC class, of any norm."""
    return torch.randn(20, 12, generator=torch.Generator().manual_seed(4)).half().float()


@pytest.fixture
def file(rows: Tensor, tmp_path: Path) -> Path:
    np.save(tmp_path / "rows.npy", rows.numpy().astype(np.float16))
    return tmp_path / "rows.npy"


def training(name: str, file: Path) -> TrainPlan:
    """What `--init vectors=file` plans for a small variant on six made-up photos."""
    kit = write_devkit(file.parent / "data", count=8)
    kit.list_file.write_text("\n".join(kit.ids[:2]))
    kit.list_file.with_name("train.txt").write_text("\n".join(kit.ids[2:]))
    request = TrainRequest(f"{name}/small", "voc", kit.root, file.parent / "out", init=f"vectors={file}")
    return make_plan(request, Processes())


def unit(vectors: Tensor) -> Tensor:
    lengths: Tensor = vectors.norm(dim=1, keepdim=True)
    return vectors / lengths


def test_rows_are_named_in_the_datasets_order(rows: Tensor, file: Path, tmp_path: Path) -> None:
    found = named_vectors(file, NAMES)
    assert tuple(found) == NAMES
    assert torch.equal(torch.stack(list(found.values())), rows)
    table = {"cat": torch.ones(3), "dog": torch.zeros(3)}
    save_file(table, tmp_path / "named.safetensors")
    again = named_vectors(tmp_path / "named.safetensors", NAMES)
    assert again.keys() == table.keys()
    assert isinstance(read_vectors(file), Tensor)
    assert torch.equal(word_vectors(file).vectors, torch.nn.functional.normalize(rows, dim=1))


@pytest.mark.parametrize("shape", [(19, 12), (21, 12), (240,), (20, 3, 4)])
def test_other_than_a_row_a_class(shape: tuple[int, ...], tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", np.ones(shape))
    with pytest.raises(UsageError, match=r"rows\.npy: holds .*expected 20 rows"):
        named_vectors(tmp_path / "rows.npy", NAMES)


def test_pickled_and_damaged_rows_are_refused(file: Path, tmp_path: Path) -> None:
    pickled = io.BytesIO()
    np.save(pickled, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    contents = {
        "objects": pickled.getvalue(),
        "pickle": pickle.dumps([1.0, 2.0]),
        "short": file.read_bytes()[:-7],
        "empty": b"",
        "text": b"aeroplane 0.1 0.2\n",
    }
    for name, content in contents.items():
        path = tmp_path / f"{name}.npy"
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=rf"{name}\.npy: cannot be read as class vectors"):
            read_vectors(path)
    np.save(tmp_path / "words.npy", np.array(["cat", "dog"]))
    with pytest.raises(CheckpointError, match=r"words\.npy: cannot be read as class vectors"):
        read_vectors(tmp_path / "words.npy")


def test_vectors_take_clips_place(file: Path) -> None:
    """The recipe's CLIP file is not even looked for."""
    found = initial_weights(f"vectors={file}", CLIP)
    assert found == InitialWeights(vectors=file)
    written = found.as_dict()
    assert written.keys() == {"vectors", "backbone"}
    assert written["vectors"]["file"] == "rows.npy"
    assert len(written["vectors"]["sha256"]) == 64
    with pytest.raises(UsageError, match="in the place of CLIP's text tower"):
        initial_weights(f"vectors={file},clip=random", CLIP)
    for flag in ("vectors=random", f"vectors={file.parent / 'none.npy'}"):
        with pytest.raises(Exception, match=r"no such file; expected a file's path$"):
            initial_weights(flag, CLIP)


@pytest.mark.parametrize("name", METHODS)
def test_from_the_flag_to_a_checkpoint_that_needs_no_file(
    name: str, rows: Tensor, file: Path, tmp_path: Path
) -> None:
    plan = training(name, file)
    segmenter = engine.build(plan).eval()
    assert not any(each.startswith("text.") for each in segmenter.state_dict())
    torch.testing.assert_close(segmenter.text_for(plan.vocabulary).embeddings, unit(rows)[:15])
    written = facts(plan)
    assert written["identity"]["--init"]["vectors"]["file"] == "rows.npy"
    assert str(file.parent) not in str({**written, "command": ""})
    save_file(
        {key: each.contiguous() for key, each in segmenter.state_dict().items()},
        tmp_path / "final.safetensors",
    )
    file.unlink()
    small = METHODS[name].variant("small")
    again = load_official(METHODS[name], small, tmp_path / "final.safetensors", small.config).eval()
    every = Vocabulary(NAMES, (True,) * 15 + (False,) * 5)
    torch.testing.assert_close(again.text_for(every).embeddings, unit(rows))
    torch.testing.assert_close(logits(again, plan.vocabulary), logits(segmenter, plan.vocabulary))


def logits(segmenter: Segmenter, vocabulary: Vocabulary) -> Tensor:
    picture = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        images = ImageBatch.around(picture, segmenter.input_spec)
        scores = segmenter.segment(images, segmenter.text_for(vocabulary))
    assert isinstance(scores, DenseScores)
    return scores.logits


def test_a_method_without_a_place_for_them(file: Path) -> None:
    plan = training("spnet", file)
    others = replace(plan.request, method="bridge/tiny", dataset="shapes", data_root=None)
    with pytest.raises(UsageError, match="bridge/tiny has no place for class vectors"):
        make_plan(others, Processes())


def test_a_table_says_its_names_in_any_alphabet_and_survives_no_damage() -> None:
    names = ("Zebra", "été", "猫", "dining_table")
    words = WordVectors(torch.randn(4, 5), names)
    tensors = {f"words.{key}": each for key, each in words.state_dict().items()}
    found = kept_words(tensors)
    assert found is not None
    assert found.rows == words.rows
    torch.testing.assert_close(found.vectors, words.vectors)
    assert kept_words({TABLE: tensors[TABLE]}) is None
    assert kept_words({"text.x": torch.ones(1)}) is None
    with pytest.raises(CheckpointError, match="names 4 classes and has 3 vectors"):
        kept_words({**tensors, TABLE: tensors[TABLE][:3]})
    with pytest.raises(CheckpointError, match=r"words\.names is no text"):
        kept_words({**tensors, NAMES_KEY: torch.tensor([255, 254], dtype=torch.uint8)})
