"""The small CLIP's first stage of training, on a shrunken one: what it sees, that it learns, that it goes on where it stopped."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
import torch.nn.functional as F
from rich.console import Console
from torch import Tensor

import benchbed.training.clip_command as command
from benchbed.clip import TextTower
from benchbed.clip_sizes import TINY, ClipSize
from benchbed.clip_weights import read_clip
from benchbed.datasets.shapes import CLASSES, DATASET, UNSEEN
from benchbed.errors import UsageError
from benchbed.progress import Reporter
from benchbed.registry import choose, resolve
from benchbed.shipped_file import file_sha256, read_header
from benchbed.training.checkpoint import read_facts
from benchbed.training.clip_batches import GROUP, ClipBatch, ClipBatches, named, normalised, turned
from benchbed.training.clip_command import train_clip
from benchbed.training.clip_flags import ClipFlags
from benchbed.training.clip_model import CONFIG_NAME, SmallClip, open_clip_config
from benchbed.training.clip_pool import Pool, View, draw_pool, words_in_use
from benchbed.training.clip_prompts import all_prompts
from benchbed.training.clip_recipe import RECIPES, ClipPhase, ClipRecipe
from benchbed.training.clip_trainer import group_loss
from benchbed.training.clip_zero_shot import judged
from benchbed.training.loss_log import read_log
from benchbed.training.schedules import rate_factor
from benchbed.training.stopping import StopRequest, TrainingInterrupted

SMALL = ClipSize(embed_dim=32, image_size=32, patch=8, width=64, layers=1, text_width=64, text_layers=1)
RECIPE = ClipRecipe(
    size=SMALL,
    steps=20,
    groups=2,
    phases=(ClipPhase(0.5, 16, 0), ClipPhase(0.5, 32, 1)),
    crop_pools=((64, 40), (96, 20)),
    scene_pool=8,
    schedule=replace(RECIPES["shapes"].schedule, warmup=4),
    bf16=False,
    regions=None,  # test_clip_regions.py
)
QUIET = Reporter(Console(file=io.StringIO()))


@pytest.fixture(scope="module")
def pool() -> Pool:
    return draw_pool(RECIPE, QUIET)


@pytest.fixture(scope="module")
def model() -> SmallClip:
    torch.manual_seed(0)
    return SmallClip(SMALL, words_in_use(RECIPE)).eval()


# What it sees.


def test_the_pool_holds_every_class_equally_often(pool: Pool) -> None:
    assert [len(each) for each in pool.crops] == [3] * 20
    for name, crops in zip(CLASSES, pool.crops, strict=True):
        assert all(name in crop.caption for crop in crops)
        assert sorted(crop.image.shape[0] for crop in crops) == [64, 64, 96]


def test_a_group_of_objects_holds_each_class_once(pool: Pool) -> None:
    batch = ClipBatches(pool, RECIPE, 0).step(3)
    assert batch.images.shape == (2 * GROUP, 3, 16, 16)
    for group in (batch.captions[:GROUP], batch.captions[GROUP:]):
        assert [next(name for name in CLASSES if name in caption) for caption in group] == list(CLASSES)


def test_the_second_phase_sees_scenes_and_is_finer(pool: Pool) -> None:
    batch = ClipBatches(pool, RECIPE, 0).step(10)
    assert batch.images.shape == (2 * GROUP, 3, 32, 32)
    assert any(sum(name in caption for name in CLASSES) > 1 for caption in batch.captions[GROUP:])
    assert RECIPE.phase(9).side == 16
    assert RECIPE.phase(19).side == 32
    assert [RECIPES["shapes"].phase(step).side for step in (0, 5399, 5400, 8999)] == [40, 40, 64, 64]


def test_a_step_is_a_function_of_seed_and_number(pool: Pool) -> None:
    def equal(one: ClipBatch, two: ClipBatch) -> bool:
        return one.captions == two.captions and one.images.equal(two.images)

    late = ClipBatches(pool, RECIPE, 5)
    for number in (12, 0, 11):
        assert equal(late.step(number), ClipBatches(pool, RECIPE, 5).step(number))
    assert not equal(late.step(0), late.step(1))
    assert not equal(late.step(0), ClipBatches(pool, RECIPE, 6).step(0))


@pytest.mark.parametrize("kind", range(8))
def test_names_go_from_left_to_right_in_the_turned_window(kind: int) -> None:
    """Against a search for marks painted into the picture and turned with it."""
    random = np.random.default_rng(kind)
    middles = np.stack([random.permutation(40)[:5], random.permutation(40)[:5]], axis=1)  # no two in line
    image = np.zeros((40, 40, 3), np.uint8)
    for number, (x, y) in enumerate(middles):
        image[y, x, 0] = number + 1
    view = View(image, middles + 0.5, (4, 9, 14, 3, 0))
    left, top, side = 5, 3, 32
    shown = turned(image[top : top + side, left : left + side], kind)[:, :, 0]
    expected = [CLASSES[view.classes[number - 1]] for number in shown.T[shown.T > 0]]
    assert expected
    assert named(view, (left, top), side, kind) == expected


def test_every_turn_is_another_and_loses_nothing() -> None:
    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    made = {turned(image, kind).tobytes() for kind in range(8)}
    assert len(made) == 8
    assert all(sorted(each) == sorted(image.tobytes()) for each in made)


def test_a_picture_enters_as_clip_expects() -> None:
    from open_clip.constants import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD

    image = np.full((8, 8, 3), (10, 100, 250), np.uint8)
    expected = (torch.tensor([10, 100, 250]) / 255 - torch.tensor(OPENAI_DATASET_MEAN)) / torch.tensor(
        OPENAI_DATASET_STD
    )
    assert torch.allclose(normalised(image, 5).mean((1, 2)), expected, atol=1e-5)


def test_every_sentence_has_its_words(pool: Pool, model: SmallClip) -> None:
    for number in range(20):
        model.tokens(ClipBatches(pool, RECIPE, 1).step(number).captions)
    model.tokens(all_prompts())
    with pytest.raises(ValueError, match="no rows for"):
        model.tokens(["a zebra"])
    assert set(words_in_use(replace(RECIPE, prompts=0.0))) < set(words_in_use(RECIPE))
    assert len(words_in_use(RECIPE)) < 250


@pytest.mark.parametrize(
    "method", ["bridge", "deop", "lseg", "maskclip", "san", "simseg", "spnet", "zegformer"]
)
def test_every_methods_own_prompts_are_read(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    variant = choose(method, embedded=True).variant
    segmenter = resolve(variant.build)(**variant.config).eval()
    said: list[str] = []
    encode = TextTower.encode
    monkeypatch.setattr(TextTower, "encode", lambda self, texts: said.extend(texts) or encode(self, texts))
    with torch.no_grad():
        segmenter.encode_vocabulary(DATASET.vocabulary(choose(method, embedded=True).method.card.class_names))
    texts = said or ["a striped disc."]  # a learned prompt: start, vectors, the name, a full stop, end
    assert set(open_clip.tokenize(texts).unique().tolist()) <= set(words_in_use(RECIPE))


def test_prompts_are_as_frequent_as_asked(pool: Pool) -> None:
    generated = {crop.caption for crops in pool.crops for crop in crops}
    for share in (0.0, 0.25, 1.0):
        batches = ClipBatches(pool, replace(RECIPE, prompts=share), 2)
        captions = [caption for number in range(10) for caption in batches.step(number).captions]
        assert np.mean([caption not in generated for caption in captions]) == pytest.approx(share, abs=0.08)


# What it is.


def test_open_clip_knows_the_model(model: SmallClip) -> None:
    path = files("benchbed") / "data" / f"{CONFIG_NAME}.json"
    assert json.loads(path.read_text()) == open_clip_config(TINY)
    open_clip.add_model_config(str(path))
    official = open_clip.create_model(CONFIG_NAME)
    ours = SmallClip(TINY, words_in_use(RECIPE)).eval()
    official.load_state_dict(ours.whole_state())
    images = torch.randn(3, 3, 64, 64)
    captions = ["a photo of a striped triangle", "two plain discs and a dotted star"]
    with torch.no_grad():
        assert torch.allclose(ours.encode_image(images), official.eval().encode_image(images), atol=1e-5)
        theirs = official.encode_text(open_clip.tokenize(captions), normalize=True)
        assert torch.allclose(ours.encode_text(ours.tokens(captions), normalize=True), theirs, atol=1e-5)


def test_our_text_tower_reads_it_too(model: SmallClip) -> None:
    tower = TextTower(SMALL).eval()
    state = {
        n: v for n, v in model.whole_state().items() if not n.startswith("visual.") and n != "logit_scale"
    }
    tower.load_state_dict(state)
    captions = ["a ringed square", "there are three plain stars"[10:]]
    with torch.no_grad():
        ours = model.encode_text(model.tokens(captions), normalize=True)
        assert torch.allclose(tower.encode(captions), ours, atol=1e-5)


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_the_loss_is_the_mean_of_plain_cross_entropies(pool: Pool, model: SmallClip, weight: float) -> None:
    batch, recipe = ClipBatches(pool, RECIPE, 0).step(12), replace(RECIPE, patches=weight, bf16=False)
    with torch.no_grad():
        found = group_loss(model, batch, torch.device("cpu"), recipe)
        losses: list[Tensor] = []
        for first in (0, 20):
            images = batch.images[first : first + 20]
            texts = model.encode_text(model.tokens(batch.captions[first : first + 20]), normalize=True)
            local = model.visual.dense(images).flatten(2).mean(2)
            for share, each in (
                (1.0, model.encode_image(images, normalize=True)),
                (weight, F.normalize(local, dim=1)),
            ):
                logits, right = model.logit_scale.exp() * each @ texts.T, torch.arange(20)
                losses += [-share * side.log_softmax(1)[right, right].mean() for side in (logits, logits.T)]
    assert float(found) == pytest.approx(float(torch.stack(losses).sum()) / 4, rel=1e-4)


def test_accuracies_are_counted_apart() -> None:
    labels = np.arange(20)
    answers = labels.copy()
    answers[UNSEEN[0]] = (UNSEEN[0] + 1) % 20  # plain triangle taken for plain disc: the texture is right
    found = judged(answers, labels)
    assert (found.top1, found.unseen, found.texture, found.shape) == (95.0, 80.0, 100.0, 95.0)
    assert found.by_class[CLASSES[UNSEEN[0]]] == 0.0


def test_the_rate_warms_up_and_ends_at_nothing() -> None:
    recipe = RECIPES["shapes"]
    rates = [rate_factor(recipe.schedule, step, recipe.steps) for step in range(recipe.steps)]
    assert rates[0] == pytest.approx(0.01)
    assert np.argmax(rates) == 100
    assert rates[-1] < 1e-6


# How it is trained.


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clip")
    train_clip(ClipFlags("shapes", folder, val_every=10), replace(RECIPE, lr=3e-3), QUIET)
    return folder


def losses(folder: Path) -> list[float]:
    return [row["losses"]["loss"] for row in read_log(folder / "losses.jsonl") if "losses" in row]


def test_it_learns(trained: Path) -> None:
    longer = replace(RECIPE, steps=60, lr=3e-3, patches=0.0, phases=(ClipPhase(1.0, 16, 0),))
    train_clip(ClipFlags("shapes", trained / "longer", seed=1), longer, QUIET)
    first, *_, last = losses(trained / "longer")
    assert first < 3.3
    assert last < first - 0.2


def test_the_file_says_what_it_is(trained: Path) -> None:
    path = trained / "final.safetensors"
    header, facts = read_header(path), read_facts(path)
    assert header["kind"] == "clip"
    assert header["seed"] == 0
    assert header["recipe"]["steps"] == 20
    assert header["zero_shot"] == facts["zero_shot"]
    assert header["zero_shot"]["crops"] == 1000
    assert facts["sha256"] == file_sha256(path)
    assert header["command"] == "benchbed train --clip shapes --seed 0 --device auto --val-every 10"
    tensors = read_clip(path)
    assert tensors["token_embedding.weight"].shape == (49408, 64)
    assert tensors["visual.conv1.weight"].shape == (64, 3, 8, 8)


def test_stopped_and_resumed_it_ends_with_the_same_bytes(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = replace(RECIPE, lr=3e-3)
    flags = ClipFlags("shapes", tmp_path / "c", val_every=10)
    request = StopRequest()
    request.asked = True

    class Asked:
        def __enter__(self) -> StopRequest:
            return request

        def __exit__(self, *_: object) -> None: ...

    with monkeypatch.context() as patch:
        patch.setattr(command, "stop_requests", Asked)
        for done in (1, 2):
            with pytest.raises(TrainingInterrupted, match=rf"after step {done} of 20.*--resume"):
                train_clip(replace(flags, resume=done > 1), recipe, QUIET)
    with pytest.raises(UsageError, match="already holds a training"):
        train_clip(flags, recipe, QUIET)
    with pytest.raises(UsageError, match=r"--seed was 0 and is 4"):
        train_clip(replace(flags, resume=True, seed=4), recipe, QUIET)
    final = tmp_path / "c" / "final.safetensors"
    assert train_clip(replace(flags, resume=True), recipe, QUIET) == final
    assert file_sha256(final) == file_sha256(trained / "final.safetensors")
    assert losses(tmp_path / "c") == losses(trained)
    assert train_clip(replace(flags, resume=True), recipe, QUIET) == final, "finished already"


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (ClipFlags("cubes"), r"--clip cubes: .*expected shapes"),
        (ClipFlags("shapes", iterations=0), r"--iterations 0: expected 1 or more"),
        (ClipFlags("shapes", seed=-1), r"--seed -1: expected 0 or more"),
    ],
)
def test_what_makes_no_sense_is_refused(flags: ClipFlags, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        train_clip(flags, reporter=QUIET)
