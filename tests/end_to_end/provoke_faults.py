"""Provoke every fault again and again, and write what happened as a table.

    python tests/end_to_end/provoke_faults.py [--to reports/faults.md] [--folder DIR] [--share 1.0] [--only NAME,...]

About five minutes on two quiet cores. Interrupted, the same command goes on: what was provoked with the same code is kept in
DIR/faults.jsonl.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parents[1]
sys.path[:0] = [str(ROOT), str(HERE.parent), str(HERE)]

import faults_of_files as files  # noqa: E402
import faults_of_runs as runs  # noqa: E402
import pytest  # noqa: E402

from benchbed.cost.environment import capture  # noqa: E402
from benchbed.source_digest import source_digest  # noqa: E402


@dataclass(frozen=True)
class Fault:
    """What is provoked, how often, and by what."""

    name: str
    provoked: str
    times: int
    do: Callable[[Path, random.Random], str]
    each: int = 1  # faults that one call provokes


FAULTS: Final = (
    Fault("kill", "`kill -9` of a run at a random moment", 10, runs.killed, each=5),
    Fault("full-disk", "the store's disk (a tmpfs) fills at a random place", 8, runs.full_disk),
    Fault("read-only", "a read-only store", 3, runs.read_only_store),
    Fault("cache-disk", "no room for decoded ground truth (a tmpfs)", 4, runs.no_room_for_the_cache),
    Fault("network", "the network goes in the middle of a download, three ways, TLS", 20, files.network_gone),
    Fault("checksum", "a download with one wrong bit", 20, files.checksum_mismatch),
    Fault("worker", "one of three workers of a run (`torchrun`) is killed", 3, runs.worker_that_dies),
    Fault("thread", "a method breaks while threads read ahead and count behind", 4, runs.thread_that_dies),
    Fault(
        "memory",
        "out of memory at a batch (`torch.OutOfMemoryError` raised on the CPU)",
        4,
        runs.out_of_memory,
    ),
    Fault(
        "image",
        "a corrupt photo or mask among good ones, `--on-bad-image stop`, then `skip`",
        8,
        runs.corrupt_image,
    ),
    Fault("archive", "zip and tar entries that point outside", 60, files.entries_outside),
    Fault("checkpoint", "checkpoints with pickled code", 40, files.checkpoint_with_code),
    Fault("record", "torn, edited and foreign record files", 60, files.torn_record),
    Fault("journal", "torn, damaged and foreign journals of unfinished runs", 60, files.torn_journal),
    Fault("cache", "damaged files of decoded ground truth", 60, files.damaged_cache),
    Fault("two", "two runs of one command into one store at once", 4, runs.two_at_once),
)


@dataclass(frozen=True)
class Happened:
    """One repetition: `wrong` is "" where nothing was lost; `impossible` says why it could not be provoked."""

    fault: str
    turn: int
    code: str
    words: str
    wrong: str = ""
    impossible: str = ""


def provoke(fault: Fault, turn: int, code: str, folder: Path) -> Happened:
    """Once, in a folder of its own, which stays only where something went wrong."""
    place = folder / f"{fault.name}-{turn}"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    draw = random.Random(f"{fault.name} {turn}")
    try:
        happened = Happened(fault.name, turn, code, fault.do(place, draw))
    except runs.Impossible as error:
        happened = Happened(fault.name, turn, code, "", impossible=str(error))
    except (Exception, pytest.fail.Exception) as error:  # what `pytest.raises` raises is no Exception
        (place / "traceback.txt").write_text(traceback.format_exc())
        return Happened(fault.name, turn, code, "", f"{type(error).__name__}: {str(error)[:300]} ({place})")
    shutil.rmtree(place, ignore_errors=True)
    return happened


def page(found: Iterable[Happened], command: str) -> str:
    """The table as Markdown."""
    by_fault: dict[str, list[Happened]] = {}
    for each in found:
        by_fault.setdefault(each.fault, []).append(each)
    environment = capture()
    lines = [
        "# Faults",
        "",
        "Written by `tests/end_to_end/provoke_faults.py`, which provokes each fault for real, with new random numbers each time.",
        "Nothing lost: no finished image, no record; nothing counted twice; and where counts are made, they are the integers",
        "of a run that nothing happened to.",
        "",
        f"- command: `{command}`",
        f"- commit {environment.commit or 'none'}{' with uncommitted changes' if environment.dirty else ''}, "
        f"{environment.cpu}, torch {environment.versions.get('torch', '')}",
        "",
        "| provoked | how often | what happened | lost |",
        "| --- | ---: | --- | --- |",
    ]
    lines += [_line(fault, by_fault[fault.name]) for fault in FAULTS if fault.name in by_fault]
    return "\n".join(lines) + "\n"


def _line(fault: Fault, found: list[Happened]) -> str:
    done = [each for each in found if not each.impossible]
    words = Counter(each.words for each in done if each.words)
    several = len(words) > 1
    said = "; ".join(f"{count} x {text}" if several else text for text, count in words.most_common())
    if impossible := {each.impossible for each in found if each.impossible}:
        said = "; ".join(filter(None, [said, f"not provoked: {', '.join(sorted(impossible))}"]))
    wrong = [each.wrong for each in done if each.wrong]
    lost = f"**{len(wrong)} of {len(done)} went wrong:** {'; '.join(wrong[:3])}" if wrong else "nothing"
    cells = (fault.provoked, str(fault.each * len(done)), said, lost if done else "-")
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _kept(path: Path, code: str) -> dict[tuple[str, int], Happened]:
    """What an earlier, interrupted call has provoked with the same code; torn lines are left out."""
    found = {}
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            each = Happened(**json.loads(line))
        except (ValueError, TypeError):
            continue
        if each.code == code and not each.wrong:
            found[each.fault, each.turn] = each
    return found


def main() -> int:
    """Command line; exit code 1 if anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--to", type=Path, default=ROOT / "reports" / "faults.md")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "benchbed-faults")
    parser.add_argument(
        "--share", type=float, default=1.0, help="of the usual repetitions, at least one each"
    )
    parser.add_argument(
        "--only", default="", help="names, comma-separated: " + ", ".join(f.name for f in FAULTS)
    )
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    state, code = chosen.folder / "faults.jsonl", source_digest("benchbed")[:16]
    kept, found = _kept(state, code), []
    wanted = [each for each in FAULTS if not chosen.only or each.name in chosen.only.split(",")]
    for fault in wanted:
        for turn in range(max(1, round(fault.times * chosen.share))):
            each = kept.get((fault.name, turn))
            if each is None:
                each = provoke(fault, turn, code, chosen.folder)
                with state.open("a") as file:
                    file.write(json.dumps(asdict(each)) + "\n")
            found.append(each)
        mine = [each for each in found if each.fault == fault.name]
        wrong = [each.wrong for each in mine if each.wrong]
        print(f"{fault.name}: {len(mine)} times, {len(wrong)} wrong {wrong[:1]}", file=sys.stderr, flush=True)
    chosen.to.parent.mkdir(parents=True, exist_ok=True)
    chosen.to.write_text(page(found, f"python tests/end_to_end/provoke_faults.py --share {chosen.share:g}"))
    return 1 if any(each.wrong for each in found) else 0


if __name__ == "__main__":
    raise SystemExit(main())
