"""A segmenter as mmengine's loop trains it: one batch in, losses out, the same losses known to every process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from mmengine.model import BaseDataPreprocessor, BaseModel
from mmseg.structures import SegDataSample
from torch import Tensor

from benchbed.images import ImageBatch
from benchbed.mmseg_input import stack_labels
from benchbed.segmenter import Segmenter, check_labels
from benchbed.training.backbone_lessons import picture_loss, scene_loss
from benchbed.training.processes import Processes
from benchbed.training.recipe import Stage
from benchbed.training.stopping import StopRequest, TrainingFailed
from benchbed.vocabulary import Vocabulary


class Lesson(BaseModel):  # type: ignore[misc]
    """Wraps a segmenter for one stage.

    A stage of scenes calls the segmenter's `forward(mode="loss")`, so its `loss(images, labels, text)`. A stage of objects calls
    `object_loss(images, labels, text) -> dict[str, Tensor]` with the crops as `benchbed.training.objects` makes them [B, 3, S, S]
    and their seen classes [B] int64. A stage with `backbone` trains what the segmenter's `picture_features` runs through.
    Names of losses that are minimised contain "loss"; the names must be the same in every step.

    Args:
        segmenter: in its stage already.
        stage: what is trained.
        vocabulary: the seen classes, as labels count them.
        processes: of this training.
        request: whether somebody asked to stop.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        stage: Stage,
        vocabulary: Vocabulary,
        processes: Processes,
        request: StopRequest,
    ) -> None:
        scenes = stage.samples == "scenes"
        super().__init__(segmenter.data_preprocessor if scenes else BaseDataPreprocessor())
        self.segmenter = segmenter
        self.stage = stage
        self.vocabulary = vocabulary
        self.processes = processes
        self.request = request
        self.iteration = 0
        self.stop_agreed = False

    def train(self, mode: bool = True) -> Lesson:
        """As in torch, but where nothing changes nothing is done: mmengine calls it in every iteration, and a segmenter then
        forgets the text features that it would otherwise encode only once."""
        if self.training != mode or self.segmenter.training != mode:
            super().train(mode)
        return self

    def forward(
        self,
        inputs: ImageBatch | Tensor,
        data_samples: list[SegDataSample] | None = None,
        labels: Tensor | None = None,
        mode: str = "loss",
    ) -> dict[str, Tensor]:
        """Losses of one batch; only mode `loss` exists here."""
        if mode != "loss":
            raise ValueError(f"mode {mode!r}: a lesson only knows 'loss'")
        if self.stage.backbone:
            return self._backbone_losses(inputs, data_samples, labels)
        if not self.segmenter.trains_text:
            with torch.autocast(_device_type(inputs), enabled=False):
                self.segmenter.text_for(self.vocabulary)  # into the cache at full precision
        if labels is None:
            losses: dict[str, Tensor] = self.segmenter(inputs, data_samples, mode="loss")
            return losses
        object_loss: Callable[..., dict[str, Tensor]] = self.segmenter.object_loss
        return object_loss(inputs, labels, self.segmenter.text_for(self.vocabulary))

    def _backbone_losses(
        self, inputs: ImageBatch | Tensor, samples: list[SegDataSample] | None, labels: Tensor | None
    ) -> dict[str, Tensor]:
        """Of pictures [B, 3, S, S] with classes [B], or of a batch of scenes."""
        segmenter: Any = self.segmenter
        classes = len(self.vocabulary.names)
        if isinstance(inputs, ImageBatch):
            truth = stack_labels(samples or [], inputs)
            check_labels(truth, classes)
            return scene_loss(segmenter, inputs.tensor, truth, classes)
        assert labels is not None
        return picture_loss(segmenter, segmenter.input_spec, inputs, labels, classes)

    def parse_losses(self, losses: dict[str, Any]) -> tuple[Tensor, dict[str, float]]:
        """mmengine's sum of all losses, and their means over all processes.

        Raises:
            TrainingFailed: the sum is NaN or Inf, in any process; nothing was updated.
        """
        total, logged = super().parse_losses(losses)
        names = sorted(logged)
        values = torch.stack([logged[name].detach().float() for name in names])
        shared = self.processes.mean(torch.cat([values, values.new_tensor([float(self.request.asked)])]))
        *means, asked = shared.tolist()
        self.stop_agreed = asked > 0
        found = dict(zip(names, means, strict=True))
        if not torch.isfinite(shared).all():
            raise TrainingFailed(self._failure(found))
        return total, found

    def _failure(self, found: dict[str, float]) -> str:
        parts = ", ".join(f"{name} {value:g}" for name, value in found.items())
        return (
            f"stage {self.stage.name!r}, iteration {self.iteration}: the loss is no number ({parts}); nothing was updated, "
            "the last state is kept; look at the data and the learning rate, or try without --amp"
        )


def _device_type(inputs: ImageBatch | Tensor) -> str:
    tensor = inputs.tensor if isinstance(inputs, ImageBatch) else inputs
    return str(tensor.device.type)
