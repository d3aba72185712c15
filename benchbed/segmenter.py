"""The one interface: images and a vocabulary in, scores out; on mmsegmentation's `BaseSegmentor`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import torch
from mmengine.config import Config
from mmengine.structures import PixelData
from mmseg.models.segmentors import BaseSegmentor
from mmseg.structures import SegDataSample
from torch import Tensor

from benchbed.errors import UsageError
from benchbed.images import ImageBatch
from benchbed.input_spec import InputSpec
from benchbed.mmseg_input import IGNORED, SegmenterPreprocessor, stack_labels
from benchbed.scores import Scores, full_scores, label_maps
from benchbed.vocabulary import Vocabulary

# What mmsegmentation's own tools read from a model: raw images go in, the model's preprocessor does the rest.
MMSEG_CONFIG = {
    "test_pipeline": [{"type": "LoadImageFromFile"}, {"type": "PackSegInputs"}],
}


@dataclass(frozen=True)
class TextFeatures:
    """A vocabulary as a method's classifier sees it.

    Attributes:
        embeddings: [K, D], usually of unit norm.
        extra: further tensors of a method's own, by name (a second text set, say).
    """

    embeddings: Tensor
    extra: Mapping[str, Tensor] = field(default_factory=dict)


class Segmenter(BaseSegmentor):  # type: ignore[misc]
    """Base class of every method.

    A method writes `encode_vocabulary`, `segment` and, if it can be trained, `loss`; its forward pass marks its parts
    with `benchbed.stage`. It contains no timing and no evaluation code. All of mmsegmentation's entry points
    (`inference_model`, `Runner.test`, `Runner.train`, `IoUMetric`) then work on it unchanged.
    """

    # Prefixes of parameter names, for the bench's parameter ledger.
    clip_prefixes: tuple[str, ...] = ()
    text_prefixes: tuple[str, ...] = ()

    def __init__(self, input_spec: InputSpec) -> None:
        super().__init__(data_preprocessor=None)
        self.input_spec = input_spec
        self.data_preprocessor = SegmenterPreprocessor(input_spec)
        self.cfg = Config(MMSEG_CONFIG)
        self.dataset_meta: dict[str, Any] | None = None
        self._vocabulary: Vocabulary | None = None
        self._text_cache: dict[str, TextFeatures] = {}

    @abstractmethod
    def encode_vocabulary(self, vocabulary: Vocabulary) -> TextFeatures:
        """Run the text tower. Call `text_for` instead unless the cost of encoding is what you want."""

    @abstractmethod
    def segment(self, images: ImageBatch, text: TextFeatures) -> Scores:
        """The forward pass: B images and K classes in, scores over the network input out."""

    def loss(self, images: ImageBatch, labels: Tensor, text: TextFeatures) -> dict[str, Tensor]:
        """Training losses by name.

        Args:
            images: B images.
            labels: [B, H, W] int64 over the padded input; 255 is ignored.
            text: features of the K classes that labels count.

        Raises:
            UsageError: this method has nothing to train.
        """
        raise UsageError(
            f"{type(self).__name__} has no training loss: it cannot be trained; choose a method with a recipe"
        )

    def begin_stage(self, name: str, **choices: Any) -> Self:
        """Enter one stage of the method's training recipe: say by `requires_grad` what is trained, and choose the loss.

        Args:
            name: the stage's, of `benchbed.training.recipe.Stage`.
            choices: the stage's further keywords.

        Raises:
            UsageError: this method has no such stage.
        """
        raise UsageError(
            f"{type(self).__name__} has no training stage {name!r}: choose a method with a recipe"
        )

    @property
    def trains_text(self) -> bool:
        """Whether a parameter of the text side is trained, so that text must be encoded anew in every step."""
        return any(
            parameter.requires_grad
            for name, parameter in self.named_parameters()
            if name.startswith(self.text_prefixes)
        )

    def set_input(self, spec: InputSpec) -> Self:
        """Feed the network by another rule from now on; returns itself."""
        self.input_spec = spec
        self.data_preprocessor.spec = spec
        return self

    def set_vocabulary(self, vocabulary: Vocabulary) -> Self:
        """Choose the classes for mmsegmentation's entry points; returns itself."""
        self._vocabulary = vocabulary
        self.dataset_meta = {"classes": vocabulary.names, "palette": None}
        return self

    def text_for(self, vocabulary: Vocabulary) -> TextFeatures:
        """The vocabulary's features, encoded once per content of vocabulary and weights.

        In training they are encoded anew in each step if something there is trained.
        """
        if self.training and self.trains_text:
            return self.encode_vocabulary(vocabulary)
        if vocabulary.digest not in self._text_cache:
            with torch.no_grad():
                self._text_cache[vocabulary.digest] = self.encode_vocabulary(vocabulary)
        return self._text_cache[vocabulary.digest]

    def forget_text(self) -> None:
        """Drop cached text features; called by itself whenever weights or device change."""
        self._text_cache.clear()

    def train(self, mode: bool = True) -> Self:
        """As in torch; cached text features go, since training changes what they came from."""
        self.forget_text()
        return super().train(mode)  # type: ignore[no-any-return]

    def _apply(self, fn: Any, recurse: bool = True) -> Self:
        if hasattr(self, "_text_cache"):
            self.forget_text()
        return super()._apply(fn, recurse)  # type: ignore[no-any-return]

    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """As in torch; cached text features go."""
        self.forget_text()
        return super().load_state_dict(*args, **kwargs)

    # mmsegmentation's side of the interface.

    def forward(
        self,
        inputs: ImageBatch | Tensor,
        data_samples: list[SegDataSample] | None = None,
        mode: str = "tensor",
    ) -> Any:
        """mmengine's three modes.

        Args:
            inputs: what `data_preprocessor` made, or a bare network input [B, 3, H, W], already normalised.
            data_samples: one a image; ground truth is needed for mode `loss` only.
            mode: `predict` gives data samples with `pred_sem_seg`, `loss` a dict, `tensor` full-size scores, a list
                of B tensors [K, H, W].
        """
        images = inputs if isinstance(inputs, ImageBatch) else self._bare(inputs)
        text = self.text_for(self._current_vocabulary())
        if mode == "loss":
            labels = stack_labels(data_samples or [], images)
            check_labels(labels, len(text.embeddings))
            return self.loss(images, labels, text)
        scores = self.segment(images, text)
        if mode == "predict":
            return self._samples(scores, data_samples)
        if mode == "tensor":
            return [full_scores(scores, index) for index in range(len(images))]
        raise ValueError(f"mode {mode!r}: expected 'predict', 'loss' or 'tensor'")

    def predict(
        self, inputs: ImageBatch | Tensor, data_samples: list[SegDataSample] | None = None
    ) -> list[SegDataSample]:
        """mmsegmentation's name for mode `predict`."""
        return self.forward(inputs, data_samples, mode="predict")  # type: ignore[no-any-return]

    def extract_feat(self, inputs: Tensor) -> Scores:
        """mmsegmentation's name for the forward pass without post-processing."""
        return self.segment(self._bare(inputs), self.text_for(self._current_vocabulary()))

    def encode_decode(self, inputs: Tensor, batch_data_samples: list[SegDataSample]) -> Tensor:
        """mmsegmentation's dense scores [B, K, H, W] at the network input's size."""
        return torch.stack(self.forward(self._bare(inputs), batch_data_samples, mode="tensor"))

    def _forward(self, inputs: ImageBatch | Tensor, data_samples: list[SegDataSample] | None = None) -> Any:
        return self.forward(inputs, data_samples, mode="tensor")

    def _bare(self, tensor: Tensor) -> ImageBatch:
        """A batch around a tensor that somebody else normalised: no padding, label maps at its own size."""
        return ImageBatch.around(tensor, self.input_spec)

    def _current_vocabulary(self) -> Vocabulary:
        if self._vocabulary is not None:
            return self._vocabulary
        classes = (self.dataset_meta or {}).get("classes")
        if not classes:
            raise UsageError(
                f"{type(self).__name__} does not know its classes: call set_vocabulary(...) "
                "or give it dataset_meta={'classes': (...)} first"
            )
        return Vocabulary(tuple(classes), (True,) * len(classes))

    @staticmethod
    def _samples(scores: Scores, data_samples: list[SegDataSample] | None) -> list[SegDataSample]:
        maps = label_maps(scores)
        samples = data_samples or [SegDataSample() for _ in maps]
        for sample, labels in zip(samples, maps, strict=True):
            sample.set_data({"pred_sem_seg": PixelData(data=labels.long()[None])})
        return samples


def check_labels(labels: Tensor, classes: int) -> None:
    """No label but those of the classes at hand may reach a loss: an unseen class's least of all."""
    known = (labels == IGNORED) | (labels < classes)
    if not bool(known.all()):
        raise ValueError(f"label {int(labels[~known][0])} in a training batch of {classes} classes")
