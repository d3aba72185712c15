"""Vocabularies: what is refused, and what a digest sees."""

from __future__ import annotations

import pytest

from benchbed.errors import DataError
from benchbed.vocabulary import VILD_TEMPLATES, Vocabulary, fill_templates


def test_prompts_default_to_the_names_and_the_mask_follows_seen() -> None:
    vocabulary = Vocabulary(("cat", "dog"), (True, False))
    assert vocabulary.prompts == ("cat", "dog")
    assert vocabulary.seen_mask.tolist() == [True, False]
    assert len(vocabulary) == 2


@pytest.mark.parametrize(
    ("names", "seen", "prompts", "says"),
    [
        ((), (), (), "no classes"),
        (("cat", "cat"), (True, True), (), "'cat' stands at 0 and at 1"),
        (("cat", " "), (True, True), (), "is empty"),
        (("cat", "dog"), (True,), (), "differ in length"),
        (("cat", "dog"), (True, True), ("tv",), "differ in length"),
        (("cat", "dog"), (True, True), ("tv", "tv"), "prompt 'tv'"),
    ],
)
def test_a_malformed_vocabulary_is_one_clear_error(
    names: tuple[str, ...], seen: tuple[bool, ...], prompts: tuple[str, ...], says: str
) -> None:
    with pytest.raises(DataError, match=says):
        Vocabulary(names, seen, prompts)


def test_the_digest_changes_with_anything_that_a_text_tower_or_a_table_sees() -> None:
    base = Vocabulary(("cat", "dog"), (True, False))
    others = [
        Vocabulary(("dog", "cat"), (True, False)),
        Vocabulary(("cat", "dog"), (True, True)),
        base.with_prompts(("cat", "puppy")),
    ]
    assert len({base.digest, *(other.digest for other in others)}) == 4
    assert base.digest == Vocabulary(("cat", "dog"), (True, False)).digest


def test_templates_of_one_word_stand_together_and_names_are_stripped() -> None:
    assert fill_templates(["a ", "b"], ["{}!", "the {}"]) == ["a!", "the a", "b!", "the b"]


def test_vild_templates_keep_their_irregular_full_stops() -> None:
    assert len(VILD_TEMPLATES) == 14
    assert [template.endswith(".") for template in VILD_TEMPLATES[:6]] == [
        True,
        False,
        False,
        False,
        False,
        True,
    ]
