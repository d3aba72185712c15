"""What published tables call datasets, metrics and training sets, and what the bench calls them. Of methods the cards say it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from benchbed.report.published import Setting

# As printed -> (the bench's name, setting).
DATASETS: Final[dict[str, tuple[str, Setting]]] = {
    "COCO-Stuff 171 (156/15)": ("coco-stuff", "zs3"),
    "COCO-Stuff-171 (156/15)": ("coco-stuff", "zs3"),
    "VOC2012 20 (15/5, no background)": ("voc", "zs3"),
    "VOC-20 (15/5)": ("voc", "zs3"),
    "VOC-20": ("voc", "all classes"),
    "COCO-Stuff 171 (all classes)": ("coco-stuff", "all classes"),
    "COCO-Stuff-171": ("coco-stuff", "all classes"),
    "PC-59": ("pascal-context-59", "all classes"),
    "PC-459": ("pascal-context-459", "all classes"),
    "ADE-150": ("ade20k-150", "all classes"),
    "ADE20K-150": ("ade20k-150", "all classes"),
    "ADE-847": ("ade20k-847", "all classes"),
    "ADE20K-847": ("ade20k-847", "all classes"),
}

# As printed -> (name of a figure, rule for absent classes). "FLOPs (G)" is left as it is: whether a multiply-add
# counts one or two there is not said.
METRICS: Final = {
    "mIoU": ("miou", ""),
    "mIoU (paper main table)": ("miou", ""),
    "mIoU_seen": ("seen_miou", ""),
    "mIoU seen": ("seen_miou", ""),
    "mIoU_unseen": ("unseen_miou", ""),
    "mIoU unseen": ("unseen_miou", ""),
    "hIoU": ("hiou", ""),
    "pAcc": ("pixel_accuracy", ""),
    # detectron2 since commit f3c1bc19 of July 2022, and before it (see benchbed.metrics.iou.AbsentRule).
    "mIoU (rule: classes with GT only, detectron2>=2022-07)": ("miou", "ground-truth-only"),
    "mIoU (rule: sum over all 459, = detectron2 v0.6 / paper)": ("miou", "union"),
    "mIoU (old detectron2 rule)": ("miou", "union"),
    "params_total_M": ("params", ""),
    "params_total_with_CLIP_M": ("params", ""),
    "params_trainable_M": ("trainable", ""),
    "learnable params (M)": ("trainable", ""),
    "trainable params (M)": ("trainable", ""),
    "GFLOPs_2MAC_no_text": ("gflops", ""),
    "FPS": ("throughput", ""),
    "FPS (GPU not read)": ("throughput", ""),
    "FPS (1080Ti)": ("throughput", ""),
}

TRAIN_SETS: Final = {
    "COCO-Stuff seen 156": "COCO-Stuff-156",
    "VOC seen 15": "VOC-15",
    "COCO-Stuff standard 171": "COCO-Stuff-171",
    "COCO + Loc. Narr.": "COCO + Localized Narratives",
}
