"""A person's own folder by one TOML file: what it may say, what it gives, every slip as one sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pair_files import write_pairs
from PIL import Image

from benchbed.errors import BenchError, DataError, UsageError
from benchbed.registry import dataset_card

NAMES = ("one", "two", "three")
BASIC = {"name": '"street"', "images": '"photos"', "masks": '"labels"', "classes": '["road", "car", "sky"]'}


def toml(folder: Path, **changes: str | None) -> Path:
    """A TOML file with `BASIC`'s keys and others; None leaves a key out."""
    path = folder / "street.toml"
    lines = {**BASIC, **changes}
    path.write_text("".join(f"{key} = {value}\n" for key, value in lines.items() if value is not None))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_pairs(tmp_path / "photos", tmp_path / "labels", NAMES, [0, 1, 2, 255])
    return tmp_path


class TestReading:
    def test_the_shortest_file(self, folder: Path) -> None:
        card = dataset_card(str(toml(folder)))
        dataset = card.opened(None)
        assert (card.name, card.names, card.seen) == ("street", ("road", "car", "sky"), (False,) * 3)
        assert dataset.ids == tuple(sorted(NAMES))
        assert dataset.coverage() == "3 of 3 images"
        assert (dataset.card.full_size, dataset.card.ignore) == (3, 255)
        for index, name in enumerate(dataset.ids):
            raw = np.asarray(Image.open(folder / "labels" / f"{name}.png"))
            assert np.array_equal(dataset.sample(index).labels, raw)

    def test_seen_and_unseen(self, folder: Path) -> None:
        assert dataset_card(str(toml(folder, unseen='["sky"]'))).seen == (True, True, False)
        assert dataset_card(str(toml(folder, seen='["sky"]'))).seen == (False, False, True)
        both = toml(folder, seen='["sky", "road"]', unseen='["car"]')
        assert dataset_card(str(both)).seen == (True, False, True)

    def test_lists_in_files(self, folder: Path) -> None:
        (folder / "classes.txt").write_text("road\n\n car, auto \nsky\n")
        (folder / "unseen.txt").write_text("sky\n")
        card = dataset_card(str(toml(folder, classes='"classes.txt"', unseen='"unseen.txt"')))
        assert card.names == ("road", "car, auto", "sky")
        assert card.seen == (True, True, False)

    def test_prompts_serve_every_method(self, folder: Path) -> None:
        card = dataset_card(str(toml(folder, prompts='["a road", "a car", "the sky"]')))
        assert card.vocabulary(("san", "zegformer")).prompts == ("a road", "a car", "the sky")
        assert card.vocabulary().names == ("road", "car", "sky")

    def test_values_of_other_places(self, tmp_path: Path) -> None:
        raw = write_pairs(tmp_path / "photos", tmp_path / "labels", NAMES, [7, 11, 26, 0, 255])
        path = toml(tmp_path, values="[7, 11, 26]", ignored="[0, 255]")
        dataset = dataset_card(str(path)).opened(None)
        labels = dataset.sample(0).labels
        expected = np.select([raw[dataset.ids[0]] == value for value in (7, 11, 26)], [0, 1, 2], 255)
        assert np.array_equal(labels, expected)

    def test_first_and_16_bits(self, tmp_path: Path) -> None:
        raw = write_pairs(tmp_path / "photos", tmp_path / "labels", NAMES, [1000, 1001, 1002, 65535], ".tif")
        path = toml(tmp_path, first="1000", ignored="[65535]", mask_ending='".tif"')
        dataset = dataset_card(str(path)).opened(None)
        stored = raw[dataset.ids[0]].astype(int)
        assert dataset.card.ignore == 65535
        assert np.array_equal(dataset.sample(0).labels, np.where(stored == 65535, 65535, stored - 1000))

    def test_endings_and_a_list(self, folder: Path) -> None:
        Image.open(folder / "photos/two.jpg").save(folder / "photos/two.png")
        (folder / "photos/two.jpg").unlink()
        for path in (folder / "labels").glob("*.png"):
            path.rename(path.with_name(f"{path.stem}_gt.png"))
        (folder / "val.txt").write_text("two\none\n")
        dataset = dataset_card(str(toml(folder, mask_ending='"_gt.png"', list='"val.txt"'))).opened(None)
        assert dataset.ids == ("two", "one")
        assert dataset.sample(0).image.shape[2] == 3

    def test_photos_without_a_mask_are_not_of_the_dataset(self, folder: Path) -> None:
        Image.new("RGB", (8, 8)).save(folder / "photos/another.jpg")
        assert len(dataset_card(str(toml(folder))).opened(None)) == 3

    def test_data_root_moves_the_folders(
        self, folder: Path, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        elsewhere = toml(tmp_path_factory.mktemp("elsewhere"))
        assert len(dataset_card(str(elsewhere)).opened(folder)) == 3
        with pytest.raises(DataError, match=r"labels cannot be read: No such file"):
            dataset_card(str(elsewhere)).opened(None)

    def test_identity_knows_the_values_meaning(self, folder: Path) -> None:
        plain = dataset_card(str(toml(folder))).opened(None).identity
        assert dataset_card(str(toml(folder))).opened(None).identity == plain
        swapped = toml(folder, values="[1, 0, 2]")
        assert dataset_card(str(swapped)).opened(None).identity != plain


class TestSlips:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"name": None}, "'name' is missing"),
            ({"masks": None}, "'masks' is missing"),
            ({"classes": "[]"}, "'classes' is missing"),
            ({"colour": '"red"'}, "unknown key 'colour'; known are name, images"),
            ({"name": '"../up"'}, "expected lower-case letters"),
            ({"name": '"voc"'}, "is a dataset of benchbed's"),
            ({"name": "7"}, "name = 7: expected a string"),
            ({"first": '"0"'}, "first = '0': expected a whole number"),
            ({"first": "true"}, "first = True: expected a whole number"),
            ({"ignored": "[1.5]"}, "expected a list of whole numbers"),
            ({"classes": "[1, 2]"}, "expected a list of strings"),
            ({"classes": '"nowhere.txt"'}, "classes names the file .*nowhere.txt, which cannot be read"),
            ({"unseen": '["moon"]'}, "unseen has 'moon', which is not one of"),
            ({"seen": '["sky"]', "unseen": '["sky", "car", "road"]'}, "is in seen and in unseen"),
            ({"seen": '["sky"]', "unseen": '["car"]'}, "together are not `classes`"),
            ({"prompts": '["a"]'}, "prompts has 1 entries for 3 classes"),
            ({"values": "[1, 2]"}, "values has 2 entries for 3 classes"),
            ({"values": "[1, 1, 2]"}, "a number twice"),
            ({"ignored": "[0]"}, "mask value 0 is a class and ignored"),
            ({"first": "-1"}, "between 0 and 65535"),
            ({"ignored": "[70000]"}, "between 0 and 65535"),
            ({"matched_sides": "[9, 3]"}, "the short and the longest side"),
            ({"images": '"nowhere"'}, "nowhere cannot be read"),
        ],
    )
    def test_each(self, folder: Path, changes: dict[str, str | None], message: str) -> None:
        with pytest.raises(BenchError, match=message) as caught:
            dataset_card(str(toml(folder, **changes))).opened(None)
        assert "street.toml" in str(caught.value) or "nowhere" in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_names_twice(self, folder: Path) -> None:
        with pytest.raises(DataError, match="car"):
            dataset_card(str(toml(folder, classes='["car", "car"]'))).vocabulary()

    def test_no_toml_and_no_file(self, folder: Path) -> None:
        with pytest.raises(DataError, match=r"--dataset .*nothing\.toml cannot be read: No such file"):
            dataset_card(str(folder / "nothing.toml"))
        (folder / "broken.toml").write_text("name = street\n")
        with pytest.raises(DataError, match=r"broken\.toml is no TOML: .*line 1"):
            dataset_card(str(folder / "broken.toml"))

    def test_a_mask_without_its_photo(self, folder: Path) -> None:
        (folder / "photos/two.jpg").unlink()
        with pytest.raises(DataError, match=r"two has no photo .*photos/two\.jpg"):
            dataset_card(str(toml(folder))).opened(None)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("coco", "coco-stuff"),
        ("ade20k", "ade20k-150"),
        ("a-847", "ade20k-847"),
        ("pc-459", "pascal-context-459"),
        ("pas-21", "voc-21"),
    ],
)
def test_names_that_people_type(typed: str, meant: str) -> None:
    with pytest.raises(UsageError, match=rf"did you mean [^?]*{meant}"):
        dataset_card(typed)
