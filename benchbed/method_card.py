"""What a method says of itself before any of its code is loaded: card, variants, weights. Free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from benchbed.input_spec import InputSpec

Family = Literal["pixel", "two-stream", "single-pass"]


@dataclass(frozen=True)
class MethodCard:
    """The paper and the facts a reviewer asks for.

    Attributes:
        name: the name used on the command line.
        title, venue, year, arxiv: the paper; `arxiv` is the bare id, or "" where there is none.
        code_licence, weights_licence: of the *official* code and weights, not of ours.
        family: `pixel`, `two-stream` (crops through CLIP) or `single-pass`.
        claims: the speed and accuracy sentences of the paper that benchbed can check.
        verified: how this implementation was checked against the official one.
        traps: quirks that a user or a reviewer must know.
        class_names: which author's spelling of a dataset's class names the paper's prompts used, best first.
        text_per_image: the official evaluation runs the text tower again for every image.
        only_datasets: the datasets whose classes it knows; empty for any vocabulary.
        supervised: trained with masks of every class of the dataset, so that its figures are never zero-shot results.
        published_as: what published tables call it; the first is what reports write.
        colour: "#rrggbb" in plots; "" for one that follows from its name.
    """

    name: str
    title: str
    venue: str
    year: int
    arxiv: str
    family: Family
    code_licence: str
    weights_licence: str
    claims: tuple[str, ...] = ()
    verified: tuple[str, ...] = ()
    traps: tuple[str, ...] = ()
    class_names: tuple[str, ...] = ()
    text_per_image: bool = False
    only_datasets: tuple[str, ...] = ()
    supervised: bool = False
    published_as: tuple[str, ...] = ()
    colour: str = ""


@dataclass(frozen=True)
class Weights:
    """An official checkpoint that a variant can load.

    Attributes:
        file: the official file's name, looked for in the weights folder (`$BENCHBED_WEIGHTS`).
        source: where a person gets it.
        trained_on: the data and classes it was trained on.
        not_for: dataset names whose zero-shot figures this checkpoint must not be used for, each with the reason.
    """

    file: str
    source: str
    trained_on: str
    not_for: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True)
class OfficialFlops:
    """What the official code takes for one image beside what ours does: 1 multiply-add = 2 FLOPs, text left out.

    A test (tests/parity/test_official_flops.py) counts ours anew and asks for a reason where the two differ by more than 1 %.

    Attributes:
        size: height and width of the resized image, pixels, before padding.
        classes: in the vocabulary.
        official: GFLOPs of the official code.
        ours: GFLOPs of `Segmenter.segment` by benchbed's counter; with `label_map`, of the label map's product as well.
        source: where the official figure comes from.
        proposals: masks, each with a crop in a two-stream method; None where it proposes none.
        label_map: the official figure holds the product that makes class scores per pixel, which ours counts apart.
        why: what makes the difference, "" for none worth a reason.
    """

    size: tuple[int, int]
    classes: int
    official: float
    ours: float
    source: str
    proposals: int | None = None
    label_map: bool = False
    why: str = ""

    @property
    def ratio(self) -> float:
        """Ours over the official figure."""
        return self.ours / self.official


@dataclass(frozen=True)
class Variant:
    """One configuration of a method.

    Attributes:
        name: e.g. `vit-b16`; the full name is `method/name`.
        summary: one line for `benchbed list methods`.
        build: "module:callable" that makes the segmenter from `config` with random weights.
        config: keyword arguments of `build`.
        per_dataset: dataset name -> keyword arguments that were published for it alone, over `config`.
        inputs: what protocol `paper` feeds the network; the key is a dataset's name or "*" for all others.
        weights: the official checkpoint, or None where there is none to get.
        packaged: "package:file" of weights shipped inside a distribution, or "".
        embedded: small enough for the embedded dataset `shapes`; `auto` weights fall back to random ones.
        text_per_image: overrides the card's, where one of several configurations differs.
        backbone: the network that sees the image, and the decoder on it; "" if unsaid.
        clip: which CLIP is in it, which of its towers where not both, and whether frozen; "" if unsaid.
        params: numbers of parameters, total and trainable, as `build` makes it (a test holds ours to that); None if unsaid.
        proposals: how many masks it proposes an image; `build` must then take another number as its keyword `queries`, by which
            `benchbed cost` sweeps it. None where it proposes none.
        official_flops: figures of the official code, where there are any, beside ours.
    """

    name: str
    summary: str
    build: str
    inputs: Mapping[str, InputSpec]
    config: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    weights: Weights | None = None
    packaged: str = ""
    embedded: bool = False
    per_dataset: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: MappingProxyType({}))
    text_per_image: bool | None = None
    backbone: str = ""
    clip: str = ""
    params: tuple[int, int] | None = None
    proposals: int | None = None
    official_flops: tuple[OfficialFlops, ...] = ()

    def config_for(self, dataset: str) -> dict[str, Any]:
        """The published keyword arguments of `build` on `dataset`."""
        return {**self.config, **self.per_dataset.get(dataset, {})}

    def input_for(self, dataset: str) -> InputSpec:
        """The published input of this variant on `dataset`."""
        return self.inputs.get(dataset, self.inputs["*"])


@dataclass(frozen=True)
class Method:
    """What an entry point of the group `benchbed.methods` names.

    Attributes:
        card: the facts.
        variants: the first one is the default on real datasets.
        load: "module:callable" with signature `(state_dict, **overrides) -> Segmenter` that builds a segmenter
            from an official checkpoint's tensors, or "" where checkpoints are loaded by key into `build`.
        recipe: "module:callable" with signature `(variant: str, dataset: str) -> benchbed.training.recipe.Recipe`, which raises
            `UsageError` where there is none for the two; "" for a method without training.
    """

    card: MethodCard
    variants: tuple[Variant, ...]
    load: str = ""
    recipe: str = ""

    def variant(self, name: str) -> Variant | None:
        """The variant of this name, or None."""
        return next((variant for variant in self.variants if variant.name == name), None)

    def default_variant(self, embedded: bool) -> Variant:
        """The variant meant by the bare method name on a small (`embedded`) or a real dataset."""
        fitting = [variant for variant in self.variants if variant.embedded == embedded]
        return (fitting or list(self.variants))[0]
