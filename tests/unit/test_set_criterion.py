"""The set criterion against `tests/plain_criterion.py` (loops and permutations), and what it does at the edges."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path
from typing import Literal

import pytest
import torch
from plain_criterion import case, plain_criterion
from torch import Tensor

from methods.parts.matcher import find_targets
from methods.parts.set_criterion import (
    MASK2FORMER,
    MASKFORMER,
    CriterionSettings,
    MaskOutput,
    SetCriterion,
    mean_over_processes,
)

FULL = replace(MASKFORMER, resolution="labels")
CHEAP = replace(MASKFORMER, resolution="logits", ignored="left-out")
DENSE_BCE = replace(MASK2FORMER, points=0)
DEOP = replace(MASKFORMER, class_cost=0.0)
VARIANTS = {
    "maskformer": FULL,
    "deop": DEOP,
    "bce": DENSE_BCE,
    "left-out": replace(FULL, ignored="left-out"),
    "cheap": CHEAP,
    "cheap-negative": replace(CHEAP, ignored="negative"),
}


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("seed", range(4))
def test_every_term_is_that_of_the_loops(name: str, seed: int) -> None:
    output, labels = case(seed)
    found = SetCriterion(VARIANTS[name])([output], labels)
    wanted = plain_criterion(VARIANTS[name], output, labels)
    assert list(found) == list(wanted)
    for key, value in found.items():
        assert value.item() == pytest.approx(wanted[key], rel=1e-9)


def test_published_settings() -> None:
    """SAN and SimSeg / ZegFormer, as their configuration files say."""
    assert asdict(MASK2FORMER) == {
        "class_weight": 2.0, "mask_weight": 5.0, "dice_weight": 5.0,
        "class_cost": 2.0, "mask_cost": 5.0, "dice_cost": 5.0,
        "no_object_weight": 0.1, "pixel_loss": "bce", "alpha": 0.25, "gamma": 2.0,
        "points": 12544, "oversample": 3.0, "importance": 0.75,
        "resolution": "labels", "ignored": "negative",
    }  # fmt: skip
    changed: dict[str, object] = {
        "class_weight": 1.0,
        "mask_weight": 20.0,
        "dice_weight": 1.0,
        "class_cost": 1.0,
    }
    changed |= {"mask_cost": 20.0, "dice_cost": 1.0, "pixel_loss": "focal", "points": 0}
    assert asdict(MASKFORMER) == asdict(MASK2FORMER) | changed
    assert CriterionSettings(**json.loads(json.dumps(asdict(MASKFORMER)))) == MASKFORMER


WORDS = [("pixel_loss", "dice"), ("resolution", "image"), ("ignored", "skip")]
NUMBERS = [("no_object_weight", 0.0), ("points", -1), ("oversample", 0.5), ("importance", 1.5)]


@pytest.mark.parametrize(("name", "value"), [*WORDS, *NUMBERS])
def test_settings_that_mean_nothing_are_refused(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=name):
        CriterionSettings(**{name: value})  # type: ignore[arg-type]


def test_class_cost_decides_only_where_it_counts() -> None:
    """Query 3 has the best mask by a hair, query 2 says the class: only the class cost prefers 2."""
    labels = torch.ones(2, 8, 12, dtype=torch.int64)
    masks = torch.ones(2, 4, 2, 3)
    masks[:, 3] = 1.001
    classes = torch.full((2, 4, 4), -5.0)
    classes[:, 2, 1] = 5.0
    targets = find_targets(labels, 3)
    for settings, chosen in (
        (FULL, 2),
        (DEOP, 3),
        (MASK2FORMER, 2),
        (replace(MASK2FORMER, class_cost=0.0), 3),
    ):
        assert SetCriterion(settings).match(masks, classes, targets).queries.tolist() == [chosen, chosen]


@pytest.mark.parametrize("settings", [FULL, CHEAP, MASK2FORMER, replace(MASK2FORMER, ignored="left-out")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_images_without_targets_teach_only_no_object(settings: CriterionSettings, dtype: torch.dtype) -> None:
    output, labels = case(0)
    labels[:] = 255
    leaf = MaskOutput(
        output.mask_logits.detach().to(dtype).requires_grad_(),
        output.class_logits.detach().to(dtype).requires_grad_(),
    )
    found = SetCriterion(replace(settings, points=min(settings.points, 50)))([leaf], labels)
    wanted = -settings.class_weight * leaf.class_logits.float().log_softmax(-1)[..., -1].mean()
    assert found["loss_class"].item() == pytest.approx(wanted.item(), rel=1e-5)
    assert found["loss_mask"].item() == found["loss_dice"].item() == 0.0
    sum(found.values(), torch.zeros(())).backward()
    assert leaf.mask_logits.grad is not None
    assert (leaf.mask_logits.grad == 0).all()
    assert leaf.class_logits.grad is not None
    assert leaf.class_logits.grad.abs().sum() > 0


def test_one_empty_image_beside_a_full_one() -> None:
    output, labels = case(5)
    labels[0] = 255
    found = SetCriterion(FULL)([output], labels)
    assert found["loss_mask"].item() == pytest.approx(
        plain_criterion(FULL, output, labels)["loss_mask"], rel=1e-9
    )
    gradient = torch.autograd.grad(found["loss_mask"], output.mask_logits)[0]
    assert (gradient[0] == 0).all()
    assert gradient[1].abs().sum() > 0


@pytest.mark.parametrize("points", [0, 300])
@pytest.mark.parametrize("seed", range(3))
def test_left_out_pixels_reach_no_loss_and_no_match(points: int, seed: int) -> None:
    """Logits on ignored pixels may be anything: labels and logits are of one size, so that no interpolation mixes them."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 3, (2, 8, 8), generator=generator)
    # A margin at the right, two pixels wide: its first column still takes part in bilinear samples left of it.
    labels[:, :, 6:] = 255
    masks = torch.randn(2, 5, 8, 8, generator=generator)
    classes = torch.randn(2, 5, 4, generator=generator)
    other = masks.clone()
    other[..., 7:] = 50 * torch.randn(2, 5, 8, 1, generator=generator)
    found = []
    for settings in (replace(MASK2FORMER, ignored="left-out"), MASK2FORMER):
        criterion = SetCriterion(replace(settings, points=points))
        for each in (masks, other):
            torch.manual_seed(seed)
            found.append(criterion([MaskOutput(each, classes)], labels))
    left_out, left_out_other, negative, negative_other = found
    for key in left_out:
        assert torch.equal(left_out[key], left_out_other[key])
    assert not torch.allclose(negative["loss_dice"], negative_other["loss_dice"])


def test_ignored_pixels_get_gradient_only_as_negatives() -> None:
    output, labels = case(3)
    large = output.mask_logits.detach().repeat_interleave(4, 2).repeat_interleave(4, 3).requires_grad_()
    for settings, taught in ((FULL, True), (replace(FULL, ignored="left-out"), False)):
        found = SetCriterion(settings)([MaskOutput(large, output.class_logits)], labels)
        gradient = torch.autograd.grad(found["loss_mask"] + found["loss_dice"], large)[0]
        at_ignored = gradient.abs().sum(1)[labels == 255]
        assert bool((at_ignored > 0).all()) is taught
        assert bool((at_ignored == 0).all()) is not taught
        assert (gradient.abs().sum(1)[labels != 255] > 0).all()


@pytest.mark.parametrize("ignored", ["negative", "left-out"])
def test_many_uniform_points_come_near_all_pixels(ignored: Literal["negative", "left-out"]) -> None:
    """Point losses estimate the dense ones: smooth masks, a straight border, uniform points."""
    torch.manual_seed(0)
    ramp = torch.linspace(-4, 4, 64)
    masks = torch.stack([ramp.expand(64, 64), -ramp.expand(64, 64), ramp[:, None].expand(64, 64)])[None]
    labels = torch.zeros(1, 64, 64, dtype=torch.int64)
    labels[:, :, 30:] = 1
    labels[:, 50:] = 255
    output = MaskOutput(masks, torch.zeros(1, 3, 3))
    # Dice counts pixels against its constant 1: with as many points as pixels it is on the same scale.
    settings = replace(MASK2FORMER, importance=0.0, ignored=ignored, points=4096)
    sampled = [SetCriterion(settings)([output], labels) for _ in range(10)]
    dense = SetCriterion(replace(settings, points=0))([output], labels)
    for key in dense:
        mean = sum(each[key].item() for each in sampled) / 10
        assert mean == pytest.approx(dense[key].item(), rel=0.02)


def test_uncertain_points_weigh_the_border_more() -> None:
    torch.manual_seed(0)
    ramp = torch.linspace(-9, 9, 64).expand(1, 1, 64, 64)
    labels = (torch.arange(64) >= 32).long().expand(1, 64, 64)
    labels = torch.where(labels == 1, 0, 255)
    output = MaskOutput(ramp, torch.zeros(1, 1, 2))
    found = {
        share: SetCriterion(replace(MASK2FORMER, points=1000, importance=share))([output], labels)[
            "loss_mask"
        ]
        for share in (0.0, 0.75)
    }
    assert found[0.75] > 2 * found[0.0]


@pytest.mark.parametrize("settings", [FULL, DENSE_BCE, CHEAP])
def test_gradient_through_the_whole(settings: CriterionSettings) -> None:
    output, labels = case(7, queries=3)

    def total(masks: Tensor, classes: Tensor) -> Tensor:
        return torch.stack(list(SetCriterion(settings)([MaskOutput(masks, classes)], labels).values())).sum()

    assert torch.autograd.gradcheck(total, (output.mask_logits, output.class_logits))


def test_every_layer_is_matched_on_its_own_and_weighs_the_same() -> None:
    layers = [case(seed)[0] for seed in (0, 1, 2)]
    _, labels = case(0)
    criterion = SetCriterion(FULL)
    found = criterion(layers, labels)
    assert len(found) == 9
    for index, layer in enumerate(layers):
        suffix = f"_aux{index - 1}" if index else ""
        for key, value in criterion([layer], labels).items():
            assert torch.equal(found[key + suffix], value)


def test_a_deeper_layer_may_have_other_logits() -> None:
    output, labels = case(0)
    fine = MaskOutput(
        output.mask_logits.repeat_interleave(2, -1).repeat_interleave(2, -2), output.class_logits
    )
    found = SetCriterion(CHEAP)([output, fine], labels)
    assert all(torch.isfinite(each) for each in found.values())


def test_half_precision_sums_do_not_overflow() -> None:
    """65536 pixels of probability 1 sum to more than float16 holds; autocast would make the products half."""
    masks = torch.full((1, 2, 256, 256), 12.0, dtype=torch.float16, requires_grad=True)
    labels = torch.zeros(1, 256, 256, dtype=torch.int64)
    classes = torch.zeros(1, 2, 2, dtype=torch.float16)
    for settings in (FULL, DENSE_BCE, replace(MASK2FORMER, points=70000)):
        torch.manual_seed(0)
        exact = SetCriterion(settings)([MaskOutput(masks.double(), classes.double())], labels)
        for dtype in (torch.float16, torch.bfloat16):
            torch.manual_seed(0)
            with torch.autocast("cpu", dtype):
                found = SetCriterion(settings)([MaskOutput(masks, classes)], labels)
            assert {each.dtype for each in found.values()} == {torch.float32}
            for key, value in found.items():
                assert value.item() == pytest.approx(exact[key].item(), rel=1e-3, abs=1e-5)
            assert torch.isfinite(
                torch.autograd.grad(found["loss_mask"] + found["loss_dice"], masks)[0]
            ).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_autocast_does_not_blur_the_matching(dtype: torch.dtype) -> None:
    """The last query is best by one row of 256; half sums would be infinite or rounded to a tie."""
    masks = torch.full((1, 3, 256, 256), 12.0)
    masks[:, :2, 0] = -12.0
    output = MaskOutput(masks, torch.zeros(1, 3, 2))
    for settings in (FULL, DENSE_BCE, replace(DENSE_BCE, mask_cost=0.0)):
        with torch.autocast("cpu", dtype):
            found = SetCriterion(settings)([output], torch.zeros(1, 256, 256, dtype=torch.int64))
        assert found["loss_dice"].item() < 1e-3


def test_an_overflowing_network_gives_no_number_but_no_crash() -> None:
    """The gradient scaler must be able to see NaN and skip the step."""
    output, labels = case(0)
    broken = torch.full_like(output.mask_logits, torch.nan)
    found = SetCriterion(FULL)([MaskOutput(broken, output.class_logits)], labels)
    assert torch.isnan(found["loss_mask"])
    assert torch.isfinite(found["loss_class"])


def test_unseen_labels_never_reach_a_loss() -> None:
    output, labels = case(0)
    labels[0, 0, 0] = 3
    with pytest.raises(ValueError, match=r"\[3\] found, expected 0\.\.2 or 255"):
        SetCriterion(FULL)([output], labels)


def test_batches_must_agree() -> None:
    output, labels = case(0)
    with pytest.raises(ValueError, match="3 images"):
        SetCriterion(FULL)([output], labels[[0, 0, 1]])
    with pytest.raises(ValueError, match="one output or more"):
        SetCriterion(FULL)([], labels)


def test_count_of_masks_alone_and_never_below_one() -> None:
    assert [mean_over_processes(count, torch.device("cpu")) for count in (0, 1, 7)] == [1.0, 1.0, 7.0]


def image_of_process(rank: int, folder: str) -> dict[str, float]:
    """The losses of image `rank` of a batch of two, in a process of its own; the second image has no target."""
    meeting, patience = f"file://{folder}/meet", timedelta(seconds=120)
    torch.distributed.init_process_group("gloo", meeting, timeout=patience, rank=rank, world_size=2)
    try:
        output, labels = case(1)
        labels[1] = 255
        mine = MaskOutput(output.mask_logits[rank : rank + 1], output.class_logits[rank : rank + 1])
        found = SetCriterion(FULL)([mine], labels[rank : rank + 1])
        nothing = mean_over_processes(0, torch.device("cpu"))
        return {key: value.item() for key, value in found.items()} | {"nothing": nothing}
    finally:
        torch.distributed.destroy_process_group()


def write_image_of_process(rank: int, folder: str) -> None:
    Path(folder, "losses.json").write_text(json.dumps(image_of_process(rank, folder)))


def test_two_processes_divide_by_the_mean_count(tmp_path: Path) -> None:
    """Process 1 has no target: both divide by half of what process 0 has."""
    other = torch.multiprocessing.get_context("spawn").Process(
        target=write_image_of_process, args=(1, str(tmp_path))
    )
    other.start()
    first = image_of_process(0, str(tmp_path))
    other.join(120)
    assert other.exitcode == 0
    second = json.loads((tmp_path / "losses.json").read_text())
    output, labels = case(1)
    assert find_targets(labels[:1], 3).counts[0] > 2
    alone = SetCriterion(FULL)([MaskOutput(output.mask_logits[:1], output.class_logits[:1])], labels[:1])
    for key in ("loss_mask", "loss_dice"):
        assert first[key] == pytest.approx(2 * alone[key].item(), rel=1e-6)
        assert second[key] == 0.0
    assert first["loss_class"] == pytest.approx(alone["loss_class"].item(), rel=1e-6)
    assert first["nothing"] == second["nothing"] == 1.0


def test_the_tiny_case_is_cheap() -> None:
    """Batch 16, 30 queries, 32 x 32 logits, 128 x 128 labels, 15 classes: forward and backward of one layer, one thread.

    About 8 ms on the machine this was written on; the bound is loose for a busy one. CPU time, not the clock's.
    """
    torch.manual_seed(0)
    labels = torch.randint(0, 15, (16, 4, 4)).repeat_interleave(32, 1).repeat_interleave(32, 2)
    output = MaskOutput(
        torch.randn(16, 30, 32, 32, requires_grad=True), torch.randn(16, 30, 16, requires_grad=True)
    )
    spent = []
    for _ in range(5):
        start = time.process_time()
        torch.stack(list(SetCriterion(CHEAP)([output], labels).values())).sum().backward()
        spent.append(time.process_time() - start)
    assert min(spent) < 0.05
