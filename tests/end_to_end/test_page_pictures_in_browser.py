"""The page's plots, comparison and gallery in a real Chromium, against the same numbers computed here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from browser import Browser, browser
from page_in_browser import CELL, opened, place, write_page
from page_store import IMAGES, METHODS, NAMES, SEEN, made_record, predicted, truths

from benchbed.metrics import IGNORE, paired_differences


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the small store."""
    return write_page(tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser for all tests of this file."""
    with browser() as driven:
        yield driven


@pytest.fixture
def seen(chromium: Browser, page: Path) -> Iterator[Browser]:
    """The page, freshly opened."""
    yield from opened(chromium, page)


def test_points_say_their_values_under_the_pointer(seen: Browser) -> None:
    row = place(seen, "zegformer/r101")
    seen.hover(f'#scatter .marker[data-row="{row}"]')
    said = seen.text("#tip")
    assert said.startswith("zegformer/r101: hIoU, %")
    for name in ("hiou", "latency"):
        assert seen.text(f"{CELL.format(row, name)} .interval") in said
    seen.hover('#stages [data-stage="backbone"]')
    assert "backbone" in seen.text("#tip")
    assert " ms, " in seen.text("#tip")


def test_the_front_holds_the_ranked_rows_that_nobody_beats(seen: Browser) -> None:
    seen.choose("#plot-x", "latency")
    assert "san/vit-b16 is best in both" in seen.text("#scatter figcaption"), (
        "quickest and best of those with weights"
    )
    seen.click('#scatter .marker[data-row="0"]')
    assert seen.run("document.querySelector('#provenance').open")


def test_any_two_are_compared_as_the_bench_does(seen: Browser) -> None:
    first, second = place(seen, "san/vit-b16"), place(seen, "zegformer/r101")
    seen.choose("#first", first)
    seen.choose("#second", second)
    (one, _), (other, _) = made_record(METHODS[0], 0), made_record(METHODS[2], 2)
    assert one.counts is not None
    assert other.counts is not None
    found = paired_differences(one.counts, other.counts, np.array(SEEN), one.protocol["absent_rule"])["hiou"]
    ends = [100 * each for each in (found.value, found.interval.low, found.interval.high)]
    assert f"+{ends[0]:.2f} [+{ends[1]:.2f}, +{ends[2]:.2f}]" in seen.text('tr[data-metric="hiou"]')
    assert "san/vit-b16 is better" in seen.text('tr[data-metric="hiou"]')
    assert "zegformer/r101 takes ~" in seen.text('tr[data-metric="latency"]')
    seen.click("#swap")
    turned = f"-{ends[0]:.2f} [-{ends[2]:.2f}, -{ends[1]:.2f}]".replace("-", "\N{MINUS SIGN}")
    assert turned in seen.text('tr[data-metric="hiou"]')
    assert "san/vit-b16 is better" in seen.text('tr[data-metric="hiou"]')
    assert f"wins 0, loses {IMAGES}" in seen.text("#comparison")
    seen.hover('.class[data-class="cup_50%"] .name')
    assert seen.text("#tip").startswith("cup_50%: zegformer/r101 ")


def test_rows_of_two_protocols_are_not_compared_and_the_field_is_named(seen: Browser) -> None:
    seen.choose("#first", place(seen, "san/vit-b16"))
    seen.choose("#second", place(seen, "san/vit-b16", 1))
    said = seen.text("#comparison")
    assert "not comparable" in said
    assert "input: as published / short side 640" in said
    seen.choose("#second", place(seen, "san/vit-b16"))
    assert "The same record twice" in seen.text("#comparison")


def shown_image(driven: Browser) -> int:
    """The number of the image whose panels are shown, once they are drawn."""
    driven.wait("document.querySelector('#panels').getAttribute('aria-busy') === 'false'")
    return int(driven.text("#under").split(",")[0].removeprefix("image-"))


def test_the_gallery_names_what_lies_under_the_pointer(seen: Browser) -> None:
    truth = truths()[shown_image(seen)]
    titles = seen.texts("#panels strong")
    made, seed = next((each, seed) for seed, each in enumerate(METHODS) if each.label == titles[1])
    guess = predicted(truth, made.wrong, 1000 * seed + shown_image(seen))
    x, y = seen.point("#panels canvas")
    seen.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
    said = [each.strip() for each in seen.texts("#panels .here")]
    middle = [(24, 32), (24, 31), (23, 32), (23, 31)]  # the pixel, or for rounding one beside it
    expected = {("ignored" if truth[at] == IGNORE else NAMES[truth[at]], NAMES[guess[at]]) for at in middle}
    assert (said[0], said[1]) in expected


def test_the_gallery_can_begin_where_two_methods_differ_most(seen: Browser) -> None:
    seen.choose("#first", place(seen, "san/vit-b16"))
    seen.choose("#second", place(seen, "lseg/vitl16"))
    seen.choose("#gallery-order", "apart")
    place_of = shown_image(seen)
    numbers = [float(each.split()[0]) for each in seen.texts("#thumbnails label")]
    assert numbers == sorted(numbers, reverse=True)
    assert sorted(seen.texts("#panels strong")[1:]) == ["lseg/vitl16", "san/vit-b16"]
    maps = truths()
    guesses = [predicted(maps[place_of], METHODS[k].wrong, 1000 * k + place_of) for k in (0, 3)]
    labelled = maps[place_of] != IGNORE
    apart = 100 * float((guesses[0] != guesses[1])[labelled].mean())
    assert abs(apart - numbers[0]) < 1.5  # the page has the map at display size


def test_error_maps_colour_what_is_wrong_alone(seen: Browser) -> None:
    number = shown_image(seen)
    script = """(() => {
      const canvas = document.querySelectorAll('#panels figure')[%d].querySelectorAll('canvas')[1];
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      let wrong = 0;
      for (let i = 0; i < data.length; i += 4) {
        const colour = data.slice(i, i + 3);
        wrong += Math.max(...colour) - Math.min(...colour) > 60;
      }
      return wrong / (data.length / 4);
    })()"""
    titles = seen.texts("#panels strong")
    for panel, label in enumerate(titles[1:], 1):
        seed = next(i for i, made in enumerate(METHODS) if made.label == label)
        truth = truths()[number]
        guess = predicted(truth, METHODS[seed].wrong, 1000 * seed + number)
        expected = float(((guess != truth) & (truth != IGNORE)).mean())
        assert abs(seen.run(script % panel) - expected) < 0.02, label


def test_names_are_text_whatever_they_hold(seen: Browser) -> None:
    assert "<b>bold</b>" in seen.texts(".class .name")
    assert "\N{GRINNING FACE} face" in seen.texts(".class .name")
    shown_image(seen)
    assert "<b>bold</b>" in [each.strip() for each in seen.texts("#legend li")]
    assert seen.run("document.querySelectorAll('b').length") == 0
