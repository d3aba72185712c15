"""What every method must do, ours and a third party's: subclass `MethodConformance` in a test file and name the method.

    class TestMine(MethodConformance):
        method = "mine/tiny"

Give it the smallest variant there is: nothing here depends on size or weights.
"""

from __future__ import annotations

from functools import lru_cache
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchbed.cost.flops import count_flops
from benchbed.cost.params import count_params
from benchbed.images import ImageBatch, prepare
from benchbed.registry import choose, load_method, resolve
from benchbed.scores import DenseScores, Scores, full_scores, label_maps
from benchbed.segmenter import Segmenter
from benchbed.stages import listening
from benchbed.vocabulary import Vocabulary

SIZES = ((128, 160), (97, 131), (131, 97))
ODD_SIZES = ((1, 1), (17, 3000), (3000, 17))
ODD_WORDS = ("road, route", " sofa ", "couch", "Straße", "猫", "🦊 fox", "CAT", "x" * 40)
CLOSE = 2e-4  # relative to the largest score; float32 sums in another order
UNEQUAL = 2e-3  # the same; where a crop's edge is a mask's, rounding may move single pixels of a crop


@lru_cache(maxsize=1)  # a method's tests stand together
def _built(method: str) -> Segmenter:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return load_method(method)


class _Heard:
    """Notes which stages ran."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def enter(self, name: str) -> None:
        self.names.append(name)

    def leave(self, name: str) -> None:
        self.names.append(f"end of {name}")


class MethodConformance:
    """Inherit and set `method`; methods that know only some datasets also override `vocabulary`."""

    method: ClassVar[str]

    def vocabulary(self, classes: int = 7) -> Vocabulary:
        """Classes that the method can tell apart; the last two unseen."""
        names = tuple(f"thing number {index}" for index in range(classes))
        return Vocabulary(names, tuple(index < max(1, classes - 2) for index in range(classes)))

    def unusual_words(self) -> tuple[str, ...]:
        """Class names with commas, synonyms, spaces around them, other scripts, and a word of no language."""
        return ODD_WORDS

    @property
    def class_counts(self) -> tuple[int, ...]:
        """Sizes of vocabularies to try."""
        return (1, 2, 1000)

    @property
    def segmenter(self) -> Segmenter:
        """The method with the random weights of seed 0, the same object in all tests."""
        return _built(self.method)

    def image(self, size: tuple[int, int] = SIZES[0], seed: int = 0) -> NDArray[np.uint8]:
        """A random photo-like image [H, W, 3]."""
        coarse = np.random.default_rng(seed).integers(0, 256, (9, 9, 3)).astype(np.uint8)
        rows = np.linspace(0, 8, size[0]).round().astype(int)
        columns = np.linspace(0, 8, size[1]).round().astype(int)
        return np.ascontiguousarray(coarse[rows][:, columns])

    def batch(self, *sizes: tuple[int, int]) -> ImageBatch:
        """A batch of images of these sizes."""
        images = [self.image(size, seed) for seed, size in enumerate(sizes)]
        return prepare(images, self.segmenter.input_spec)

    def scores(self, batch: ImageBatch, vocabulary: Vocabulary) -> Scores:
        """The forward pass, as the bench calls it."""
        with torch.inference_mode():
            return self.segmenter.segment(batch, self.segmenter.text_for(vocabulary))

    def full(self, batch: ImageBatch, vocabulary: Vocabulary, index: int = 0) -> Tensor:
        """Full-size scores [K, H, W] of one image."""
        return full_scores(self.scores(batch, vocabulary), index)

    def test_the_card_says_what_a_reviewer_asks(self) -> None:
        card = choose(self.method).method.card
        assert all([card.name, card.title, card.venue, card.year, card.code_licence, card.weights_licence])
        assert card.name == self.method.partition("/")[0]

    def test_every_variant_can_be_named_and_its_builder_found(self) -> None:
        chosen = choose(self.method)
        for variant in chosen.method.variants:
            assert callable(resolve(variant.build))
            assert choose(f"{chosen.found.name}/{variant.name}").variant is variant
            assert "*" in variant.inputs

    def test_it_comes_in_evaluation_mode_on_the_cpu_in_float32(self) -> None:
        assert not self.segmenter.training
        assert {p.dtype for p in self.segmenter.parameters()} == {torch.float32}
        assert {p.device.type for p in self.segmenter.parameters()} == {"cpu"}

    def test_label_maps_have_the_images_size_and_only_known_labels(self) -> None:
        for size in (*SIZES, *ODD_SIZES):
            labels = label_maps(self.scores(self.batch(size), self.vocabulary()))[0]
            assert tuple(labels.shape) == size
            assert int(labels.max()) < len(self.vocabulary())
            assert int(labels.min()) >= 0

    def test_vocabularies_of_any_size(self) -> None:
        for classes in self.class_counts:
            vocabulary = self.vocabulary(classes)
            scores = self.scores(self.batch(SIZES[0]), vocabulary)
            per_class = scores.logits if isinstance(scores, DenseScores) else scores.class_scores
            assert per_class.shape[1 if isinstance(scores, DenseScores) else 2] == len(vocabulary)
            assert tuple(label_maps(scores)[0].shape) == SIZES[0]

    def test_any_words_are_classes_and_spaces_around_them_say_nothing(self) -> None:
        names = self.unusual_words()
        batch = self.batch(SIZES[0])
        scores = self.full(batch, Vocabulary(names, (True,) * len(names)))
        assert scores.isfinite().all()
        stripped = tuple(name.strip() for name in names)
        bare = self.full(batch, Vocabulary(stripped, (True,) * len(names)))
        assert (scores - bare).abs().max() <= CLOSE * bare.abs().max()

    def test_an_image_in_a_batch_of_unequal_sizes_is_the_image_alone_under_the_same_padding(self) -> None:
        batch, vocabulary = self.batch(*SIZES), self.vocabulary()
        together = self.scores(batch, vocabulary)
        assert [tuple(labels.shape) for labels in label_maps(together)] == list(SIZES)
        for index in range(len(SIZES)):
            one = slice(index, index + 1)
            alone = ImageBatch(batch.tensor[one], batch.pixels[one], batch.geometry[one])
            expected = self.full(alone, vocabulary)
            found = full_scores(together, index)
            assert (found - expected).abs().max() <= UNEQUAL * expected.abs().max()

    def test_an_image_gets_the_same_scores_beside_another_of_its_size(self) -> None:
        alone = self.full(self.batch(SIZES[0]), self.vocabulary())
        beside = self.full(self.batch(SIZES[0], SIZES[0]), self.vocabulary())
        assert (alone - beside).abs().max() <= CLOSE * alone.abs().max()

    def test_the_same_image_gives_the_same_scores_twice(self) -> None:
        batch = self.batch(SIZES[1])
        assert torch.equal(self.full(batch, self.vocabulary()), self.full(batch, self.vocabulary()))

    def test_scores_follow_their_class_when_the_vocabulary_is_turned_round(self) -> None:
        forward = self.vocabulary()
        backward = Vocabulary(forward.names[::-1], forward.seen[::-1], forward.prompts[::-1])
        batch = self.batch(SIZES[0])
        one, other = self.full(batch, forward), self.full(batch, backward).flip(0)
        assert (one - other).abs().max() <= CLOSE * one.abs().max()

    def test_the_input_is_left_as_it_was(self) -> None:
        batch = self.batch(SIZES[0])
        before = batch.tensor.clone()
        self.scores(batch, self.vocabulary())
        assert torch.equal(batch.tensor, before)

    def test_stages_are_marked_and_text_is_not_encoded_in_the_forward_pass(self) -> None:
        vocabulary, batch, heard = self.vocabulary(), self.batch(SIZES[0]), _Heard()
        self.segmenter.text_for(vocabulary)
        with listening(heard):
            self.scores(batch, vocabulary)
        assert heard.names
        assert "clip_text" not in heard.names

    def test_text_is_encoded_once_a_vocabulary_and_again_after_weights_changed(self) -> None:
        first = self.segmenter.text_for(self.vocabulary())
        assert self.segmenter.text_for(self.vocabulary()) is first
        assert self.segmenter.text_for(self.vocabulary(2)) is not first
        self.segmenter.load_state_dict(self.segmenter.state_dict())
        assert self.segmenter.text_for(self.vocabulary()) is not first

    def test_bfloat16_runs_and_is_finite(self) -> None:
        batch, text = self.batch(SIZES[0]), self.segmenter.text_for(self.vocabulary())
        with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
            scores = self.segmenter.segment(batch, text)
        assert full_scores(scores, 0).isfinite().all()

    def test_weights_survive_saving_and_loading(self) -> None:
        state = {name: value.clone() for name, value in self.segmenter.state_dict().items()}
        fresh = load_method(self.method)
        fresh.load_state_dict(state)
        batch, text = self.batch(SIZES[0]), fresh.text_for(self.vocabulary())
        with torch.inference_mode():
            ours = full_scores(fresh.segment(batch, text), 0)
        assert torch.equal(ours, self.full(batch, self.vocabulary()))

    def test_mmsegmentations_predict_mode_gives_the_same_labels(self) -> None:
        vocabulary, image = self.vocabulary(), self.image(SIZES[1])
        self.segmenter.set_vocabulary(vocabulary)
        bgr = torch.from_numpy(np.ascontiguousarray(image[..., ::-1].transpose(2, 0, 1)))
        with torch.inference_mode():
            sample = self.segmenter.test_step({"inputs": [bgr]})[0]
        expected = label_maps(self.scores(prepare([image], self.segmenter.input_spec), vocabulary))[0]
        assert torch.equal(sample.pred_sem_seg.data[0], expected.long())

    def test_both_flop_counters_agree_and_no_operator_is_missed(self) -> None:
        flops = count_flops(self.segmenter, self.batch(SIZES[0]), self.vocabulary())
        assert flops.total > 0
        assert sum(flops.per_stage.values()) == flops.total

    def test_the_parameter_ledger_adds_up(self) -> None:
        params = count_params(self.segmenter, self.batch(SIZES[0]), self.vocabulary())
        assert 0 < params.total == sum(p.numel() for p in self.segmenter.parameters())
        assert params.trainable + params.frozen_clip <= params.total
        names = [name for name, _ in self.segmenter.named_parameters()]
        for prefix in (*self.segmenter.clip_prefixes, *self.segmenter.text_prefixes):
            assert any(name.startswith(prefix) for name in names), f"no parameter begins with {prefix!r}"
