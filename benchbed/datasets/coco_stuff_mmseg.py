"""COCO-Stuff for mmengine's Runner and mmsegmentation's metrics: the bench's list and label rule, their class.

Importing it takes seconds (mmsegmentation imports torch); the bench itself reads through `pair_reader`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from mmseg.datasets import COCOStuffDataset
from mmseg.registry import DATASETS

from benchbed.datasets.coco_stuff import DATASET, open_train, open_val
from benchbed.datasets.coco_stuff_classes import RAW


@DATASETS.register_module()
class BenchbedCOCOStuff171(COCOStuffDataset):  # type: ignore[misc]
    """COCO-Stuff 164k read from the official label maps, for a config such as

        dict(type="BenchbedCOCOStuff171", data_root="/data/coco", pipeline=[...], test_mode=True)

    mmsegmentation's `COCOStuffDataset` wants label maps that its converter has rewritten (`_labelTrainIds.png`); this one
    takes the raw ids 0..181 and lets `LoadAnnotations` map them, to the same 171 labels. `LoadAnnotations` does not
    refuse ids that never occur, `pair_reader` does; here they are ignored.

    Args:
        data_root: as in `coco_stuff.open_val`; None for `$BENCHBED_DATA`.
        split: "val" or "train". Label maps keep all 171 classes, whatever the split.
        keywords: `pipeline`, `test_mode`, `indices` and whatever else `BaseSegDataset` takes.

    Raises:
        MissingError: no data root was given and `$BENCHBED_DATA` has no COCO-Stuff.
        DataError: the folder is missing in part.
    """

    # Raw id -> label, for the ids that are not their own label.
    RAW_TO_LABEL: ClassVar[dict[int, int]] = {
        raw: label
        for raw, label in (dict.fromkeys(range(255), 255) | {raw: k for k, raw in enumerate(RAW)}).items()
        if raw != label
    }

    def __init__(
        self, data_root: str | Path | None = None, split: str = DATASET.split, **keywords: Any
    ) -> None:
        opened = {"val": open_val, "train": open_train}[split]
        self.bench = opened(None if data_root is None else Path(data_root))
        folder = self.bench.folder
        super().__init__(
            data_root=str(folder.root),
            data_prefix={
                "img_path": folder.layout.images,
                "seg_map_path": folder.layout.masks,
            },
            img_suffix=".jpg",
            seg_map_suffix=".png",
            reduce_zero_label=False,
            ignore_index=DATASET.ignore,
            **keywords,
        )

    def load_data_list(self) -> list[dict[str, Any]]:
        """One entry a photo, in the order of the ids, as `BaseSegDataset` makes them."""
        return [
            {
                "img_path": str(self.bench.folder.image(name)),
                "seg_map_path": str(self.bench.folder.mask(name)),
                "label_map": self.RAW_TO_LABEL,
                "reduce_zero_label": self.reduce_zero_label,
                "seg_fields": [],
            }
            for name in self.bench.ids
        ]
