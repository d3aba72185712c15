"""`benchbed segment`: any photos, any words -> label maps -> one picture with a panel a method, and shares on stdout."""

from __future__ import annotations

import io
import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from benchbed import weights
from benchbed.class_list import check_tokens, make_vocabulary
from benchbed.errors import EXIT_DONE, UsageError
from benchbed.photo import read_any_photo
from benchbed.progress import Reporter
from benchbed.record_store import write_whole
from benchbed.registry import METHOD_GROUP, Chosen, choose, names
from benchbed.report.overlay import Strip, draw_sheet, shown_photo
from benchbed.report.shares import share_table, shares_as_json
from benchbed.vocabulary import Vocabulary

MOST_PHOTOS: Final = 32  # of more, one picture would be larger than what viewers open


@dataclass(frozen=True)
class SegmentFlags:
    """The arguments and flags of `benchbed segment`, one field each."""

    photos: tuple[Path, ...]
    classes: str
    unseen: str
    methods: tuple[str, ...]
    weights: str
    device: str
    precision: str
    out: Path
    as_json: bool


def segment_command(flags: SegmentFlags) -> int:
    """Do what the flags say; returns the exit code. What can be refused is refused before a model is built.

    Raises:
        UsageError: a flag or a name is wrong, or the picture cannot be written.
        MissingError: a photo or weights are missing or damaged.
        ScoresError: a method gave scores that no label map can be made of.
    """
    _check_out(flags.out, flags.photos)
    vocabulary = make_vocabulary(flags.classes, flags.unseen)
    chosen = _choose(flags.methods)
    choices = weights.parse(flags.weights, chosen)
    strips = [_strip(path) for path in _not_too_many(flags.photos)]
    reporter = Reporter()

    from benchbed.quiet import quiet_libraries

    with quiet_libraries():
        check_tokens(vocabulary.names)
        from benchbed.segment_photos import plan_photos, segment_photos

        items, device = plan_photos(flags.photos, vocabulary, chosen, choices, flags.device, flags.precision)
        columns = [segment_photos(item, device, reporter) for item in items]
    strips = [
        replace(strip, panels=panels)
        for strip, panels in zip(strips, zip(*columns, strict=True), strict=True)
    ]
    _write(flags.out, strips, vocabulary)
    _tell(flags, strips, vocabulary)
    reporter.note(f"picture: {flags.out}")
    return EXIT_DONE


def _check_out(out: Path, photos: Sequence[Path]) -> None:
    if out.suffix.lower() != ".png":
        raise UsageError(f"--out {out}: expected a file that ends in .png")
    if out.is_dir():
        raise UsageError(f"--out {out} is a folder: expected the name of a file")
    if out.exists() and any(photo.exists() and photo.samefile(out) for photo in photos):
        raise UsageError(f"--out {out} is one of the photos, which it would overwrite; give another name")
    try:
        nearest = next(folder for folder in out.absolute().parents if folder.exists())
        with tempfile.TemporaryFile(dir=nearest) as probe:
            probe.write(b"benchbed")
        if out.exists() and not os.access(out, os.W_OK):
            raise PermissionError(13, "Permission denied")
    except OSError as error:
        raise _cannot_write(out, error) from error


def _cannot_write(out: Path, error: OSError) -> UsageError:
    reason = error.strerror or str(error)
    return UsageError(f"--out {out}: cannot be written ({reason}); free room or give another place")


def _choose(wanted: tuple[str, ...]) -> list[Chosen]:
    """The variants of `--methods`; a bare name means the full-size default, "all" every method that takes any words."""
    every = wanted == ("all",)
    chosen = [choose(name) for name in (names(METHOD_GROUP) if every else wanted)]
    for each in [] if every else chosen:
        serves = each.method.card.only_datasets
        if serves:
            raise UsageError(
                f"--methods: {each.label} knows only the classes of {', '.join(serves)}, not words of your own; leave it out"
            )
    chosen = [each for each in chosen if not each.method.card.only_datasets]
    if not chosen:
        raise UsageError("--methods: none is named; expected e.g. NAME,NAME/VARIANT (benchbed list methods)")
    labels = [each.label for each in chosen]
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise UsageError(f"--methods: {', '.join(twice)} is named twice; name each once")
    return chosen


def _not_too_many(photos: tuple[Path, ...]) -> tuple[Path, ...]:
    if len(photos) > MOST_PHOTOS:
        raise UsageError(
            f"{len(photos)} photos: one picture shows at most {MOST_PHOTOS}; run the command in parts"
        )
    return photos


def _strip(path: Path) -> Strip:
    """A photo without panels yet: read once here, so that a bad one is found before a model is built."""
    photo = read_any_photo(path)
    height, width = photo.shape[:2]
    return Strip(path.name, f"{width:,} x {height:,} pixels", shown_photo(photo), ())


def _write(out: Path, strips: Sequence[Strip], vocabulary: Vocabulary) -> None:
    content = io.BytesIO()
    draw_sheet(strips, vocabulary.names).save(content, "PNG")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_whole(out, content.getvalue())
    except OSError as error:
        raise _cannot_write(out, error) from error


def _tell(flags: SegmentFlags, strips: Sequence[Strip], vocabulary: Vocabulary) -> None:
    if flags.as_json:
        unseen = [name for name, seen in zip(vocabulary.names, vocabulary.seen, strict=True) if not seen]
        content = {"out": str(flags.out), "classes": list(vocabulary.names), "unseen": unseen}
        photos = shares_as_json([str(path) for path in flags.photos], strips, vocabulary.names)
        print(json.dumps({**content, "photos": photos}, indent=1, ensure_ascii=False))
        return
    from benchbed.report.console import print_tables

    print_tables([share_table(strip, vocabulary.names) for strip in strips])
