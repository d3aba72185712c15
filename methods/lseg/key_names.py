"""Official tensor names (`net.<name>` in a Lightning checkpoint) and ours."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from torch import Tensor

PREFIX: Final = "net."

# Official name -> why it is not needed; the first pattern that matches counts.
IGNORED: Final[tuple[tuple[str, str], ...]] = (
    (r"clip_pretrained\.visual\..*", "CLIP's image tower is never run; LSeg has an image encoder of its own"),
    (r"clip_pretrained\.logit_scale", "the official code uses the constant 1 / 0.07 instead"),
    (r"clip_pretrained\.(input_resolution|context_length|vocab_size)", "read from the tables' shapes"),
    (r"pretrained\.model\.(norm|fc_norm)\..*", "the final norm follows the last block that is read"),
    (r"pretrained\.model\.head\..*", "the ImageNet classifier is never run"),
    (r"scratch\.refinenet4\.resConfUnit1\..*", "the coarsest fusion block has no lateral map to refine"),
)

_Level = Callable[[re.Match[str]], str]


def _level(template: str) -> _Level:
    """Official levels count from 1, ours from 0."""
    return lambda match: template.format(int(match[1]) - 1) + match[2]


# Official name, as a whole, -> ours; the first pattern that matches counts.
_RENAMED: Final[tuple[tuple[str, str | _Level], ...]] = (
    (r"clip_pretrained\.(.*)", r"text.\1"),
    (r"pretrained\.model\.((?:cls_token|pos_embed|patch_embed\.|blocks\.).*)", r"encoder.\1"),
    (r"pretrained\.(layer[1-4]\..*)", r"encoder.\1"),
    (r"pretrained\.act_postprocess([1-4])\.0\.project\.0\.(.*)", _level("reassemble.{}.readout.")),
    (r"pretrained\.act_postprocess([1-4])\.3\.(.*)", _level("reassemble.{}.project.")),
    (r"pretrained\.act_postprocess([1-4])\.4\.(.*)", _level("reassemble.{}.resize.")),
    (r"scratch\.layer([1-4])_rn\.(.*)", _level("decoder.lateral.{}.")),
    (r"scratch\.refinenet([1-4])\.out_conv\.(.*)", _level("decoder.fusion.{}.out.")),
    (r"scratch\.refinenet([1-4])\.resConfUnit1\.(.*)", _level("decoder.fusion.{}.skip.")),
    (r"scratch\.refinenet([1-4])\.resConfUnit2\.(.*)", _level("decoder.fusion.{}.refine.")),
    (r"scratch\.head1\.(.*)", r"decoder.head.\1"),
    (r"scratch\.head_block\.depthwise\.depthwise\.(.*)", r"regularise.depthwise.\1"),
)


def ignored(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """Those official names that are not needed, each with the reason."""
    reasons: dict[str, str] = {}
    for name in tensors:
        reason = next(
            (why for pattern, why in IGNORED if re.fullmatch(pattern, name.removeprefix(PREFIX))), None
        )
        if reason is not None:
            reasons[name] = reason
    return reasons


def ours(name: str) -> str:
    """An official name in our terms; names that are ours already, or nobody's, stay."""
    bare = name.removeprefix(PREFIX)
    for pattern, replacement in _RENAMED:
        match = re.fullmatch(pattern, bare)
        if match:
            return match.expand(replacement) if isinstance(replacement, str) else replacement(match)
    return name
