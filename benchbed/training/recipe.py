"""What it takes to train a method, as plain data: stages, optimiser, schedule, augmentation. Free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal


@dataclass(frozen=True)
class ParameterGroup:
    """A rule for some parameters; of several that fit, factors multiply.

    Attributes:
        match: parameters whose name starts with this, or contains it after a dot; or "norm" / "embedding", which mean every
            parameter of a normalisation layer / of an `nn.Embedding` or a position table.
        lr: factor on the learning rate.
        decay: factor on the weight decay.
    """

    match: str
    lr: float = 1.0
    decay: float = 1.0


@dataclass(frozen=True)
class Optimiser:
    """An optimiser of torch's and its numbers; only parameters with `requires_grad` are given to it.

    Attributes:
        name: `AdamW`, `Adam` or `SGD`.
        lr: of a whole batch of the size that the stage names; not scaled by the number of processes.
        weight_decay: decoupled for AdamW.
        momentum: of SGD.
        groups: exceptions.
        clip_norm: bound on the whole model's gradient norm, L2, or None.
    """

    name: Literal["AdamW", "Adam", "SGD"]
    lr: float
    weight_decay: float = 0.0
    momentum: float = 0.9
    groups: tuple[ParameterGroup, ...] = ()
    clip_norm: float | None = None


@dataclass(frozen=True)
class Schedule:
    """How the learning rate falls, iteration by iteration.

    Attributes:
        kind: `poly`: lr * (1 - i/N)^power; `cosine`: half a cosine to 0; `constant`.
        power: of `poly`.
        warmup: first iterations, during which the rate grows linearly from `warmup_factor` times itself, or stays there.
        warmup_factor: of the rate at iteration 0.
        warmup_kind: `linear` or `constant`.
    """

    kind: Literal["poly", "cosine", "constant"] = "poly"
    power: float = 0.9
    warmup: int = 0
    warmup_factor: float = 0.01
    warmup_kind: Literal["linear", "constant"] = "linear"


@dataclass(frozen=True)
class Augmentation:
    """What happens to an image and its label map before the network; mmsegmentation's transforms do it.

    Attributes:
        short_sides: one is drawn for each image, pixels; empty: the image keeps its size.
        longest_side: cap on the other side, pixels.
        crop: side of the square crop, pixels; a smaller image is padded to it at the right and bottom (labels with 255);
            0: no crop.
        flip: mirrored left to right with probability 1/2.
        quarter_turns: turned by a random multiple of 90 degrees (for `shapes`, which has no up).
        colour: mmsegmentation's `PhotoMetricDistortion` (SSD's).
    """

    short_sides: tuple[int, ...] = ()
    longest_side: int = 2560
    crop: int = 0
    flip: bool = True
    quarter_turns: bool = False
    colour: bool = False


@dataclass(frozen=True)
class Stage:
    """One uninterrupted optimisation.

    Attributes:
        name: what `Segmenter.begin_stage` is called with: it decides what is trained and which loss runs.
        iterations: optimiser steps.
        batch: images (or objects) a step, over all processes together.
        optimiser, schedule, augmentation: of this stage.
        samples: `scenes` (images and label maps), `objects` (one crop of one seen class's mask at a time, see
            `benchbed.training.objects`), or `pictures` (pictures of one thing with its class, from which a backbone learns to
            see, as from ImageNet; see `benchbed.training.pictures`).
        objects_per_class: of `samples="objects"`: how many of each class are drawn, with replacement; 0: all.
        seen_scenes: scenes that show an unseen class are left out, as ZS3Net does; else their unseen pixels are ignored like
            unlabelled ones, which a mask loss may still take for "not this object".
        backbone: the backbone alone learns to name what it sees, by the bench's own losses in place of the method's; see
            `benchbed.training.backbone_lessons`. Always so where samples are pictures.
        object_side: of `samples="objects"`: pixels a side of a crop. Pictures have the size their dataset draws them in.
        object_area: of `samples="objects"`: a random crop's least share of the object's box.
        choices: further keywords of `Segmenter.begin_stage`, plain values.
    """

    name: str
    iterations: int
    batch: int
    optimiser: Optimiser
    schedule: Schedule = Schedule()
    augmentation: Augmentation = Augmentation()
    samples: Literal["scenes", "objects", "pictures"] = "scenes"
    objects_per_class: int = 0
    object_side: int = 224
    object_area: float = 0.08
    seen_scenes: bool = False
    backbone: bool = False
    choices: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True)
class Recipe:
    """How one variant is trained on one dataset's seen classes.

    Attributes:
        stages: in order; each starts from the weights of the one before.
        source: where the numbers come from: paper, official configuration files, or "ours".
        clip: the file with CLIP's weights to start from: an official file's name in the weights folder, or "shapes" for the small
            CLIP shipped with benchbed.
        backbone: what the image backbone starts from: a file's name in the weights folder, or "" for random weights.
        differences: what is not as the authors did it, each one sentence.
        amp: mixed precision, as if `--amp` were given.
        config: keywords of the variant's `build` that hold in training and in the trained model, over the variant's own.
    """

    stages: tuple[Stage, ...]
    source: str
    clip: str
    backbone: str = ""
    differences: tuple[str, ...] = ()
    amp: bool = False
    config: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for the JSON beside a checkpoint."""
        stages = [
            asdict(replace(stage, choices={})) | {"choices": dict(stage.choices)} for stage in self.stages
        ]
        return {
            "stages": stages,
            "source": self.source,
            "clip": self.clip,
            "backbone": self.backbone,
            "differences": list(self.differences),
            "amp": self.amp,
            "config": dict(self.config),
        }
