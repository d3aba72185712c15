"""From the flags of `benchbed train` to what will be trained. Everything that can be refused is refused here."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from inspect import signature
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from benchbed.class_vectors import named_vectors
from benchbed.datasets.dataset import Dataset, DatasetCard
from benchbed.errors import MissingError, UsageError
from benchbed.plan import open_dataset
from benchbed.registry import Chosen, choose, dataset_card, resolve
from benchbed.training.initial_weights import InitialWeights, initial_weights
from benchbed.training.processes import Processes, device_of
from benchbed.training.recipe import Recipe, Stage
from benchbed.training.request import TrainRequest
from benchbed.training.validation import Validation
from benchbed.vocabulary import Vocabulary

VECTORS: Final = "embeddings"  # the keyword of a `build` that takes class vectors in place of a text tower


@dataclass(frozen=True)
class TrainPlan:
    """One training, with nothing left to guess.

    Attributes:
        recipe: shortened by `--iterations`.
        published: the recipe as the method has it.
        dataset: the training split, all classes labelled.
        validation: None where not asked for.
        vectors: class name -> [D], of `--init vectors=`; empty without.
    """

    request: TrainRequest
    chosen: Chosen
    recipe: Recipe
    published: Recipe
    dataset: Dataset
    validation: Validation | None
    initial: InitialWeights
    device: torch.device
    processes: Processes
    out: Path
    vectors: dict[str, Tensor] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """`method/variant on dataset`."""
        return f"{self.chosen.label} on {self.dataset.card.name}"

    @property
    def amp(self) -> bool:
        """Mixed precision, by the flag or by the recipe."""
        return self.request.amp or self.recipe.amp

    @property
    def vocabulary(self) -> Vocabulary:
        """The seen classes in the method's spelling: what it is trained with."""
        return _vocabulary(self.chosen, self.dataset.card).seen_only()

    @property
    def config(self) -> dict[str, Any]:
        """Keywords of the variant's `build`."""
        given = {VECTORS: self.vectors} if self.vectors else {}
        return {**self.chosen.variant.config_for(self.dataset.card.name), **self.recipe.config, **given}


def make_plan(request: TrainRequest, processes: Processes) -> TrainPlan:
    """Resolve names, open the data, find the weights to start from; train nothing.

    Raises:
        UsageError: an unknown name, a method without a recipe, or a flag that makes no sense.
        MissingError: data or weights are not there.
    """
    _check_numbers(request)
    card = dataset_card(request.dataset)
    chosen = choose(request.method, card.embedded)
    published = _recipe(chosen, card)
    recipe = replace(
        published, stages=tuple(_shortened(stage, request.iterations) for stage in published.stages)
    )
    for stage in recipe.stages:
        _check_batch(stage, processes)
    initial = initial_weights(request.init, published)
    return TrainPlan(
        request=request,
        chosen=chosen,
        recipe=recipe,
        published=published,
        dataset=open_training(card, request.data_root),
        validation=_validation(request, chosen, card),
        initial=initial,
        device=device_of(processes, request.device),
        processes=processes,
        out=request.out or Path("benchbed-training") / f"{chosen.label.replace('/', '-')}-{card.name}",
        vectors=_vectors(initial, chosen, card),
    )


def open_training(card: DatasetCard, data_root: Path | None) -> Dataset:
    """Open a dataset's training split.

    Raises:
        UsageError: it has none.
        MissingError: the data are not there, or are empty.
    """
    if not card.open_train:
        raise UsageError(
            f"--dataset {card.name}: it has no training split, only {card.split}; train on another dataset"
        )
    dataset: Dataset = resolve(card.open_train)(data_root)
    if len(dataset) == 0:
        raise MissingError(
            f"{dataset.root}: the training list of {card.name} is empty; expected at least one id"
        )
    return dataset


def _vectors(initial: InitialWeights, chosen: Chosen, card: DatasetCard) -> dict[str, Tensor]:
    """Vectors of all classes, for validation too; the unseen ones' enter no loss, whose vocabulary is the seen classes."""
    if initial.vectors is None:
        return {}
    if VECTORS not in signature(resolve(chosen.variant.build)).parameters:
        raise UsageError(
            f"--init vectors={initial.vectors}: {chosen.label} has no place for class vectors; leave vectors= out"
        )
    return named_vectors(initial.vectors, card.names)


def _check_numbers(request: TrainRequest) -> None:
    least = {"iterations": 1, "val_every": 1, "val_limit": 1, "save_every": 1, "workers": 0, "seed": 0}
    for name, bound in least.items():
        value = getattr(request, name)
        if value is not None and value < bound:
            raise UsageError(f"--{name.replace('_', '-')} {value}: expected {bound} or more")
    if request.val_limit and not request.val_every:
        raise UsageError(
            f"--val-limit {request.val_limit}: nothing is validated without --val-every; give both"
        )


def _recipe(chosen: Chosen, card: DatasetCard) -> Recipe:
    method = chosen.method
    if not method.recipe:
        raise UsageError(
            f"--method {chosen.label}: {chosen.found.name} has no training recipe; choose a method that has one"
        )
    serves = method.card.only_datasets
    if serves and card.name not in serves:
        raise UsageError(
            f"--method {chosen.label}: it knows only the classes of {', '.join(serves)}, not those of {card.name}"
        )
    recipe: Recipe = resolve(method.recipe)(chosen.variant.name, card.name)
    if not recipe.stages:
        raise UsageError(f"{chosen.label}: its recipe for {card.name} has no stages; correct the recipe")
    return recipe


def _shortened(stage: Stage, iterations: int | None) -> Stage:
    """At most so many iterations, with a warm-up that takes the same share of them."""
    if iterations is None or iterations >= stage.iterations:
        return stage
    warmup = stage.schedule.warmup * iterations // stage.iterations
    return replace(stage, iterations=iterations, schedule=replace(stage.schedule, warmup=warmup))


def _check_batch(stage: Stage, processes: Processes) -> None:
    if stage.batch % processes.world:
        raise UsageError(
            f"stage {stage.name!r} has a batch of {stage.batch}, which {processes.world} processes cannot share evenly; "
            "start a number of processes that divides it"
        )


def _validation(request: TrainRequest, chosen: Chosen, card: DatasetCard) -> Validation | None:
    if request.val_every is None:
        return None
    dataset = open_dataset(card, request.data_root)
    images = min(len(dataset), request.val_limit or len(dataset))
    return Validation(dataset, _vocabulary(chosen, card), images, request.val_every)


def _vocabulary(chosen: Chosen, card: DatasetCard) -> Vocabulary:
    return card.vocabulary(chosen.method.card.class_names)
