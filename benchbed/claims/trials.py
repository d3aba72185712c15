"""Label-set trials: one method, the same photos, label sets of several lengths and orders. JSON, immutable, free of torch."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from benchbed.errors import StoreError
from benchbed.record_store import write_whole
from benchbed.sealed_json import Sealed, digest

SCHEMA: Final = 1
KIND: Final = "benchbed label-set trial"
FORM: Final = Sealed(KIND, SCHEMA, "label-set trial", "benchbed claims")
FOLDER: Final = "trials"


@dataclass(frozen=True)
class Trial:
    """What reordering label sets did to label maps.

    Attributes:
        label: `method/variant`.
        weights: kind and note, as in a record.
        lengths: numbers of classes tried.
        orders: how many orders of each set, beside the first.
        images: how many photos, drawn by benchbed.
        distinct: for each length and photo: how many classes the first order's label map holds.
        kept: for each length, order and photo: share of pixels whose class, by name, stayed, 0 to 1.
        failed: a sentence for each length at which the method gave no label map.
        environment, bench, created: as in a record.
    """

    label: str
    weights: dict[str, Any]
    lengths: tuple[int, ...]
    orders: int
    images: int
    distinct: tuple[int, ...]
    kept: tuple[float, ...]
    failed: tuple[str, ...]
    environment: dict[str, Any]
    bench: dict[str, Any]
    created: str
    schema: int = SCHEMA
    id: str = field(default="")

    def __post_init__(self) -> None:
        for name in ("lengths", "distinct", "kept", "failed"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if not self.id:
            object.__setattr__(self, "id", digest(self.content()))

    def content(self) -> dict[str, Any]:
        """Plain values of all fields but the id."""
        return {name: value for name, value in asdict(self).items() if name != "id"}


def write_trial(folder: Path, trial: Trial) -> Path:
    """Write `folder/trials/<id>.json`, whole or not at all.

    Raises:
        StoreError: no room or no permission.
    """
    path = folder / FOLDER / f"{trial.id}.json"
    text = json.dumps({"kind": KIND, **trial.content(), "id": trial.id}, indent=1, ensure_ascii=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, f"{text}\n".encode())
    except OSError as error:
        raise StoreError(
            f"{path}: trials cannot be written there ({error.strerror or error}); free room or give another --out"
        ) from error
    return path


def read_trial(path: Path) -> Trial:
    """Read one trial.

    Raises:
        StoreError: torn, foreign, of a newer schema, or altered since it was written.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(
            f"{path}: cannot be read ({error}); give a folder that benchbed claims wrote"
        ) from error
    content = FORM.decode(text, str(path))
    known = {each.name for each in fields(Trial)} - {"id"}
    try:
        trial = Trial(**{name: value for name, value in content.items() if name in known})
    except TypeError as error:
        raise FORM.damaged(error, str(path)) from error
    FORM.check(trial.id, content.get("id"), str(path))
    return trial


def read_trials(folder: Path) -> tuple[list[Trial], list[str]]:
    """All readable trials of a store's folder, and a sentence for each file that was skipped."""
    trials: list[Trial] = []
    skipped: list[str] = []
    for path in sorted((folder / FOLDER).glob("*.json")):
        try:
            trials.append(read_trial(path))
        except StoreError as error:
            skipped.append(str(error))
    return trials, skipped
