"""VOC for mmengine's Runner and mmsegmentation's metrics: the bench's list and label rule, their class.

Importing it takes seconds (mmsegmentation imports torch); the bench itself reads through `voc_reader`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from mmseg.datasets import BaseSegDataset, PascalVOCDataset
from mmseg.registry import DATASETS

from benchbed.datasets.voc import DATASET
from benchbed.datasets.voc_folder import find_voc
from benchbed.datasets.voc_forms import NAMES_21
from benchbed.datasets.voc_palette import voc_palette


@DATASETS.register_module()
class BenchbedVOC20(BaseSegDataset):  # type: ignore[misc]
    """PASCAL VOC 2012 without background, for a config such as

        dict(type="BenchbedVOC20", data_root="/data", pipeline=[...], test_mode=True)

    Unlike mmsegmentation's `PascalVOCDataset` it has 20 classes (`reduce_zero_label`), tolerates blank lines
    in the list, and refuses a list that names missing files. `LoadAnnotations` does not check label values;
    `voc_reader` does.

    Args:
        data_root: as in `open_voc`; None for `$BENCHBED_DATA`.
        split: the list under ImageSets/Segmentation to read. Masks keep all 20 classes, whatever the split.
        keywords: `pipeline`, `test_mode`, `indices` and whatever else `BaseSegDataset` takes.

    Raises:
        MissingError: no data root was given and `$BENCHBED_DATA` has no VOC.
        DataError: the folder or its list is missing in part or malformed.
    """

    METAINFO: ClassVar[dict[str, Any]] = {
        "classes": DATASET.names,
        "palette": voc_palette()[1 : len(DATASET.names) + 1].tolist(),
    }
    REDUCE_ZERO_LABEL: ClassVar[bool] = True

    def __init__(
        self, data_root: str | Path | None = None, split: str = DATASET.split, **keywords: Any
    ) -> None:
        self.folder = find_voc(None if data_root is None else Path(data_root))
        self.split = split
        super().__init__(
            data_root=str(self.folder.root),
            ann_file=str(self.folder.list_file(split).relative_to(self.folder.root)),
            data_prefix={"img_path": "JPEGImages", "seg_map_path": "SegmentationClass"},
            img_suffix=".jpg",
            seg_map_suffix=".png",
            reduce_zero_label=self.REDUCE_ZERO_LABEL,
            ignore_index=DATASET.ignore,
            **keywords,
        )

    def load_data_list(self) -> list[dict[str, Any]]:
        """One entry an image, in the order of the list, as `BaseSegDataset` makes them."""
        names = self.folder.names(self.split)
        self.folder.file_sizes(names, self.split)
        return [
            {
                "img_path": str(self.folder.image(name)),
                "seg_map_path": str(self.folder.mask(name)),
                "label_map": self.label_map,
                "reduce_zero_label": self.reduce_zero_label,
                "seg_fields": [],
            }
            for name in names
        ]


@DATASETS.register_module()
class BenchbedVOC21(BenchbedVOC20, PascalVOCDataset):  # type: ignore[misc]
    """PASCAL VOC 2012 with background as a class, as `voc-21` and ZS3Net's splits have it; arguments as `BenchbedVOC20`."""

    METAINFO: ClassVar[dict[str, Any]] = {
        "classes": NAMES_21,
        "palette": voc_palette()[: len(NAMES_21)].tolist(),
    }
    REDUCE_ZERO_LABEL: ClassVar[bool] = False
