"""COCO-Stuff for mmengine's Runner and mmsegmentation's metrics: the bench's list and label rule, their class.

Importing it takes seconds (mmsegmentation imports torch); the bench itself reads through `coco_stuff_reader`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from mmseg.datasets import BaseSegDataset, COCOStuffDataset
from mmseg.registry import DATASETS

from benchbed.datasets.coco_stuff import DATASET
from benchbed.datasets.coco_stuff_folder import find_coco_stuff
from benchbed.datasets.coco_stuff_reader import TABLE


@DATASETS.register_module()
class BenchbedCOCOStuff171(BaseSegDataset):  # type: ignore[misc]
    """COCO-Stuff 164k read from the official label maps, for a config such as

        dict(type="BenchbedCOCOStuff171", data_root="/data/coco", pipeline=[...], test_mode=True)

    mmsegmentation's `COCOStuffDataset` wants label maps that its converter has rewritten (`_labelTrainIds.png`); this one
    takes the raw ids 0..181 and lets `LoadAnnotations` map them, to the same 171 labels. `LoadAnnotations` does not
    refuse ids that never occur, `coco_stuff_reader` does; here they are ignored.

    Args:
        data_root: as in `coco_stuff.open_val`; None for `$BENCHBED_DATA`.
        split: "val" or "train". Label maps keep all 171 classes, whatever the split.
        keywords: `pipeline`, `test_mode`, `indices` and whatever else `BaseSegDataset` takes.

    Raises:
        MissingError: no data root was given and `$BENCHBED_DATA` has no COCO-Stuff.
        DataError: the folder is missing in part.
    """

    METAINFO: ClassVar[dict[str, Any]] = {
        "classes": DATASET.names,
        "palette": COCOStuffDataset.METAINFO["palette"],
    }
    # Raw id -> label, for the ids that are not their own label.
    RAW_TO_LABEL: ClassVar[dict[int, int]] = {
        raw: 255 if label == 254 else label for raw, label in enumerate(TABLE.tolist()) if raw != label
    }

    def __init__(
        self, data_root: str | Path | None = None, split: str = DATASET.split, **keywords: Any
    ) -> None:
        self.folder = find_coco_stuff(None if data_root is None else Path(data_root), split)
        super().__init__(
            data_root=str(self.folder.root),
            data_prefix={
                "img_path": str(self.folder.images.relative_to(self.folder.root)),
                "seg_map_path": str(self.folder.masks.relative_to(self.folder.root)),
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
                "img_path": str(self.folder.image(name)),
                "seg_map_path": str(self.folder.mask(name)),
                "label_map": self.RAW_TO_LABEL,
                "reduce_zero_label": self.reduce_zero_label,
                "seg_fields": [],
            }
            for name in self.folder.file_sizes()
        ]
