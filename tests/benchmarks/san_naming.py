"""What holds SAN down on `shapes`: how good its masks are, and what its CLIP names under them and under true ones.

    python tests/benchmarks/san_naming.py                       # the weights that ship, all 200 val scenes: 2 minutes
    python tests/benchmarks/san_naming.py --weights FILE --limit 50

Steered by the network's own bias, CLIP names a region `as it runs`; `own mask`, `own mask, a patch wider` and `true mask` tell
CLIP's mask tokens by hand to look at the patches of that mask alone. Regions, own masks and intervals: `region_naming.py`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from region_naming import Names, Scene, at_grid, at_photo, overlap, report
from torch import Tensor

from benchbed.segmenter import Segmenter, TextFeatures
from methods.san.mask_decoder import Proposals
from methods.san.model import SAN
from methods.san.recognition import BLOCKED, Seen


def names_of(san: Segmenter) -> Names:
    """SAN's answers."""
    assert isinstance(san, SAN)

    def answer(scene: Scene, text: TextFeatures) -> tuple[Tensor, dict[str, Tensor]]:
        proposals, seen = san.propose(scene.batch.tensor)
        fit = overlap(at_photo(proposals.masks, scene.batch)[0] > 0, scene.truth)
        own = fit.argmax(1)
        grid = (proposals.masks.shape[2], proposals.masks.shape[3])
        mine = (proposals.masks[0] > 0)[own]
        wider = F.max_pool2d(mine[None].float(), 3, 1, 1)[0] > 0
        return fit.max(1).values, {
            "as it runs": named(san, proposals, seen, text)[own],
            "own mask": named(san, told(proposals, mine), seen, text),
            "own mask, a patch wider": named(san, told(proposals, wider), seen, text),
            "true mask": named(san, told(proposals, at_grid(scene.truth, scene.batch, grid)), seen, text),
        }

    return answer


def named(san: SAN, proposals: Proposals, seen: Seen, text: TextFeatures) -> Tensor:
    """The best class of each mask token, [Q]; the background is none."""
    return san.classify(san.name(proposals, seen), text)[0, :, :-1].argmax(-1)


def told(like: Proposals, masks: Tensor) -> Proposals:
    """Mask tokens that look inside [N, h, w] bool alone, with every head."""
    bias = torch.where(masks, 0.0, BLOCKED)[None, None].expand(1, like.bias.shape[1], -1, -1, -1)
    return Proposals(masks[None].float(), bias.contiguous())


if __name__ == "__main__":
    report(__doc__ or "", "san/tiny", names_of)
