"""What cards say of parameters, against the built model: every registered method and variant, full size, without memory."""

from __future__ import annotations

import json

import faulty_method
import pytest
import torch

from benchbed import registry
from benchbed.list_command import list_command
from benchbed.method_card import Variant
from benchbed.registry import METHOD_GROUP, resolve
from benchbed.segmenter import Segmenter

SHIPPED = [
    (found.name, variant)
    for found in registry.every(METHOD_GROUP)
    if found.distribution.startswith("benchbed ")
    for variant in found.object.variants
]
IDS = [f"{name}/{variant.name}" for name, variant in SHIPPED]


def built(variant: Variant, dataset: str = "*") -> Segmenter:
    """The variant with shapes and no values, in milliseconds whatever its size."""
    with torch.device("meta"):
        segmenter: Segmenter = resolve(variant.build)(**variant.config_for(dataset))
    return segmenter


def counted(segmenter: Segmenter) -> tuple[int, int]:
    """Total and trainable parameters; `parameters()` gives a shared one once."""
    parameters = list(segmenter.parameters())
    assert {each.device.type for each in parameters} == {"meta"}
    trainable = sum(each.numel() for each in parameters if each.requires_grad)
    return sum(each.numel() for each in parameters), trainable


@pytest.mark.parametrize(("name", "variant"), SHIPPED, ids=IDS)
def test_parameters_are_those_of_the_built_model(name: str, variant: Variant) -> None:
    assert variant.params == counted(built(variant))


@pytest.mark.parametrize(("name", "variant"), SHIPPED, ids=IDS)
def test_settings_of_one_dataset_leave_the_parameters(name: str, variant: Variant) -> None:
    for dataset in variant.per_dataset:
        assert variant.params == counted(built(variant, dataset))


@pytest.mark.parametrize(("name", "variant"), SHIPPED, ids=IDS)
def test_backbone_and_clip_are_stated_and_frozen_means_frozen(name: str, variant: Variant) -> None:
    assert variant.backbone
    assert variant.clip
    segmenter = built(variant)
    trained = {
        each
        for each, parameter in segmenter.named_parameters()
        if parameter.requires_grad and each.startswith(segmenter.clip_prefixes)
    }
    if variant.clip.endswith(", frozen"):
        assert not trained
    else:
        assert ", frozen but for " in variant.clip
        assert "position" in variant.clip
        assert trained
        assert all("position" in each for each in trained)
    images = any(each.startswith(("visual.", "clip.")) for each, _ in segmenter.named_parameters())
    assert variant.clip.startswith("text tower of") == (not images)


def test_list_methods_shows_them(capsys: pytest.CaptureFixture[str]) -> None:
    list_command("methods", as_json=True)
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    for label, (_, variant) in zip(IDS, SHIPPED, strict=True):
        assert rows[label]["backbone"] == variant.backbone
        assert rows[label]["clip"] == variant.clip
        card = registry.choose(label).method.card
        assert rows[label]["family"] == card.family
        assert rows[label]["licence"] == (
            f"official code {card.code_licence}, official weights {card.weights_licence}"
        )
        if variant.weights is not None:
            assert variant.weights.file in rows[label]["needs"]
        assert variant.params == (rows[label]["parameters"]["total"], rows[label]["parameters"]["trainable"])
    list_command("methods", as_json=False)
    text = capsys.readouterr().out
    for _, variant in SHIPPED:
        total, trainable = variant.params or (0, 0)
        assert f"{total:,} total, {trainable:,} trainable" in text


def test_a_third_partys_card_may_leave_them_out(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    faulty_method.register(monkeypatch)
    list_command("methods", as_json=False)
    row = capsys.readouterr().out.partition("faulty/none:")[2].partition("faulty/")[0]
    assert row.count("not stated") == 3
