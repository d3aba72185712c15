"""Deep supervision and who learns: what the training of every MaskFormer shares."""

from __future__ import annotations

from dataclasses import asdict, fields

import pytest
import torch
from torch import Tensor, nn

from methods.parts.mask_former_recipe import MASKFORMER_LOSSES, SHAPES_LOSSES
from methods.parts.mask_former_training import every_layer_outputs, train_only
from methods.parts.proposal_network import ProposalHead, ProposalSize
from methods.parts.resnet import FrozenBatchNorm, ResNet, ResNetSize
from methods.parts.set_criterion import MASKFORMER, CriterionSettings, MaskOutput, SetCriterion

CLASSES = 5
SIZE = ProposalSize(32, 16, 32, 4, 48, 3, 7, class_embed=())


class Small(nn.Module):
    """A ResNet, a head of three decoder layers and a linear classifier."""

    def __init__(self, seed: int = 0, norm: str = "BN") -> None:
        super().__init__()
        torch.manual_seed(seed)
        size = ResNetSize((1, 1, 1, 1), "basic", 16, 8, 32, (1,), norm=norm)  # type: ignore[arg-type]
        self.backbone = ResNet(size)
        self.head = ProposalHead(SIZE, size.channels)
        self.classify = nn.Linear(SIZE.hidden, CLASSES + 1)


def images(seed: int = 0, batch: int = 2) -> Tensor:
    return torch.randn(batch, 3, 64, 96, generator=torch.Generator().manual_seed(seed))


def labels(seed: int = 0, batch: int = 2) -> Tensor:
    """Two halves of two classes, and a border that is ignored."""
    generator = torch.Generator().manual_seed(seed)
    maps = torch.full((batch, 64, 96), 255)
    for row in maps:
        left, right = torch.randperm(CLASSES, generator=generator)[:2].tolist()
        row[8:56, 8:48], row[8:56, 48:88] = left, right
    return maps


@pytest.mark.parametrize("seed", range(3))
def test_one_output_a_layer_and_the_last_layer_first(seed: int) -> None:
    model = Small(seed).eval()
    with torch.no_grad():
        features = model.backbone(images(seed))
        outputs = every_layer_outputs(model.head, features, model.classify)
        inference = model.head(features)
        layers = model.head.every_layer(features)
    assert len(outputs) == SIZE.layers
    assert torch.equal(outputs[0].mask_logits, inference.mask_logits)
    assert torch.equal(outputs[0].class_logits, model.classify(inference.embeddings))
    for output, layer in zip(outputs[1:], layers[:-1], strict=True):
        assert torch.equal(output.mask_logits, layer.mask_logits)
        assert torch.equal(output.class_logits, model.classify(layer.embeddings))
        assert output.mask_logits.shape == (2, SIZE.queries, 16, 24)
        assert output.class_logits.shape == (2, SIZE.queries, CLASSES + 1)


def test_every_part_of_the_network_learns() -> None:
    model = Small().train()
    criterion = SetCriterion(CriterionSettings(**SHAPES_LOSSES))
    outputs = every_layer_outputs(model.head, model.backbone(images()), model.classify)
    losses = criterion(outputs, labels())
    assert set(losses) == {
        f"loss_{term}{layer}" for term in ("class", "mask", "dice") for layer in ("", "_aux0", "_aux1")
    }
    sum(losses.values(), torch.zeros(())).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
    idle = {name for name, parameter in model.named_parameters() if not parameter.grad.any()}  # type: ignore[union-attr]
    # Queries begin as zeros, so that the first self-attention mixes zeros, and its norm sees none but zeros, until biases grow.
    first = "head.predictor.transformer.decoder.layers.0."
    assert idle == {
        f"{first}{name}" for name in ("self_attn.in_proj_weight", "self_attn.out_proj.weight", "norm1.weight")
    }


@pytest.mark.parametrize("norm", ["BN", "FrozenBN"])
def test_running_statistics_move_in_training_alone_and_are_saved(norm: str) -> None:
    model = Small(norm=norm)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items() if "running_" in name}
    assert before
    model.train()
    model.backbone(images())
    trained = {name: tensor.clone() for name, tensor in model.state_dict().items() if "running_" in name}
    moved = [name for name in before if not torch.equal(before[name], trained[name])]
    assert moved == (list(before) if norm == "BN" else [])
    model.eval()
    model.backbone(images(1))
    assert all(torch.equal(trained[name], model.state_dict()[name]) for name in trained)


def test_a_frozen_norm_has_nothing_to_learn() -> None:
    model = Small(norm="FrozenBN")
    norms = [module for module in model.backbone.modules() if isinstance(module, FrozenBatchNorm)]
    assert norms
    assert not any(list(norm.parameters()) for norm in norms)


def test_train_only_frees_and_freezes() -> None:
    model = Small()
    train_only(model, "head.", "classify.", but=("classify.bias",))
    learning = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert learning == {
        name
        for name, _ in model.named_parameters()
        if name.split(".")[0] in ("head", "classify") and name != "classify.bias"
    }
    train_only(model, "backbone.")
    assert {name.split(".")[0] for name, each in model.named_parameters() if each.requires_grad} == {
        "backbone"
    }


@pytest.mark.parametrize("wrong", [{"prefixes": ("heed.",)}, {"prefixes": ("head.",), "but": ("clasify.",)}])
def test_train_only_refuses_a_prefix_of_nothing(wrong: dict[str, tuple[str, ...]]) -> None:
    with pytest.raises(ValueError, match=r"heed|clasify"):
        train_only(Small(), *wrong["prefixes"], but=wrong.get("but", ()))


def test_plain_numbers_are_the_criterions() -> None:
    assert CriterionSettings(**MASKFORMER_LOSSES) == MASKFORMER
    ours = asdict(CriterionSettings(**SHAPES_LOSSES))
    changed = {each.name for each in fields(MASKFORMER) if ours[each.name] != getattr(MASKFORMER, each.name)}
    assert changed == {"resolution"}


@pytest.mark.parametrize("seed", range(3))
def test_left_out_pixels_teach_nothing(seed: int) -> None:
    """Ground and unseen objects: what masks do there changes no loss, and gets no gradient."""
    torch.manual_seed(seed)
    criterion = SetCriterion(CriterionSettings(**{**SHAPES_LOSSES, "ignored": "left-out"}))
    truth = labels(seed)
    masks = torch.randn(2, 7, 16, 24, requires_grad=True)
    names = torch.randn(2, 7, CLASSES + 1)
    ignored = truth[:, 2::4, 2::4] == 255
    assert ignored.any()
    losses = criterion([MaskOutput(masks, names)], truth)
    (losses["loss_mask"] + losses["loss_dice"]).backward()
    assert masks.grad is not None
    assert masks.grad.any()
    assert not masks.grad[ignored[:, None].expand_as(masks)].any()
    other = masks.detach() + 3 * torch.randn_like(masks) * ignored[:, None]
    again = criterion([MaskOutput(other, names)], truth)
    for name, value in losses.items():
        torch.testing.assert_close(again[name], value.detach())


@pytest.mark.parametrize("seed", range(3))
def test_on_shapes_ignored_pixels_lie_outside_every_mask(seed: int) -> None:
    """As in the authors' code: a mask matched to a class is pushed down there, and every gradient there says so."""
    torch.manual_seed(seed)
    criterion = SetCriterion(CriterionSettings(**SHAPES_LOSSES))
    truth = labels(seed)
    masks = torch.randn(2, 7, 16, 24, requires_grad=True)
    ignored = truth[:, 2::4, 2::4] == 255
    assert ignored.any()
    losses = criterion([MaskOutput(masks, torch.randn(2, 7, CLASSES + 1))], truth)
    losses["loss_mask"].backward()
    assert masks.grad is not None
    there = masks.grad[ignored[:, None].expand_as(masks)]
    assert there.any()
    assert (there >= 0).all()
