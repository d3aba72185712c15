"""How often does the gate cry wolf, and how often does it miss a wolf? Many whole gates on a loaded machine, and a table.

    python tests/benchmarks/gate_power.py --gates 100                  # 100 of identical code, 100 with a slower stage
    python tests/benchmarks/gate_power.py --gates 100 --load 2         # beside two busy neighbours
    python tests/benchmarks/gate_power.py --gates 100 --minutes 50     # stop after so long; the same command goes on
    python tests/benchmarks/gate_power.py --table --beside "a training"    # the table again, from what is there

Each gate is the command itself, `benchbed gate --against HEAD`, in a copy of this checkout in a temporary folder. For a slow-down
the copy's `benchbed/stages.py` is changed: after the statements of one stage it works on for a tenth of the processor time that
they took. So nothing in the package knows of this script. One line a gate goes to a JSONL file; run the same command again
to go on after a break, today or another day: a line says which gate it was (a digest of the code that measures and judges), and
lines of an older gate are neither counted nor thrown away. The stages take turns over all that the gate judges by themselves.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from shares import exact_interval, lower_bound, upper_bound

ROOT: Final = Path(__file__).resolve().parents[2]
DEFAULT_LINES: Final = ROOT / "reports" / "gate-power.jsonl"
DEFAULT_TABLE: Final = ROOT / "reports" / "gate-power.md"
SLOWER: Final = 0.10
# Stages of the default tiny variants that take at least half a millisecond and 2 % of a call; method "" is all of them, for a
# stage that the bench itself marks.
STAGES: Final = (
    ("san", "clip_image"),
    ("zegformer", "clip_image"),
    ("deop", "backbone"),
    ("lseg", "backbone"),
    ("", "label_map"),
    ("simseg", "clip_image"),
    ("spnet", "backbone"),
    ("zegformer", "proposals"),
    ("san", "backbone"),
    ("bridge", "classify"),
    ("deop", "clip_image"),
    ("zegformer", "crops"),
    ("maskclip", "clip_image"),
    ("lseg", "classify"),
)
# What `--against` does not use: a change there makes no other gate.
OTHER_MODES: Final = ("against_baseline", "between_baselines", "benchmark_files")
MEASURING: Final = (
    "processor_time",
    "stage_marks",
    "statistics",
)  # of benchbed.cost: what the gate's child loads

INJECTED: Final = '''

def _slowed(name: str) -> bool:
    """Written by tests/benchmarks/gate_power.py into a copy."""
    import sys

    if name != {stage!r}:
        return False
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith({module!r}):
            return True
        frame = frame.f_back
    return False


def _work_on(begun: int) -> None:
    import time

    now = time.process_time_ns()
    end = now + int({share!r} * (now - begun))
    while time.process_time_ns() < end:
        pass
'''


def slow_down(copy: Path, method: str, stage: str) -> None:
    """Make one stage a tenth slower in the copy's working tree."""
    path = copy / "benchbed" / "stages.py"
    text = path.read_text()
    module = f"methods.{method}" if method else "benchbed"
    whole = "    try:\n        yield\n    finally:\n"
    if text.count(whole) != 2:
        raise SystemExit(f"{path}: not as this script knows it; adapt slow_down")
    slower = (
        "    slowed, begun = _slowed(name), __import__('time').process_time_ns()\n"
        "    try:\n        yield\n    finally:\n        if slowed:\n            _work_on(begun)\n"
    )
    text = text.replace(whole, slower, 1)
    path.write_text(text + INJECTED.format(stage=stage, module=module, share=SLOWER))


@contextmanager
def copied_checkout() -> Iterator[Path]:
    """This checkout's files as they are now, committed in a repository of their own."""
    with tempfile.TemporaryDirectory(prefix="gate-power-") as folder:
        copy = Path(folder) / "copy"
        copy.mkdir()
        for name in ("benchbed", "methods"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        for arguments in (
            ("init", "--quiet"),
            ("add", "--all"),
            ("-c", "user.name=gate", "-c", "user.email=gate@power", "commit", "--quiet", "--message", "now"),
        ):
            subprocess.run(["git", "-C", str(copy), *arguments], check=True)
        yield copy


@contextmanager
def neighbours(count: int) -> Iterator[None]:
    """So many processes that keep a core busy each, in bursts, with memory traffic."""
    body = (
        "import random, time\n"
        "block = bytearray(8_000_000)\n"
        "while True:\n"
        "    end = time.monotonic() + random.uniform(0.05, 3)\n"
        "    while time.monotonic() < end:\n"
        "        block[:] = block[::-1]; sum(range(20000))\n"
        "    time.sleep(random.uniform(0, 1))\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", body]) for _ in range(count)]
    try:
        yield
    finally:
        for each in running:
            each.kill()
            each.wait()


def one_gate(copy: Path, injected: tuple[str, str] | None, given: argparse.Namespace) -> dict[str, Any]:
    """Run the command; what it said."""
    subprocess.run(["git", "-C", str(copy), "checkout", "--quiet", "--", "."], check=True)
    if injected:
        slow_down(copy, *injected)
    answer = copy.parent / "gate.json"
    answer.unlink(missing_ok=True)
    command = [sys.executable, "-m", "benchbed", "gate", "--against", "HEAD", "--repository", str(copy)]
    command += ["--methods", given.methods, "--seconds", str(given.seconds), "--json", str(answer)]
    load = os.getloadavg()[0]
    start, used = time.monotonic(), _children_s()
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=copy.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    spent, used = time.monotonic() - start, _children_s() - used
    content = json.loads(answer.read_text()) if answer.exists() else {}
    regressed = [each for each in content.get("findings", []) if each["outcome"] == "regressed"]
    return {
        "injected": list(injected) if injected else None,
        "gate": gate_digest(),
        "exit_code": done.returncode,
        "outcome": content.get("outcome"),
        "regressed": [[f["method"], f["metric"], f["part"], f["change"]] for f in regressed],
        "smallest_effect": content.get("smallest_effect"),
        "seconds": round(spent, 1),
        "processor_s": round(used, 1),
        "load": round(load, 2),
        "neighbours": given.load,
        "cores": len(os.sched_getaffinity(0)),
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "error": "" if content else done.stderr[-300:],
    }


def _children_s() -> float:
    """Processor time of all children that have ended, and of theirs."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def named(line: dict[str, Any]) -> bool:
    """Whether a gate with a slower stage named that very stage."""
    method, stage = line["injected"]
    return any(
        part == stage and metric == "latency" and (not method or label.split("/")[0] == method)
        for label, metric, part, _ in line["regressed"]
    )


def table(lines: list[dict[str, Any]], beside: str = "") -> str:
    """Markdown; `beside` says in words what else ran."""
    same = [each for each in lines if not each["injected"]]
    slower = [each for each in lines if each["injected"]]
    alarms = sum(each["outcome"] == "regressed" for each in same)
    caught = sum(each["outcome"] == "regressed" for each in slower)
    right = sum(map(named, slower))
    seconds = sorted(each["seconds"] for each in lines) or [0.0]
    loads = sorted(each["load"] for each in lines) or [0.0]
    busy = sorted(each.get("processor_s", 0.0) for each in lines) or [0.0]

    def row(words: str, hits: int, of: int, target: str) -> str:
        low, high = exact_interval(hits, of)
        return f"| {words} | {hits} of {of} | {low:.1%} to {high:.1%} | {target} |"

    def count(found: list[dict[str, Any]], outcome: str | None) -> int:
        return sum(each["outcome"] == outcome for each in found)

    rows = [
        "# Power of `benchbed gate`",
        "",
        f"Made by `python tests/benchmarks/gate_power.py` on {_words(lines, 'cores')} cores, beside "
        f"{_words(lines, 'neighbours')} busy neighbours of its own{f' and {beside}' if beside else ''}. Each line is many whole",
        f"gates, run one after the other (load average when they began: {loads[0]:.1f} to {loads[-1]:.1f}, "
        f"median {loads[len(loads) // 2]:.1f}).",
        "",
        _so_far(len(same), alarms, len(slower), right),
        "",
        "| what | found | 95 % interval | wanted |",
        "| --- | ---: | ---: | --- |",
        row("identical code called regressed", alarms, len(same), "at most 1 of 100"),
        row("one stage 10 % slower called regressed", caught, len(slower), "at least 95 of 100"),
        row("... and that stage named", right, len(slower), "at least 95 of 100"),
        f"| seconds a gate | median {seconds[len(seconds) // 2]:.0f}, longest {seconds[-1]:.0f} | | at most 180 |",
        f"| seconds of processor time a gate | median {busy[len(busy) // 2]:.0f}, most {busy[-1]:.0f} | | |",
        "",
        "| outcome | identical code | a slower stage |",
        "| --- | ---: | ---: |",
        *[
            f"| {outcome or 'broke off'} | {count(same, outcome)} | {count(slower, outcome)} |"
            for outcome in ("pass", "regressed", "inconclusive", "nothing measured", None)
        ],
        "",
        "| slower stage | gates | called regressed | stage named |",
        "| --- | ---: | ---: | ---: |",
    ]
    for method, stage in dict.fromkeys(tuple(each["injected"]) for each in slower):
        found = [each for each in slower if tuple(each["injected"]) == (method, stage)]
        hits, names = count(found, "regressed"), sum(map(named, found))
        rows.append(f"| {method or 'all methods'}: {stage} | {len(found)} | {hits} | {names} |")
    return "\n".join(rows) + "\n"


def _words(lines: list[dict[str, Any]], name: str) -> str:
    """What the lines say of themselves, each value once."""
    return " or ".join(str(value) for value in sorted({each[name] for each in lines if name in each})) or "?"


def _so_far(same: int, alarms: int, slower: int, right: int) -> str:
    """What these gates allow to be said."""
    return (
        f"Measured so far: {same} gates of identical code, {alarms} called regressed: with 95 % confidence at most "
        f"{upper_bound(alarms, same):.1%} of gates are. {slower} gates with one stage 10 % slower, {right} called regressed by "
        f"that stage's name: with 95 % confidence at least {lower_bound(right, slower):.1%} are (Clopper-Pearson, one-sided)."
    )


def gate_digest(root: Path = ROOT) -> str:
    """Of the code that measures and judges: gates of another digest are other gates."""
    package = root / "benchbed"
    gate = [path for path in package.glob("gate/**/*.py") if path.stem not in OTHER_MODES]
    files = [*gate, *(package / "cost" / f"{name}.py" for name in MEASURING)]
    content = hashlib.sha256()
    for path in sorted(files):
        content.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return content.hexdigest()[:12]


def of_this_gate(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The lines that count."""
    digest = gate_digest()
    return [each for each in lines if each.get("gate") == digest]


def read(path: Path) -> list[dict[str, Any]]:
    """The lines so far; a torn last one is left out."""
    found = []
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            print(f"{path}: skipped a torn line", file=sys.stderr)
    return found


def todo(lines: list[dict[str, Any]], gates: int) -> Iterator[tuple[str, str] | None]:
    """What is still to be run, identical and slowed in turn."""
    same = sum(not each["injected"] for each in lines)
    slower = len(lines) - same
    while same < gates or slower < gates:
        if same <= slower and same < gates:
            same += 1
            yield None
        else:
            yield STAGES[slower % len(STAGES)]
            slower += 1


def main() -> None:
    """Run what is missing, then write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gates", type=int, default=100, help="of either kind")
    parser.add_argument("--seconds", type=float, default=150.0, help="--seconds of each gate")
    parser.add_argument("--methods", default="all")
    parser.add_argument("--load", type=int, default=0, help="busy neighbours to start")
    parser.add_argument("--minutes", type=float, default=math.inf, help="begin no gate after so long")
    parser.add_argument("--lines", type=Path, default=DEFAULT_LINES)
    parser.add_argument("--to", type=Path, default=DEFAULT_TABLE)
    parser.add_argument("--beside", default="", help="what else runs, in words for the table")
    parser.add_argument("--table", action="store_true", help="run nothing, write the table")
    given = parser.parse_args()
    lines = of_this_gate(read(given.lines))
    if not given.table:
        given.lines.parent.mkdir(parents=True, exist_ok=True)
        until = time.monotonic() + 60 * given.minutes
        with copied_checkout() as copy, neighbours(given.load):
            for injected in todo(lines, given.gates):
                if time.monotonic() > until:
                    break
                lines.append(one_gate(copy, injected, given))
                with given.lines.open("a") as file:
                    file.write(json.dumps(lines[-1]) + "\n")
                print(json.dumps(lines[-1]), flush=True)
    given.to.parent.mkdir(parents=True, exist_ok=True)
    given.to.write_text(table(lines, given.beside))
    print(f"{given.to} written")


if __name__ == "__main__":
    main()
