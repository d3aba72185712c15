"""What a mask method's mIoU on `shapes` would be if it named right, or gave each object one mask: what holds it down.

    python tests/benchmarks/mask_oracles.py --method san/tiny          # the weights that ship, 200 val scenes: a minute
    python tests/benchmarks/mask_oracles.py --method deop/tiny --weights FILE --limit 50

An object is all that one class covers in one scene, its own mask the query that fits it best. `own masks`: all other queries are
taken out. `own masks named right`: and each of the rest is named by its object, so that masks alone are judged. `all, own masks
named right`: the others stay as they are. Two objects may have one query; it then bears one or both of their names, never a wrong
one. That names would be better under better masks, no line here shows: `san_naming.py` and `deop_naming.py` do. Scores are
joined, resized and counted as the bench does.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import torch
import torch.nn.functional as F
from region_naming import Scene, at_photo, look, overlap
from torch import Tensor

from benchbed import load_method
from benchbed.datasets.shapes.dataset import DATASET
from benchbed.metrics.bootstrap import intervals
from benchbed.metrics.counting import count_image
from benchbed.metrics.counts import Counts, ImageCounts
from benchbed.metrics.iou import AbsentRule, accuracy
from benchbed.scores import MaskScores, label_maps

RULE: Final = AbsentRule.UNION


def told(scores: MaskScores, own: Tensor, classes: tuple[int, ...]) -> Mapping[str, MaskScores]:
    """The same scene's scores as they are and as an oracle would have them.

    Args:
        scores: of one scene, with K classes.
        own: [N] the query of each object.
        classes: N of the objects.
    """
    right = F.one_hot(torch.tensor(classes), scores.num_classes).to(scores.class_scores.dtype)
    once = own.unique()
    named = scores.class_scores.clone()
    named[0, own] = right
    return {
        "as it runs": scores,
        "own masks": replace(
            scores, mask_logits=scores.mask_logits[:, once], class_scores=scores.class_scores[:, once]
        ),
        "own masks named right": replace(
            scores, mask_logits=scores.mask_logits[:, own], class_scores=right[None]
        ),
        "all, own masks named right": replace(scores, class_scores=named),
    }


def own_masks(scores: MaskScores, scene: Scene) -> Tensor:
    """The query that fits each object of a scene best, [N]."""
    return overlap(at_photo(scores.mask_logits, scene.batch)[0] > 0, scene.truth).argmax(1)


def main() -> None:
    """Measure what the command line asks for, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--method", required=True)
    parser.add_argument("--weights", default="shipped")
    parser.add_argument("--limit", type=int, default=DATASET.full_size)
    given = parser.parse_args()
    segmenter = load_method(
        given.method, given.weights if given.weights == "shipped" else Path(given.weights)
    )
    text, dataset = segmenter.text_for(DATASET.vocabulary()), DATASET.opened(None)
    rows: dict[str, list[ImageCounts]] = defaultdict(list)
    with torch.inference_mode():
        for place in range(given.limit):
            sample = dataset.sample(place)
            scene = look(segmenter, sample)
            scores = segmenter.segment(scene.batch, text)
            if not isinstance(scores, MaskScores):
                parser.error(
                    f"--method {given.method} gives no masks; expected san, deop, simseg or zegformer"
                )
            for words, each in told(scores, own_masks(scores, scene), scene.classes).items():
                (labels,) = label_maps(each)
                rows[words].append(
                    count_image(labels, sample.labels, len(DATASET.names), image_id=str(place))
                )
    for words, counted in rows.items():
        print(f"{words}: {figures(Counts.from_images(counted))}")


def figures(counts: Counts) -> str:
    """Seen and unseen mIoU, with bootstrap intervals over scenes."""
    found, ends = accuracy(counts, DATASET.seen, RULE), intervals(counts, DATASET.seen, RULE)
    of = {"seen": (found.seen_miou, ends["seen_miou"]), "unseen": (found.unseen_miou, ends["unseen_miou"])}
    return ", ".join(
        f"{words} {100 * value:.1f} % [{100 * end.low:.1f}, {100 * end.high:.1f}]"
        for words, (value, end) in of.items()
    )


if __name__ == "__main__":
    main()
