"""ADE20K-150 and PASCAL Context-59 for mmengine's Runner and mmsegmentation's metrics, on mmsegmentation's own classes.

The 459 and 847 classes have none: mmsegmentation's `LoadAnnotations` cuts label maps to 8 bits. Importing takes seconds; the
bench itself reads through `pair_reader`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmseg.datasets import ADE20KDataset, PascalContextDataset59
from mmseg.registry import DATASETS

from benchbed.datasets import ade20k_150, pascal_context_59
from benchbed.datasets.pair_reader import PairDataset


def _keywords(dataset: PairDataset) -> dict[str, Any]:
    """What `BaseSegDataset` wants to know of a folder; masks that count classes from 1 have their 0 ignored."""
    folder = dataset.folder
    return {
        "data_root": str(folder.root),
        "data_prefix": {"img_path": folder.layout.images, "seg_map_path": folder.layout.masks},
        "img_suffix": folder.layout.photo_endings[0],
        "seg_map_suffix": folder.layout.mask_ending,
        "reduce_zero_label": folder.layout.rule.mapping[0] == dataset.card.ignore,
        "ignore_index": dataset.card.ignore,
    }


def _entries(owner: Any) -> list[dict[str, Any]]:
    """One entry an image, in the bench's order, as `BaseSegDataset` makes them."""
    dataset: PairDataset = owner.bench
    return [
        {
            "img_path": str(dataset.folder.image(name)),
            "seg_map_path": str(dataset.folder.mask(name)),
            "label_map": owner.label_map,
            "reduce_zero_label": owner.reduce_zero_label,
            "seg_fields": [],
        }
        for name in dataset.ids
    ]


@DATASETS.register_module()
class BenchbedADE20K150(ADE20KDataset):  # type: ignore[misc]
    """ADE20K val as `ade20k_150.open_val` finds it, for `dict(type="BenchbedADE20K150", data_root="/data", pipeline=[...])`.

    Args:
        data_root: as in `open_val`; None for `$BENCHBED_DATA`.
        keywords: `pipeline`, `test_mode`, `indices` and whatever else `BaseSegDataset` takes.

    Raises:
        MissingError, DataError: as `open_val`.
    """

    def __init__(self, data_root: str | Path | None = None, **keywords: Any) -> None:
        self.bench = ade20k_150.open_val(None if data_root is None else Path(data_root))
        super().__init__(**_keywords(self.bench), **keywords)

    def load_data_list(self) -> list[dict[str, Any]]:
        """One entry an image, in the order of the ids."""
        return _entries(self)


@DATASETS.register_module()
class BenchbedPascalContext59(PascalContextDataset59):  # type: ignore[misc]
    """PASCAL Context val in either layout of `pascal_context_59.open_val`; arguments as `BenchbedADE20K150`."""

    def __init__(self, data_root: str | Path | None = None, **keywords: Any) -> None:
        self.bench = pascal_context_59.open_val(None if data_root is None else Path(data_root))
        super().__init__(**_keywords(self.bench), **keywords)

    def load_data_list(self) -> list[dict[str, Any]]:
        """One entry an image, in the order of the list."""
        return _entries(self)
