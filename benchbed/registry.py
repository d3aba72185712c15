"""Methods and datasets by name, from the entry points of every installed distribution. Imports nothing heavy."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchbed.errors import UsageError
from benchbed.method_card import Method, Variant
from benchbed.trained_config import trained_config

if TYPE_CHECKING:
    from benchbed.datasets.dataset import DatasetCard
    from benchbed.segmenter import Segmenter

METHOD_GROUP: Final = "benchbed.methods"
DATASET_GROUP: Final = "benchbed.datasets"
_KINDS: Final = {METHOD_GROUP: "method", DATASET_GROUP: "dataset"}
SHIPPED: Final = "shipped"
# Names that people type for one of ours.
_ALIASES: Final = {
    **{"zsseg": "simseg", "simbaseline": "simseg"},
    **dict.fromkeys(("voc2012", "pascal-voc", "voc-20", "pas-20"), "voc"),
    **dict.fromkeys(("pas-21", "voc2012-21"), "voc-21"),
    **dict.fromkeys(("zs3", "voc-zs3"), "voc-zs3-10"),
    **dict.fromkeys(
        ("coco", "cocostuff", "coco-stuff-164k", "coco-stuff-171", "cocostuff164k"), "coco-stuff"
    ),
    **dict.fromkeys(("ade", "ade20k", "ade150", "a-150", "ade-150"), "ade20k-150"),
    **dict.fromkeys(("ade20k-full", "ade847", "a-847", "ade-847"), "ade20k-847"),
    **dict.fromkeys(("pascal-context", "pcontext", "pcontext-59", "pc-59", "context"), "pascal-context-59"),
    **dict.fromkeys(("pascal-context-full", "pcontext-full", "pcontext-459", "pc-459"), "pascal-context-459"),
}
# What a dataset of one's own is named by on the command line.
OWN_ENDING: Final = ".toml"


@dataclass(frozen=True)
class Found:
    """A registered name and where it came from: `object` is the entry point's value, loaded."""

    name: str
    object: Any
    distribution: str
    module: str


def names(group: str) -> list[str]:
    """All registered names of a group, sorted; loads nothing."""
    return sorted({point.name for point in entry_points(group=group)})


def find(group: str, name: str) -> Found:
    """Load what is registered under `name`.

    Raises:
        UsageError: nothing of that name is registered, or it cannot be loaded; the message has the nearest names.
    """
    points = [point for point in entry_points(group=group) if point.name == name]
    if not points:
        raise UsageError(unknown(_KINDS[group], name, names(group)))
    if len({point.value for point in points}) > 1:
        sides = " and ".join(f"{_distribution(point)} ({point.value})" for point in points)
        raise UsageError(f"{_KINDS[group]} {name!r} is registered by {sides}; uninstall one of them")
    return _load(group, points[0])


def dataset_card(name: str) -> DatasetCard:
    """The card of a dataset: a registered one by its name, one's own by the path of its TOML file.

    Raises:
        UsageError: nothing of that name is registered.
        DataError: the TOML file is missing or malformed.
    """
    if name.endswith(OWN_ENDING):
        from benchbed.datasets.own import read_own

        return read_own(Path(name))
    card: DatasetCard = find(DATASET_GROUP, name).object
    return card


def every(group: str) -> list[Found]:
    """Load all of a group's entries, in the order of their names."""
    return [find(group, name) for name in names(group)]


def _load(group: str, point: EntryPoint) -> Found:
    distribution = _distribution(point)
    try:
        value = point.load()
    except Exception as error:  # whatever a third party's module does when it is imported
        raise UsageError(_cannot_load(group, point, distribution, error)) from error
    return Found(point.name, value, distribution, point.value)


def _distribution(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else "unknown distribution"


def _cannot_load(group: str, point: EntryPoint, distribution: str, error: Exception) -> str:
    package = point.value.split(":")[0].split(".")[0]
    reason = f"{type(error).__name__}: {error}"
    message = (
        f"{_KINDS[group]} {point.name!r} of {distribution} cannot be loaded from {point.value}: {reason}"
    )
    try:
        winner = Path(importlib.import_module(package).__file__ or "").parent
    except Exception:
        return f"{message}; reinstall {distribution.split()[0]}"
    return (
        f"{message}; the package {package!r} that Python found is {winner}. If that is not the one of {distribution}, "
        "another package of the same name shadows it: uninstall it or run from another folder"
    )


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """The sentence for a misspelt name, with the nearest right ones."""
    choices = sorted(known)
    near = difflib.get_close_matches(name.lower(), choices, n=3, cutoff=0.5)
    alias = _ALIASES.get(name.lower())
    if alias in choices and alias not in near:
        near.insert(0, str(alias))
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    return f"unknown {kind} {name!r}: {hint}known are {', '.join(choices) or 'none'} (benchbed list {kind}s)"


@dataclass(frozen=True)
class Chosen:
    """One variant to run: `label` is `method/variant`."""

    found: Found
    variant: Variant

    @property
    def method(self) -> Method:
        """The method's card, variants and loader."""
        return self.found.object  # type: ignore[no-any-return]

    @property
    def label(self) -> str:
        """`method/variant`."""
        return f"{self.found.name}/{self.variant.name}"


def choose(name: str, embedded: bool = False) -> Chosen:
    """Resolve `method` or `method/variant`; the bare name means the default variant.

    Raises:
        UsageError: no such method or variant; the message has the nearest names.
    """
    method_name, _, variant_name = name.partition("/")
    found = find(METHOD_GROUP, method_name)
    method: Method = found.object
    if not variant_name:
        return Chosen(found, method.default_variant(embedded))
    variant = method.variant(variant_name)
    if variant is None:
        known = [f"{method_name}/{each.name}" for each in method.variants]
        raise UsageError(unknown("variant", name, known))
    return Chosen(found, variant)


def resolve(target: str) -> Any:
    """The object that "module:attribute" names."""
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)


def load_method(name: str, checkpoint: str | Path | None = None, **overrides: Any) -> Segmenter:
    """Build a segmenter.

    Args:
        name: `method` or `method/variant`.
        checkpoint: an official checkpoint (its own key format, sizes are read from the tensors' shapes), `"shipped"` for the
            weights that come with the variant, or None for random weights in the variant's sizes.
        overrides: what shapes cannot tell (heads, layer split, resolutions), or changes to the variant's configuration.

    Returns:
        The segmenter in evaluation mode, on the CPU, float32.

    Raises:
        UsageError: unknown name or keyword, or no weights come with the variant.
        CheckpointError: the file is missing, damaged, unsafe, or of another method or size.
    """
    chosen = choose(name)
    if checkpoint == SHIPPED:
        require_shipped(chosen, "give a checkpoint's path, or None for random weights")
    if checkpoint is None or checkpoint == SHIPPED:
        segmenter: Segmenter = resolve(chosen.variant.build)(**{**chosen.variant.config, **overrides})
        if checkpoint == SHIPPED:
            _fill_as_shipped(segmenter, chosen)
        segmenter.set_input(chosen.variant.inputs["*"]).eval()
        return segmenter
    from benchbed.checkpoints import load_official

    named = chosen.variant.config if "/" in name else {}
    loaded: Segmenter = load_official(
        chosen.method,
        chosen.variant,
        Path(checkpoint),
        {**named, **trained_config(Path(checkpoint)), **overrides},
    ).eval()
    return loaded


def require_shipped(chosen: Chosen, instead: str) -> None:
    """Nothing, if weights come with the variant; `instead` says what else a user may give.

    Raises:
        UsageError: none do; the message names the method's variants that have some.
    """
    if chosen.variant.packaged:
        return
    those = [f"{chosen.found.name}/{each.name}" for each in chosen.method.variants if each.packaged]
    found = (
        f"; they come with {' and '.join(those)}"
        if those
        else f", nor with any variant of {chosen.found.name}"
    )
    raise UsageError(f"{chosen.label}: no weights come with it{found}; {instead}")


def _fill_as_shipped(segmenter: Segmenter, chosen: Chosen) -> None:
    from benchbed.packaged_weights import unpack
    from benchbed.weights import packaged_path

    unpack(packaged_path(chosen.variant), segmenter)
