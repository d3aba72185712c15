"""What holds DeOP down on `shapes`: its masks, how its one pass weighs patches, or what pools them.

    python tests/benchmarks/deop_naming.py                      # the weights that ship, all 200 val scenes: 1 minute
    python tests/benchmarks/deop_naming.py --weights FILE --limit 50

`as it runs`: a region's name is that of its own mask's query. `true mask`: the decoder pools under the true masks, which take
the own masks' places. `true mask and cover`: the true masks also take the proposals' place in the one pass through CLIP, so that
every patch of an object is weighed by one. `mean patch, own cover`, `mean patch, true cover`: no decoder, but the plain mean of
the patches that a true mask touches. No two regions share a query here: the better fitting one has it. Regions and intervals:
`region_naming.py`.
"""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F
from region_naming import Names, Scene, at_grid, at_photo, overlap, report
from torch import Tensor

from benchbed.segmenter import Segmenter, TextFeatures
from methods.deop.model import DeOP

SURE: Final = 10.0  # a true mask's logit: a sigmoid of 1 or 0 to four digits


def names_of(deop: Segmenter) -> Names:
    """DeOP's answers."""
    assert isinstance(deop, DeOP)

    def answer(scene: Scene, text: TextFeatures) -> tuple[Tensor, dict[str, Tensor]]:
        image = scene.batch.tensor
        masks = deop.sem_seg_head(deop.backbone(image)).mask_logits
        fit = overlap(at_photo(masks, scene.batch)[0] > 0, scene.truth)
        places = apart(fit)
        truth = true_logits(scene, (masks.shape[2], masks.shape[3]))
        told, only = masks.clone(), torch.full_like(masks, -SURE)
        told[0, places], only[0, places] = truth, truth
        patches, even = deop.visual(image, masks), deop.visual(image, only)
        return fit.gather(1, places[:, None])[:, 0], {
            "as it runs": named(deop, patches, masks, text)[places],
            "true mask": named(deop, patches, told, text)[places],
            "true mask and cover": named(deop, even, only, text)[places],
            "mean patch, own cover": of_mean(deop, patches, scene, text),
            "mean patch, true cover": of_mean(deop, even, scene, text),
        }

    return answer


def apart(fit: Tensor) -> Tensor:
    """A query of its own for each region [N] of [N, Q]: the best that no better fitting region has."""
    places = torch.full((len(fit),), -1)
    for region in fit.max(1).values.argsort(descending=True).tolist():
        free = fit[region].clone()
        free[places[places >= 0]] = -1
        places[region] = free.argmax()
    return places


def true_logits(scene: Scene, grid: tuple[int, int]) -> Tensor:
    """The true masks as sure logits [N, h, w], by each cell's share of the mask."""
    place = scene.batch.geometry[0]
    padded = torch.zeros(1, len(scene.truth), *place.padded)
    padded[:, :, : place.valid[0], : place.valid[1]] = F.interpolate(scene.truth[None].float(), place.valid)
    return 2 * SURE * F.adaptive_avg_pool2d(padded, grid)[0] - SURE


def named(deop: DeOP, patches: Tensor, masks: Tensor, text: TextFeatures) -> Tensor:
    """The best class of each query, [Q]; no-object is none."""
    anchors = deop.decoder(patches, masks, deop.query_embedding.weight)
    return deop.class_logits(anchors, text)[0, :, :-1].argmax(-1)


def of_mean(deop: DeOP, patches: Tensor, scene: Scene, text: TextFeatures) -> Tensor:
    """The class nearest to the mean of the patches [1, h, w, D] that each true mask touches, [N]."""
    touched = at_grid(scene.truth, scene.batch, (patches.shape[1], patches.shape[2])).float()
    means = torch.einsum("nhw,hwd->nd", touched, patches[0]) / touched.sum((1, 2))[:, None].clamp(min=1)
    return deop.class_logits(F.normalize(means, dim=-1)[None], text)[0, :, :-1].argmax(-1)


if __name__ == "__main__":
    report(__doc__ or "", "deop/tiny", names_of)
