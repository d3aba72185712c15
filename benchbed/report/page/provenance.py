"""Where a row's numbers come from, as the page shows it one click from each of them."""

from __future__ import annotations

from typing import Any, Final

from benchbed.report.page.shared import Shared
from benchbed.report.rows import Row

# Parts of `Record.environment` that are of one measurement and not of the machine.
_MOMENT: Final = ("load", "others_busy_cores", "clock_mhz", "commit", "dirty")


def record_data(row: Row, machines: Shared, protocols: Shared) -> dict[str, Any]:
    """Record, weights, dataset, protocol and machine of a measured row.

    Args:
        row: a row with a record.
        machines, protocols: collect what several records share.
    """
    record, source = row.record, row.provenance
    assert record is not None
    environment = dict(record.environment)
    moment = {name: environment.pop(name, None) for name in _MOMENT}
    protocol = {name: value for name, value in record.protocol.items() if name != "resolved"}
    return {
        "record": {
            "id": source.record,
            "file": source.file,
            "show": f"benchbed show {source.record}",
            "measured": source.created,
            "commit": source.commit or "no commit",
            "benchbed": source.version,
            "processor": source.processor,
        },
        "weights": _weights(record.method["weights"]),
        "dataset": _dataset(record.dataset),
        "resolved": record.protocol.get("resolved"),
        "load": {name: moment[name] for name in _MOMENT[:3] if moment[name] is not None},
        "said": [*record.warnings, *[f"not measured: {failure}" for failure in record.failures]],
        "machine": machines.place(environment),
        "protocol": protocols.place(protocol),
    }


def _weights(weights: dict[str, Any]) -> dict[str, Any]:
    names = ("kind", "file", "sha256", "seed", "note", "trained_on")
    return {name: weights.get(name) for name in names}


def _dataset(dataset: dict[str, Any]) -> dict[str, Any]:
    seen = sum(map(bool, dataset["seen"]))
    return {
        "name": dataset["name"],
        "title": dataset["title"],
        "images": dataset["coverage"],
        "split": dataset["split"],
        "classes": f"{len(dataset['names'])}: {seen} seen, {len(dataset['names']) - seen} unseen",
        "identity": dataset["used_identity"],
    }
