"""`benchbed gate`: measure or read two sides, judge, and say so to people, to programs and to a pull request. No torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchbed.errors import EXIT_DONE, MeasurementError, StoreError, UsageError
from benchbed.gate.against import Measured, gate_against
from benchbed.gate.against_baseline import damaged, gate_baseline
from benchbed.gate.alone import measure_baseline
from benchbed.gate.benchmark_files import gate_benchmarks, is_benchmark_file, read_benchmarks
from benchbed.gate.between_baselines import gate_recorded
from benchbed.gate.finding import Verdict
from benchbed.gate.record import Baseline, baseline_from, read_json, to_json
from benchbed.gate.request import EFFECT, MARGIN, GateRequest
from benchbed.progress import Reporter
from benchbed.record_store import write_whole
from benchbed.report.gate_tables import gate_markdown, gate_tables, headline

WAYS: Final = ("against", "baseline", "write_baseline")


@dataclass(frozen=True)
class GateFlags:
    """The flags of `benchbed gate`, one field each."""

    methods: tuple[str, ...]
    accepted: tuple[str, ...]
    against: str | None
    baseline: Path | None
    current: Path | None
    reference: str | None
    write_baseline: Path | None
    seconds: float
    images: int
    margin: float | None
    effect: float | None
    repository: Path
    json_file: Path | None
    markdown_file: Path | None
    everything: bool

    @property
    def request(self) -> GateRequest:
        """What is to be measured; UsageError where it makes no sense."""
        return GateRequest(
            self.methods,
            self.seconds,
            self.images,
            MARGIN if self.margin is None else self.margin,
            EFFECT if self.effect is None else self.effect,
            self.accepted,
            self.repository,
        )


def gate_command(flags: GateFlags) -> int:
    """Do what the flags say; returns the outcome's exit code.

    Raises:
        UsageError: flags that do not go together, a revision that does not exist or import, files that are not comparable.
        MissingError: two trees that measure under different conditions.
        StoreError: a file that cannot be read or written, or was edited.
        MeasurementError: a measuring process died; what it had measured is in the JSON file.
    """
    _check(flags)
    reporter = Reporter()
    request = flags.request
    if flags.write_baseline is not None:
        return _write_baseline(flags.write_baseline, request, reporter)
    verdict = _by_file(flags, reporter) if flags.against is None else _against(flags.against, flags, reporter)
    _tell(verdict, flags)
    return verdict.exit_code


def _check(flags: GateFlags) -> None:
    given = [name for name in WAYS if getattr(flags, name) is not None]
    if len(given) != 1:
        found = " and ".join(f"--{name.replace('_', '-')}" for name in given) or "none of them"
        raise UsageError(
            f"expected one of --against REV, --baseline FILE, --write-baseline FILE; found {found}"
        )
    if flags.current is not None and flags.baseline is None:
        raise UsageError(
            "--current goes with --baseline, both of --write-baseline or both of pytest-benchmark"
        )
    if flags.reference is not None and flags.current is None:
        raise UsageError("--reference goes with --current, for files of pytest-benchmark")


def _against(name: str, flags: GateFlags, reporter: Reporter) -> Verdict:
    measured = Measured()
    try:
        return gate_against(name, flags.request, reporter, measured)
    except MeasurementError as error:
        if flags.json_file is not None and measured.facts:
            parts = {"kind": "benchbed gate", "schema": 1, "outcome": None, "broken": str(error)}
            _write(flags.json_file, _json({**parts, "parts": measured.as_dict()}))
            reporter.note(f"gate: what was measured before is in {flags.json_file}")
        raise


def _by_file(flags: GateFlags, reporter: Reporter) -> Verdict:
    assert flags.baseline is not None
    content = read_json(flags.baseline, "--baseline")
    explicit = flags.margin is not None or flags.effect is not None
    if is_benchmark_file(content):
        if flags.current is None:
            raise UsageError(
                f"--baseline {flags.baseline}: of pytest-benchmark; give the newer file of it as --current FILE"
            )
        return _benchmarks(content, flags, explicit)
    baseline = _baseline(content, flags.baseline)
    if flags.current is None:
        return gate_baseline(baseline, str(flags.baseline), flags.request, explicit, reporter)
    return _recorded(baseline, flags, explicit)


def _baseline(content: Mapping[str, Any], path: Path) -> Baseline:
    baseline = baseline_from(content, str(path))
    damaged(baseline, str(path))
    return baseline


def _recorded(before: Baseline, flags: GateFlags, explicit: bool) -> Verdict:
    assert flags.current is not None
    if flags.reference is not None:
        raise UsageError(
            "--reference is for files of pytest-benchmark; the gate's own have a reference in them"
        )
    content = read_json(flags.current, "--current")
    if is_benchmark_file(content):
        raise UsageError(
            f"--current {flags.current}: of pytest-benchmark, but --baseline {flags.baseline} is of --write-baseline; "
            "give two files of one kind"
        )
    after = _baseline(content, flags.current)
    return gate_recorded(before, after, (str(flags.baseline), str(flags.current)), flags.request, explicit)


def _benchmarks(content: Mapping[str, Any], flags: GateFlags, explicit: bool) -> Verdict:
    assert flags.baseline is not None
    assert flags.current is not None
    newer = read_json(flags.current, "--current")
    for path, each in ((flags.baseline, content), (flags.current, newer)):
        if not is_benchmark_file(each):
            raise UsageError(
                f"{path}: not of pytest-benchmark (no machine_info and benchmarks in it); --current compares two files of "
                "pytest --benchmark-json"
            )
    asked = (flags.request.margin, flags.request.effect) if explicit else None
    before, after = read_benchmarks(content, flags.baseline), read_benchmarks(newer, flags.current)
    return gate_benchmarks(before, after, asked, flags.reference)


def _write_baseline(path: Path, request: GateRequest, reporter: Reporter) -> int:
    _writable(path)
    baseline = measure_baseline(request, reporter)
    _write(path, to_json(baseline))
    reporter.note(f"baseline: {path} ({len(baseline.methods)} methods)")
    return EXIT_DONE


def _tell(verdict: Verdict, flags: GateFlags) -> None:
    from benchbed.report.console import print_tables

    if flags.json_file is not None:
        _write(flags.json_file, _json(verdict.as_dict()))
    if flags.markdown_file is not None:
        _write(flags.markdown_file, gate_markdown(verdict))
    print_tables(gate_tables(verdict, flags.everything))
    print(headline(verdict))


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _writable(path: Path) -> None:
    """Refuse a file that cannot be written before minutes are spent on it."""
    if not path.resolve().parent.is_dir():
        raise StoreError(f"{path}: its folder does not exist; make it, or give another file")


def _write(path: Path, content: str) -> None:
    try:
        write_whole(path, content.encode())
    except OSError as error:
        raise StoreError(
            f"{path}: cannot be written ({error.strerror or error}); free room or give another file"
        ) from error
