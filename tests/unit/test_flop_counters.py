"""Both counters of FLOPs: hand counts, agreement, and refusal of what is not counted."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from uncounted_operator import my_attention

from benchbed.cost import flop_counters
from benchbed.cost.flop_counters import add_formula, count_with_fvcore, count_with_torch, fused_paths_off
from benchbed.cost.flops import agree, check_counters
from benchbed.cost.heavy_operators import is_heavy
from benchbed.errors import MeasurementError
from benchbed.stages import stage


def both(call: Callable[[], object], module: nn.Module | None = None) -> tuple[int, int]:
    return count_with_fvcore(call, module), count_with_torch(call).total


def test_vit_b16_of_open_clip_is_17_5635_gmac_by_both_counters() -> None:
    counts = check_counters()
    assert counts["hand"] / 2e9 == pytest.approx(17.5635, abs=5e-5)
    assert counts["fvcore"] == pytest.approx(counts["hand"], rel=0.002)
    assert counts["torch"] == pytest.approx(counts["hand"], rel=0.002)


def test_check_counters_fails_on_another_network() -> None:
    with pytest.raises(MeasurementError, match=r"counters disagree.*hand 35\.1269"):
        check_counters(lambda: nn.Conv2d(3, 8, 16, stride=16))


def test_linear_and_convolution_by_hand() -> None:
    linear, image = nn.Linear(5, 7), torch.zeros(2, 3, 5)
    assert both(lambda: linear(image), linear) == (2 * 6 * 5 * 7,) * 2
    convolution, pixels = nn.Conv2d(4, 6, 3, groups=2), torch.zeros(2, 4, 10, 12)
    assert both(lambda: convolution(pixels), convolution) == (2 * 2 * 6 * 8 * 10 * 2 * 9,) * 2


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("weights", [False, True])
def test_attention_counts_in_full_masked_or_not(masked: bool, weights: bool) -> None:
    tokens, width = 7, 16
    layer, x = nn.MultiheadAttention(width, 4, batch_first=True).eval(), torch.randn(2, tokens, width)
    mask = torch.zeros(tokens, tokens) if masked else None
    by_hand = 2 * 2 * (4 * tokens * width**2 + 2 * tokens**2 * width)
    assert both(lambda: layer(x, x, x, attn_mask=mask, need_weights=weights), layer) == (by_hand,) * 2


def test_scaled_dot_product_with_a_mask_and_a_wider_value() -> None:
    q, k, v = torch.randn(2, 3, 5, 8), torch.randn(2, 3, 6, 8), torch.randn(2, 3, 6, 8)
    expected = 2 * 2 * 3 * 5 * 6 * (8 + 8)
    assert (
        both(lambda: F.scaled_dot_product_attention(q, k, v, attn_mask=torch.zeros(5, 6))) == (expected,) * 2
    )


@pytest.mark.parametrize(
    ("call", "flops"),
    [
        (lambda: torch.baddbmm(torch.zeros(2, 3, 5), torch.zeros(2, 3, 4), torch.zeros(2, 4, 5)), 240),
        (lambda: torch.addbmm(torch.zeros(3, 5), torch.zeros(2, 3, 4), torch.zeros(2, 4, 5)), 240),
        (lambda: torch.addmv(torch.zeros(3), torch.zeros(3, 4), torch.zeros(4)), 24),
        (lambda: torch.dot(torch.zeros(4), torch.zeros(4)), 8),
        (lambda: torch.zeros(3, 4) @ torch.zeros(7, 4, 5), 840),
        (lambda: torch.einsum("bqc,bqhw->bchw", torch.zeros(2, 4, 5), torch.zeros(2, 4, 6, 7)), 3360),
        (lambda: torch.tensordot(torch.zeros(3, 4, 5), torch.zeros(4, 5, 6), 2), 720),
        (lambda: F.conv2d(torch.zeros(1, 2, 8, 8), torch.zeros(3, 2, 3, 3), padding="same"), 6912),
        (lambda: F.layer_norm(torch.zeros(4, 8), (8,)) + F.gelu(torch.zeros(4, 8)), 0),
        (lambda: F.interpolate(torch.zeros(1, 2, 4, 4), (8, 8), mode="bilinear"), 0),
    ],
)
def test_products_count_and_elementwise_work_does_not(call: Callable[[], object], flops: int) -> None:
    assert both(call) == (flops, flops)


def test_a_result_that_nobody_uses_was_computed_all_the_same() -> None:
    x = torch.randn(4, 8)

    def call() -> Tensor:
        _unused = x @ x.T
        return x + 1

    assert both(call) == (2 * 4 * 4 * 8,) * 2


def test_sizes_are_integers_while_fvcore_traces() -> None:
    x = torch.randn(2, 12, 5)

    def call() -> Tensor:
        groups = x.shape[1] // 3
        assert type(groups) is int
        assert type(x.numel()) is int
        return x.unflatten(1, (groups, 3)).flatten(1) @ torch.zeros(60, 2)

    assert both(call) == (2 * 2 * 60 * 2,) * 2


@pytest.mark.parametrize("was_on", [True, False])
def test_fused_paths_are_off_inside_and_as_before_after(was_on: bool) -> None:
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(was_on)
    try:
        seen = []
        with contextlib.suppress(ZeroDivisionError), fused_paths_off():
            seen.append(torch.backends.mha.get_fastpath_enabled())
            raise ZeroDivisionError
        assert seen == [False]
        assert torch.backends.mha.get_fastpath_enabled() is was_on
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def test_an_encoder_layer_that_would_fuse_is_counted_whole() -> None:
    layer, x = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True).eval(), torch.randn(2, 7, 16)
    by_hand = 2 * 2 * (4 * 7 * 16**2 + 2 * 7**2 * 16 + 2 * 7 * 16 * 32)
    assert both(lambda: layer(x), layer) == (by_hand,) * 2


def test_a_fused_path_that_cannot_be_switched_off_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, x = nn.MultiheadAttention(16, 4, batch_first=True).eval(), torch.randn(2, 7, 16)
    monkeypatch.setattr(torch.backends.mha, "set_fastpath_enabled", lambda on: None)
    assert torch.backends.mha.get_fastpath_enabled()
    with pytest.raises(
        MeasurementError, match="torch's counter has no formula for aten::_native_multi_head_attention"
    ):
        count_with_torch(lambda: layer(x, x, x, need_weights=False))


def test_a_fused_operator_called_by_its_name_is_refused_by_fvcore_too() -> None:
    w, o, x = torch.randn(48, 16), torch.randn(16, 16), torch.randn(2, 7, 16)
    biases = torch.zeros(48), torch.zeros(16)

    def call() -> object:
        return torch._native_multi_head_attention(
            x, x, x, 16, 4, w, biases[0], o, biases[1], need_weights=False
        )

    with pytest.raises(
        MeasurementError, match="fvcore has no formula for aten::_native_multi_head_attention"
    ):
        count_with_fvcore(call)


@pytest.mark.parametrize("count", [count_with_torch, count_with_fvcore])
@pytest.mark.parametrize(
    ("call", "name"),
    [
        (
            lambda: my_attention(torch.zeros(2, 3, 4), torch.zeros(2, 3, 4), 1.0),
            "benchbed_test::my_attention",
        ),
        (lambda: nn.LSTM(8, 8).requires_grad_(False)(torch.zeros(3, 2, 8)), "aten::"),
        (lambda: torch.fft.rfft2(torch.zeros(4, 4)), "fft"),
    ],
)
def test_a_heavy_operator_without_a_formula_is_refused_by_name(
    count: Callable[[Callable[[], object]], object], call: Callable[[], object], name: str
) -> None:
    with pytest.raises(MeasurementError, match=f"no formula for.*{name}"):
        count(call)


def test_an_added_formula_serves_both_counters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flop_counters, "_TORCH_FORMULAS", dict(flop_counters._TORCH_FORMULAS))
    monkeypatch.setattr(flop_counters, "_ADDED_HANDLERS", {})
    add_formula(torch.ops.benchbed_test.my_attention, lambda q, k, scale: 2 * math.prod(q) * k[1])
    assert both(lambda: my_attention(torch.zeros(2, 3, 4), torch.zeros(2, 5, 4), 1.0)) == (240, 240)


@pytest.mark.parametrize(
    ("operator", "heavy"),
    [
        ("aten::_native_multi_head_attention", True),
        ("aten::_transformer_encoder_layer_fwd", True),
        ("aten::convolution", True),
        ("aten::mm", True),
        ("aten::_int_mm", True),
        ("aten::bilinear", True),
        ("quantized::linear_dynamic", True),
        ("flash_attn::_flash_attn_forward", True),
        ("torchvision::deform_conv2d", True),
        ("torchvision::roi_align", False),
        ("aten::upsample_bilinear2d", False),
        ("aten::upsample_linear1d", False),
        ("aten::grid_sampler_2d", False),
        ("prims::convert_element_type", False),
        ("aten::native_layer_norm", False),
        ("aten::_softmax", False),
        ("aten::cumsum", False),
        ("aten::comm", False),
        ("profiler::_record_function_enter_new", False),
    ],
)
def test_which_operators_are_heavy(operator: str, heavy: bool) -> None:
    assert is_heavy(operator) is heavy


def test_a_call_that_cannot_be_traced_says_so_and_leaves_no_hooks() -> None:
    layer = nn.Linear(3, 3)

    def call() -> object:
        layer(torch.zeros(2, 3))
        raise RuntimeError("not like this\nsecond line")

    with pytest.raises(
        MeasurementError, match="fvcore cannot trace this forward pass: RuntimeError: not like this;"
    ):
        count_with_fvcore(call, layer)
    assert not layer._forward_hooks
    assert not layer._forward_pre_hooks


def test_agree_allows_two_per_mille() -> None:
    agree("it", a=100_000, b=100_200)
    agree("nothing", a=0, b=0)
    with pytest.raises(MeasurementError, match="FLOPs of it: the counters disagree"):
        agree("it", a=100_000, b=100_201)


def test_a_stage_entered_twice_adds_up() -> None:
    x = torch.zeros(4, 4)

    def call() -> None:
        for _ in range(3):
            with stage("crops"):
                x @ x

    assert count_with_torch(call).per_stage == {"crops": 3 * 128, "unaccounted": 0}
