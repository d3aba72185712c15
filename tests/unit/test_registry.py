"""Names: found, misspelt, shadowed."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from benchbed import registry
from benchbed.errors import UsageError
from benchbed.plan import Request, make_plan
from benchbed.registry import DATASET_GROUP, METHOD_GROUP, choose, find, names, unknown


def test_shipped_methods_and_datasets_are_registered() -> None:
    assert {"san", "deop", "maskclip"} <= set(names(METHOD_GROUP))
    assert {"shapes", "voc"} <= set(names(DATASET_GROUP))


@pytest.mark.parametrize(
    ("name", "says"),
    [("sam", "did you mean san"), ("san/vit-b61", "did you mean san/vit-b16"), ("depo", "did you mean deop")],
)
def test_a_misspelt_method_answers_with_the_nearest_right_one(name: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        choose(name)


def test_a_misspelt_dataset_answers_with_the_nearest_right_one() -> None:
    with pytest.raises(UsageError, match="did you mean voc"):
        find(DATASET_GROUP, "vco")


def test_common_other_names_lead_to_ours() -> None:
    assert "did you mean voc" in unknown("dataset", "pascal-voc", ["voc", "shapes"])
    assert "did you mean" not in unknown("dataset", "zzzz", ["voc", "shapes"])


def test_the_bare_name_means_the_small_variant_on_a_small_dataset_only() -> None:
    assert choose("san").label == "san/vit-b16"
    assert choose("san", embedded=True).label == "san/tiny"
    assert choose("san/vit-l14", embedded=True).label == "san/vit-l14"


def test_every_shipped_card_is_complete_and_its_variants_resolve() -> None:
    for found in registry.every(METHOD_GROUP):
        card = found.object.card
        assert card.name == found.name
        assert all([card.title, card.venue, card.year, card.code_licence, card.weights_licence])
        for variant in found.object.variants:
            assert callable(registry.resolve(variant.build))
            assert "*" in variant.inputs


def test_a_shadowed_package_is_named_with_the_file_that_won(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint(name="ghost", value="methods.ghost:METHOD", group=METHOD_GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda group: [point])
    with pytest.raises(UsageError, match=r"found is .*methods.*shadows it") as caught:
        find(METHOD_GROUP, "ghost")
    assert "ghost" in str(caught.value)


def test_a_plugin_that_breaks_on_import_is_named_and_left_out_of_the_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "broken_plugin.py").write_text("raise RuntimeError('out of order')")
    monkeypatch.syspath_prepend(tmp_path)
    points = [
        EntryPoint(name="broken", value="broken_plugin:METHOD", group=METHOD_GROUP),
        EntryPoint(name="san", value="methods.san:METHOD", group=METHOD_GROUP),
    ]
    shapes = EntryPoint(name="shapes", value="benchbed.datasets.shapes:DATASET", group=DATASET_GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda group: points if group == METHOD_GROUP else [shapes])
    with pytest.raises(UsageError, match=r"broken.*RuntimeError: out of order"):
        find(METHOD_GROUP, "broken")
    plan = make_plan(Request())
    assert [item.chosen.label for item in plan.items] == ["san/tiny"]
    assert any("left out: method 'broken'" in note for note in plan.notes)


def test_a_name_that_two_distributions_register_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [
        EntryPoint(name="san", value=value, group=METHOD_GROUP)
        for value in ("methods.san:METHOD", "other:METHOD")
    ]
    monkeypatch.setattr(registry, "entry_points", lambda group: points)
    with pytest.raises(UsageError, match=r"registered by .*methods\.san.* and .*other:METHOD"):
        find(METHOD_GROUP, "san")
