"""A file that a dataset is published in: where it is, and how to tell that it is the right one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Archive:
    """One published file.

    Attributes:
        file: its name.
        page: where a person finds it.
        what: what is in it, a few words.
        url: where it is downloaded from, https only; "" where it is not downloaded (see `why_by_hand`).
        digests: (algorithm, hexadecimal) pairs as published or as pinned by others; all must agree.
        size: bytes; None where not known to the byte.
        about_mb: megabytes, for people and for the free-space check where `size` is unknown; 0 where that is unknown too.
        below: the folder, below the dataset's own, to unpack it in.
        why_by_hand: why benchbed does not download it.
        split: "val", or "train" for a file that evaluation does not need.
        holds: a pattern below the dataset's folder that shows it to be unpacked already, by a person's hand.
    """

    file: str
    page: str
    what: str
    url: str = ""
    digests: tuple[tuple[str, str], ...] = ()
    size: int | None = None
    about_mb: int = 0
    below: str = ""
    why_by_hand: str = ""
    split: str = "val"
    holds: str = ""

    def __post_init__(self) -> None:
        if self.url and not (self.url.startswith("https://") and self.digests):
            raise ValueError(f"{self.file}: a download needs https and a pinned digest, not {self.url!r}")
        if not self.url and not self.why_by_hand:
            raise ValueError(f"{self.file}: a file that is not downloaded needs the reason why")

    @property
    def bytes(self) -> int:
        """Its size, or about what it is; 0 where nothing is known."""
        return self.size or self.about_mb * 1_000_000

    @property
    def size_words(self) -> str:
        """Its size for people."""
        return f"{self.bytes / 1e6:,.0f} MB" if self.bytes else "size not known"
