"""ResNets against torchvision's and mmsegmentation's, and all parts' sizes read from shapes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from mmseg.models.backbones import ResNetV1c
from torch import Tensor, nn
from torchvision.models import resnet50

from benchbed.clip import ImageTower, TextTower
from benchbed.clip_sizes import TINY
from benchbed.errors import CheckpointError
from methods.parts.inferred_sizes import clip_size, members, proposal_size, resnet_size
from methods.parts.proposal_network import ProposalHead, ProposalSize
from methods.parts.resnet import R50, R101, R101C, ResNet, ResNetSize

NARROW = ResNetSize((1, 2, 1, 3), "deeplab", 16, 8, 32, (1, 2, 4))
HEAD = ProposalSize(32, 24, 32, 4, 48, 3, 7, class_embed=(20, 12))
ODD = [(64, 64), (65, 97), (33, 130), (1, 1)]


def shake(module: nn.Module, seed: int = 0) -> None:
    """Move every weight and statistic away from its special value."""
    generator = torch.Generator().manual_seed(seed)
    for name, value in module.state_dict().items():
        if value.is_floating_point():
            noise = torch.randn(value.shape, generator=generator)
            value += 0.3 * noise.abs() if name.endswith("running_var") else 0.05 * noise


def close(ours: Tensor, other: Tensor, tolerance: float = 1e-4) -> bool:
    assert ours.shape == other.shape
    return bool((ours - other).abs().max() <= tolerance * other.abs().max())


def to_torchvision(name: str) -> str:
    name = name.replace("stem.conv1.norm.", "bn1.").replace("stem.conv1.", "conv1.")
    for stage in "2345":
        name = name.replace(f"res{stage}.", f"layer{int(stage) - 1}.")
    for conv in "123":
        name = name.replace(f".conv{conv}.norm.", f".bn{conv}.")
    return name.replace("shortcut.norm.", "downsample.1.").replace("shortcut.", "downsample.0.")


def to_mmseg(name: str) -> str:
    """ResNetV1c numbers its stem's layers 0, 1, (ReLU), 3, 4, (ReLU), 6, 7."""
    for conv, place in ((1, 0), (2, 3), (3, 6)):
        name = name.replace(f"stem.conv{conv}.norm.", f"stem.{place + 1}.").replace(
            f"stem.conv{conv}.", f"stem.{place}."
        )
    return name if name.startswith("stem") else to_torchvision(name)


@torch.no_grad()
@pytest.mark.parametrize("size", [(64, 64), (65, 97)])
def test_the_basic_stem_gives_torchvisions_resnet(size: tuple[int, int]) -> None:
    ours, theirs = ResNet(R50).eval(), resnet50().eval()
    shake(ours)
    renamed = {to_torchvision(name): value for name, value in ours.state_dict().items()}
    report = theirs.load_state_dict(renamed, strict=False)
    assert all(name.startswith("fc.") or "num_batches" in name for name in report.missing_keys)
    assert not report.unexpected_keys
    image = torch.randn(1, 3, *size)
    x = theirs.maxpool(theirs.relu(theirs.bn1(theirs.conv1(image))))
    for name, feature in ours(image).items():
        x = getattr(theirs, f"layer{int(name[3:]) - 1}")(x)
        assert close(feature, x, 1e-5), name


@torch.no_grad()
@pytest.mark.parametrize("grid", [(1, 2, 4), (1, 1, 1), (2, 1, 3)])
def test_the_deeplab_stem_and_multi_grid_give_mmsegmentations_resnet_v1c(grid: tuple[int, ...]) -> None:
    size = replace(NARROW, blocks=(3, 4, 6, 3), stem_channels=64, group_channels=64, res2_channels=256)
    ours = ResNet(replace(size, multi_grid=grid)).eval()
    theirs = ResNetV1c(depth=50, stem_channels=64, multi_grid=grid)
    theirs.eval()
    shake(ours, 1)
    renamed = {to_mmseg(name): value for name, value in ours.state_dict().items()}
    report = theirs.load_state_dict(renamed, strict=False)
    assert all("num_batches" in name for name in report.missing_keys)
    assert not report.unexpected_keys
    image = torch.randn(1, 3, 65, 97)
    for ours_out, theirs_out in zip(ours(image).values(), theirs(image), strict=True):
        assert close(ours_out, theirs_out, 1e-5)


@torch.no_grad()
@pytest.mark.parametrize("grid", [(1, 1, 1), (1, 2, 4)])
def test_a_dilated_res5_is_mmsegmentations_at_stride_16(grid: tuple[int, ...]) -> None:
    """Which takes the products of both dilations as they are; weights and their names stay."""
    size = replace(NARROW, blocks=(3, 4, 6, 3), stem_channels=64, group_channels=64, res2_channels=256)
    ours = ResNet(replace(size, multi_grid=grid, res5_dilation=2)).eval()
    theirs = ResNetV1c(
        depth=50, stem_channels=64, strides=(1, 2, 2, 1), multi_grid=tuple(2 * each for each in grid)
    )
    theirs.eval()
    shake(ours, 1)
    theirs.load_state_dict({to_mmseg(name): value for name, value in ours.state_dict().items()}, strict=False)
    image = torch.randn(1, 3, 65, 97)
    found = ours(image)
    assert found["res5"].shape[2:] == found["res4"].shape[2:] == (5, 7)
    for ours_out, theirs_out in zip(found.values(), theirs(image), strict=True):
        assert close(ours_out, theirs_out, 1e-5)
    usual = ResNet(replace(size, multi_grid=grid)).state_dict()
    assert {n: v.shape for n, v in usual.items()} == {n: v.shape for n, v in ours.state_dict().items()}


@pytest.mark.parametrize(("size", "tensors", "millions"), [(R101C, 530, 42.730), (R101, 520, 42.606)])
def test_key_names_and_numbers_are_detectron2s(size: ResNetSize, tensors: int, millions: float) -> None:
    with torch.device("meta"):
        state = ResNet(size).state_dict()
    assert len(state) == tensors
    assert sum(v.numel() for v in state.values()) / 1e6 == pytest.approx(millions, abs=5e-4)
    expected = {"stem.conv1.weight", "stem.conv1.norm.running_var", "res2.0.shortcut.weight"}
    expected |= {"res2.0.shortcut.norm.bias", "res4.22.conv3.norm.weight", "res5.2.conv2.weight"}
    assert expected <= set(state)
    assert ("stem.conv3.weight" in state) == (size.stem == "deeplab")


def test_a_frozen_norm_has_no_parameters_and_a_trained_one_has() -> None:
    frozen, trained = ResNet(NARROW), ResNet(replace(NARROW, norm="BN"))
    assert all(p.dim() == 4 for p in frozen.parameters())
    assert {name for name, p in trained.named_parameters() if p.dim() == 1}
    assert set(frozen.state_dict()) == {n for n in trained.state_dict() if "num_batches" not in n}


@torch.no_grad()
@pytest.mark.parametrize("size", ODD)
@pytest.mark.parametrize("stem", ["basic", "deeplab"])
def test_any_image_size_gives_rounded_up_strides(stem: str, size: tuple[int, int]) -> None:
    net = ResNet(replace(NARROW, stem=stem)).eval()  # type: ignore[arg-type]
    features = net(torch.randn(2, 3, *size))
    for stride, channels, name in zip((4, 8, 16, 32), NARROW.channels, features, strict=True):
        assert features[name].shape == (2, channels, -(-size[0] // stride), -(-size[1] // stride))


@torch.no_grad()
def test_random_weights_stay_within_float16() -> None:
    """R101 has 33 residual blocks and a frozen norm that does not rescale at random weights."""
    torch.manual_seed(0)
    features = ResNet(R101C).eval()(torch.randn(1, 3, 64, 64))
    assert 0.01 < float(features["res5"].std()) < 100


# Sizes from shapes.


@pytest.mark.parametrize("size", [NARROW, R50, replace(NARROW, stem="basic", multi_grid=(1, 1, 1))])
def test_a_resnets_size_is_found_again(size: ResNetSize) -> None:
    with torch.device("meta"):
        state = {f"backbone.{name}": value for name, value in ResNet(size).state_dict().items()}
    assert resnet_size(state) == size
    assert resnet_size(state, multi_grid=(1, 3)).multi_grid == (1, 3)


@pytest.mark.parametrize("size", [HEAD, ProposalSize(), replace(HEAD, class_embed=())])
def test_a_heads_size_is_found_again(size: ProposalSize) -> None:
    with torch.device("meta"):
        head = ProposalHead(size, NARROW.channels)
    state = {f"sem_seg_head.{name}": value for name, value in head.state_dict().items()}
    assert proposal_size(state, heads=size.heads) == size


def test_a_clips_size_is_found_again() -> None:
    with torch.device("meta"):
        towers = {"visual.": ImageTower(TINY), "": TextTower(TINY)}
    state = {f"c.{prefix}{name}": v for prefix, t in towers.items() for name, v in t.state_dict().items()}
    assert clip_size(state, "c.") == TINY


def test_a_missing_or_misshapen_tensor_is_named() -> None:
    with pytest.raises(CheckpointError, match=r"no tensor 'backbone\.stem\.conv1\.weight'"):
        resnet_size({})
    with pytest.raises(CheckpointError, match=r"query_embed\.weight has shape \(3,\): expected 2 dimensions"):
        proposal_size({"sem_seg_head.predictor.query_embed.weight": torch.zeros(3)})


def test_members_counts_numbers_only() -> None:
    state = {
        "a.0.x": torch.zeros(1),
        "a.0.y": torch.zeros(1),
        "a.11.x": torch.zeros(1),
        "a.norm": torch.zeros(1),
    }
    assert members(state, "a.") == 2
