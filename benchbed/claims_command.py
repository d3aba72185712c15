"""`benchbed claims [NAME...]`: claims of papers -> verdicts from records, measuring what is missing where asked by name."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchbed.claims.claim import Claim
from benchbed.claims.evidence import Evidence, read_evidence
from benchbed.claims.outcome import Verdict
from benchbed.claims.plan import plan
from benchbed.claims.reading import named_claims
from benchbed.claims.verdict import decide
from benchbed.errors import EXIT_DONE, EXIT_PARTIAL, UsageError
from benchbed.progress import Reporter

LEAST_MINUTES: Final = 0.1
MOST_MINUTES: Final = 24 * 60.0


@dataclass(frozen=True)
class ClaimsFlags:
    """The flags of `benchbed claims`, one field each."""

    names: tuple[str, ...]
    sources: tuple[Path, ...]
    out: Path
    no_measure: bool
    minutes: float
    device: str
    dry_run: bool
    as_json: bool


def claims_command(flags: ClaimsFlags) -> int:
    """Judge claims; returns 0, or 4 where a record was skipped or a measurement failed in part.

    Raises:
        UsageError: an unknown claim, a bad claim file, or a folder that is not there.
        StoreError: what was measured cannot be written.
    """
    if not LEAST_MINUTES <= flags.minutes <= MOST_MINUTES:
        raise UsageError(
            f"--minutes {flags.minutes:g}: expected {LEAST_MINUTES:g} to {MOST_MINUTES:g}, e.g. 14"
        )
    reporter = Reporter()
    claims = named_claims(flags.names)
    evidence = _evidence(flags)
    for sentence in evidence.skipped:
        reporter.note(f"skipped: {sentence}")
    failures: list[str] = []
    if flags.names and not flags.no_measure:
        measured, failures = _measure(claims, evidence, flags, reporter)
        if flags.dry_run:
            return EXIT_DONE
        evidence = _evidence(flags) if measured else evidence
    verdicts = [verdict for claim in claims for verdict in decide(claim, evidence)]
    _tell(verdicts, flags, failures, reporter)
    return EXIT_PARTIAL if evidence.skipped or failures else EXIT_DONE


def _evidence(flags: ClaimsFlags) -> Evidence:
    """What lies in the folders given, and in the one that measurements go to."""
    own = [flags.out] if flags.out.is_dir() and flags.out not in flags.sources else []
    return read_evidence([*flags.sources, *own])


def _measure(
    claims: Sequence[Claim], evidence: Evidence, flags: ClaimsFlags, reporter: Reporter
) -> tuple[bool, list[str]]:
    """Measure what the claims still need: whether anything was, and what failed."""
    from benchbed.claims.measuring import hardware_of, measure
    from benchbed.quiet import quiet_libraries

    failures: list[str] = []
    with quiet_libraries():
        steps = plan(claims, evidence, hardware_of(flags.device), flags.minutes)
        for step in steps:
            if flags.dry_run:
                reporter.note(f"would measure {step.words}")
            else:
                failures += measure(step, flags.out, flags.device, reporter)
    if flags.dry_run and not steps:
        reporter.note("nothing to measure")
    return bool(steps), failures


def _tell(
    verdicts: Sequence[Verdict], flags: ClaimsFlags, failures: Sequence[str], reporter: Reporter
) -> None:
    if flags.as_json:
        content = {"claims": [each.as_dict() for each in verdicts], "failures": list(failures)}
        print(json.dumps(content, indent=1, ensure_ascii=False))
    else:
        from benchbed.report.claim_tables import claim_tables
        from benchbed.report.console import print_tables

        print_tables(claim_tables(verdicts, details=bool(flags.names)))
        if not flags.names:
            reporter.note(
                "nothing was measured: name a claim to measure what it still needs, e.g. benchbed claims deop-speed"
            )
    for message in failures:
        reporter.note(f"failed: {message}")
