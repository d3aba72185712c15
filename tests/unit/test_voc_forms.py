"""PASCAL VOC with 21 classes and ZS3Net's splits: the facts, the labels, and what they share with `voc`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType, SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from voc_devkit import Devkit, write_devkit

from benchbed.datasets.voc import DATASET, open_voc
from benchbed.datasets.voc_forms import VOC_21, ZS3_SIZES
from benchbed.input_spec import InputSpec
from benchbed.method_card import Variant, Weights
from benchbed.protocol import named
from benchbed.registry import DATASET_GROUP, find
from benchbed.weights_facts import _not_for

# SPLITS.md, section 2: raw ids, two more each time.
UNSEEN = {
    2: "cow motorbike",
    4: "aeroplane sofa",
    6: "cat tvmonitor",
    8: "train bottle",
    10: "chair pottedplant",
}
FORMS = ("voc-21", *(f"voc-zs3-{size}" for size in ZS3_SIZES))


@pytest.fixture
def kit(tmp_path: Path) -> Devkit:
    return write_devkit(tmp_path / "data", count=10)


def test_21_classes_in_the_order_of_their_values() -> None:
    assert VOC_21.names == ("background", *DATASET.names)
    assert [n for n, seen in zip(VOC_21.names, VOC_21.seen, strict=True) if not seen] == list(
        DATASET.names[15:]
    )


@pytest.mark.parametrize("size", ZS3_SIZES)
def test_zs3_splits(size: int) -> None:
    card = find(DATASET_GROUP, f"voc-zs3-{size}").object
    expected = {name for each in ZS3_SIZES if each <= size for name in UNSEEN[each].split()}
    assert {n for n, seen in zip(card.names, card.seen, strict=True) if not seen} == expected
    assert len(expected) == size
    assert card.seen[0]  # background is a class, and seen
    assert "ZS3Net" in card.protocol_notes[0]


@pytest.mark.parametrize("name", FORMS)
def test_labels_are_the_stored_values(kit: Devkit, name: str) -> None:
    card = find(DATASET_GROUP, name).object
    dataset = card.opened(kit.root)
    assert dataset.card is card
    assert dataset.ids == open_voc(kit.root).ids
    for index, each in enumerate(kit.ids):
        assert np.array_equal(dataset.sample(index).labels, kit.raw[each])


def test_values_out_of_range_are_refused_as_for_voc(kit: Devkit) -> None:
    path = kit.mask(kit.ids[0])
    Image.fromarray(np.full(kit.raw[kit.ids[0]].shape, 21, np.uint8)).save(path)
    with pytest.raises(Exception, match="holds the label value 21"):
        VOC_21.opened(kit.root).sample(0)


def test_backgrounds_differ_in_the_protocols_fingerprint() -> None:
    fingerprints = {named("paper", card, "fp32", 1, "cpu").fingerprint for card in (DATASET, VOC_21)}
    assert len(fingerprints) == 2


def test_zs3s_own_words() -> None:
    prompts = find(DATASET_GROUP, "voc-zs3-2").object.vocabulary(("zs3",)).prompts
    assert prompts[:2] == ("background", "aeroplane")
    assert prompts[11] == "table"
    assert VOC_21.vocabulary(("san",)).prompts[20] == "tv"


@pytest.mark.parametrize("name", FORMS)
def test_published_inputs_and_settings_of_voc_serve_its_forms(name: str) -> None:
    card = find(DATASET_GROUP, name).object
    own, other = InputSpec(512, 2048), InputSpec(640, 2560)
    variant = Variant(
        "v", "", "", {"*": other, "voc": own}, per_dataset=MappingProxyType({"voc": {"weight": 0.7}})
    )
    protocol = named("paper", card, "fp32", 1, "cpu")
    assert protocol.input_for(variant, card) == own
    assert protocol.input_for(variant, replace(card, like="")) == other
    assert variant.config_for(card.published_as) == {"weight": 0.7}


def test_weights_that_are_not_for_voc_are_not_for_its_forms() -> None:
    weights = Weights("w.pth", "somewhere", "masks of all", MappingProxyType({"voc": "it saw them all"}))

    def reasons(name: str) -> dict[str, str]:
        card = find(DATASET_GROUP, name).object
        return _not_for(weights, SimpleNamespace(dataset=SimpleNamespace(card=card)))  # type: ignore[arg-type]

    assert reasons("voc-zs3-4") == {"voc": "it saw them all", "voc-zs3-4": "it saw them all"}
    assert reasons("coco-stuff") == reasons("voc") == {"voc": "it saw them all"}


def test_forms_of_the_same_files_have_identities_of_their_own(kit: Devkit) -> None:
    assert len({find(DATASET_GROUP, name).object.opened(kit.root).identity for name in ("voc", *FORMS)}) == 7


def test_no_training_split_under_another_rule() -> None:
    assert all(find(DATASET_GROUP, name).object.open_train == "" for name in FORMS)


def test_real_photos(shared_voc: Path) -> None:
    dataset = VOC_21.opened(shared_voc)
    plain = open_voc(shared_voc)
    assert len(dataset) == len(plain) == 347
    for index in range(0, 347, 40):
        with_background, without = dataset.labels(index).astype(int), plain.labels(index)
        classes = (with_background > 0) & (with_background < 255)
        assert np.array_equal(np.where(classes, with_background - 1, 255), without)
