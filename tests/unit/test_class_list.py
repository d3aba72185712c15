"""Class names as people type them."""

from __future__ import annotations

import pytest

from benchbed.class_list import NAME_TOKENS, check_tokens, make_vocabulary, split_names
from benchbed.errors import UsageError


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("cat", ("cat",)),
        ("cat, grass, other", ("cat", "grass", "other")),
        ("  cat ,grass  ,\tother ", ("cat", "grass", "other")),
        ('"road, route", sky', ("road, route", "sky")),
        ('sky , "road, route" , "tree"', ("sky", "road, route", "tree")),
        ('"the ""big"" one", b', ('the "big" one', "b")),
        ('a "quoted" word, b', ('a "quoted" word', "b")),
        ("traffic   light,dining table", ("traffic light", "dining table")),
        ("Straße, кошка, 猫, 🦊", ("Straße", "кошка", "猫", "🦊")),
        ("a,,b", ("a", "", "b")),
        ("a,", ("a", "")),
        ("", ("",)),
        ('""', ("",)),
        ("{}, %s, a/b; c", ("{}", "%s", "a/b; c")),
    ],
)
def test_names_are_split_at_commas_outside_quotes(text: str, names: tuple[str, ...]) -> None:
    assert split_names(text, "--classes") == names


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('"road, sky', "is not closed"),
        ('tree, "road, sky', "is not closed"),
        ('"road" wide, sky', "something other than a comma"),
        ("cat\ndog", "line breaks"),
        ("caf\udce9, dog", "not UTF-8"),
    ],
)
def test_what_cannot_be_split_is_one_clear_error(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        split_names(text, "--classes")
    assert str(caught.value).startswith("--classes: ")
    str(caught.value).encode()


def test_every_class_is_seen_unless_it_is_named_unseen() -> None:
    assert make_vocabulary("cat, grass").seen == (True, True)
    vocabulary = make_vocabulary('cat, "road, route", sky', ' "road, route" ,sky ')
    assert vocabulary.seen == (True, False, False)
    assert make_vocabulary("cat", "cat").seen == (False,)
    assert make_vocabulary("cat", " ").seen == (True,)


@pytest.mark.parametrize(
    ("classes", "unseen", "says"),
    [
        ("cat, dog, cat", "", "--classes: class name 'cat' stands at 0 and at 2"),
        ("cat,, dog", "", "--classes: class name 1 of the vocabulary is empty"),
        ("cat, dog,", "", "--classes: class name 2 of the vocabulary is empty"),
        ("", "", "--classes: class name 0 of the vocabulary is empty"),
        ("cat, dog", "dgo", "--unseen: 'dgo' is not among --classes; did you mean 'dog'"),
        ("cat, dog", "dog,", "--unseen: '' is not among --classes"),
    ],
)
def test_a_wrong_list_names_its_flag(classes: str, unseen: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        make_vocabulary(classes, unseen)


def test_a_thousand_names() -> None:
    names = tuple(f"thing {index}" for index in range(1000))
    assert make_vocabulary(", ".join(names)).names == names
    check_tokens(names)


def test_names_that_clip_can_tell_apart_pass() -> None:
    check_tokens(("cat", "cats", "猫", "кошка", "🦊", "road, route", "sofa", "couch", "word " * NAME_TOKENS))


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (("cat", "CAT"), "'cat' and 'CAT' read the same to CLIP"),
        (("caf\u00e9", "cafe\u0301"), "read the same to CLIP"),
        (("fish &amp; chips", "fish & chips"), "read the same to CLIP"),
        (("word " * (NAME_TOKENS + 1),), f"{NAME_TOKENS + 1} tokens"),
        (("<end_of_text> dog",), "control word"),
        (("\x00",), "nothing that CLIP can read"),
    ],
)
def test_names_that_clip_would_cut_miss_or_confuse_are_refused(names: tuple[str, ...], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        check_tokens(names)


def test_the_longest_name_fits_every_text_tower_whole() -> None:
    """A name of 58 tokens, and the longest template around it, end inside CLIP's 77 positions."""
    from open_clip import tokenize
    from open_clip.zero_shot_metadata import OPENAI_IMAGENET_TEMPLATES

    from benchbed.vocabulary import VILD_TEMPLATES, fill_templates

    name = ("word " * NAME_TOKENS).strip()
    prompts = [*(each(name) for each in OPENAI_IMAGENET_TEMPLATES), *fill_templates([name], VILD_TEMPLATES)]
    tokens, roomy = tokenize(prompts), tokenize(prompts, context_length=200)
    assert bool((tokens == roomy[:, :77]).all())
    assert int((roomy != 0).sum(1).max()) <= 77
