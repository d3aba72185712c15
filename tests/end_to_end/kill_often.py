"""Kill -9 `benchbed run` at random moments until 50 kills are done: the same command always goes on, and the counts are the same.

    python tests/end_to_end/kill_often.py [--kills 50] [--images 150] [--seed 0] [--folder DIR]

A campaign is one command into a fresh store, killed again and again until it once reaches its end; then another begins. After
each kill every journal must hold at least the images it held before; at the end of each campaign there must be exactly one
record of each method, with the integers of a run that nobody killed.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

from light_data import light_data  # noqa: E402
from light_run import METHODS, counts_by_label, ended, journalled, run, start  # noqa: E402

ROUNDS_WITHOUT_END: Final = 40  # a campaign that was killed so often is left to reach its end
KILLS_AFTER_COUNTING: Final = (
    3  # and so often while it timed or wrote records, so that most kills find it counting
)
TICK_S: Final = 0.005
TIMING: Final = "timing"
WRITING: Final = "between records"


@dataclass
class Tally:
    """What was seen.

    Attributes:
        kills: how many were killed, by what they were doing.
        campaigns: how many commands reached their end.
        images: counted over all campaigns.
        wrong: what must not be, one sentence each.
        left: images in journals after each kill.
    """

    kills: Counter[str] = field(default_factory=Counter)
    campaigns: int = 0
    images: int = 0
    wrong: list[str] = field(default_factory=list)
    left: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Moment:
    """When to kill: once so many images are in the journals, so many records are there, and then so many seconds later."""

    images: int
    records: int
    seconds: float


def kill_often(folder: Path, kills: int, images: int, seed: int = 0) -> Tally:
    """Do it.

    Args:
        folder: for data, stores and logs.
        kills: how many.
        images: of the dataset.
        seed: of the moments.
    """
    draw = random.Random(seed)
    data = light_data(folder / "data", images)
    arguments = ("--methods", METHODS, "--dataset", data)
    assert run(folder / "calm", folder / "calm.log", *arguments, cache=folder / "cache") == 0, _tail(
        folder / "calm.log"
    )
    expected = {label: found[0] for label, found in counts_by_label(folder / "calm").items()}
    tally = Tally()
    while sum(tally.kills.values()) < kills:
        store = folder / f"store-{tally.campaigns}"
        cache = folder / f"cache-{tally.campaigns % 3}"  # cold, and then left behind by killed runs
        for _ in _attempts(store, cache, arguments, images, kills, draw, tally):
            continue
        _judge(store, expected, tally, images)
        tally.campaigns += 1
    return tally


def _attempts(
    store: Path,
    cache: Path,
    arguments: tuple[object, ...],
    images: int,
    kills: int,
    draw: random.Random,
    tally: Tally,
) -> Iterator[None]:
    """Begin the command and kill it, until it once reaches its end."""
    log = store.with_suffix(".log")
    before: dict[str, int] = {}
    late = 0
    for attempt in range(ROUNDS_WITHOUT_END + 1):
        enough = sum(tally.kills.values()) >= kills or attempt == ROUNDS_WITHOUT_END
        enough = enough or late == KILLS_AFTER_COUNTING
        child = start(store, log, *arguments, cache=cache)
        if not enough:
            _kill_at(child, store, _moment(store, images, draw))
        code = ended(child)
        if code == 0:
            return
        if code != -9:
            tally.wrong.append(f"{store.name}: exit code {code}: {_tail(log)}")
            return
        now = journalled(store)
        doing = _doing(store, now, images)
        tally.kills[doing] += 1
        late += doing in (TIMING, WRITING)
        tally.left.append(sum(now.values()))
        _compare(store, before, now, images, tally)
        before = now
        yield


def _moment(store: Path, images: int, draw: random.Random) -> Moment:
    """Most kills come some images later; the others while it loads, times, writes records, or at any time."""
    kind = draw.random()
    if kind < 0.8:
        held = sum(journalled(store).values())
        return Moment(
            min(held + draw.randrange(1, max(images // 4, 2)), 2 * images), 0, draw.uniform(0, 0.05)
        )
    if kind < 0.9:
        return Moment(0, 0, draw.uniform(0, 1))
    if kind < 0.95:
        return Moment(2 * images, 0, draw.uniform(0, 2))
    return Moment(0, 1, draw.uniform(0, 0.3))


def _kill_at(child: BaseProcess, store: Path, moment: Moment) -> None:
    """SIGKILL when the moment has come, unless the child ends before."""
    pause = threading.Event()
    while child.is_alive():
        records = len(list((store / "records").glob("*/*.json")))
        # A record takes its journal along, so that either may show that the moment has come.
        if sum(journalled(store).values()) >= moment.images and records >= moment.records:
            break
        if moment.images and records:
            break
        pause.wait(TICK_S)
    child.join(moment.seconds)
    child.kill()


def _doing(store: Path, now: dict[str, int], images: int) -> str:
    if list((store / "records").glob("*/*.json")):
        return WRITING
    held = sum(now.values())
    if held == 0:
        return "before the first image"
    return TIMING if held == 2 * images else "counting"


def _compare(store: Path, before: dict[str, int], now: dict[str, int], images: int, tally: Tally) -> None:
    recorded = len(list((store / "records").glob("*/*.json")))
    for name, held in before.items():
        if name not in now and recorded:
            continue  # its record is written
        if now.get(name, 0) < held:
            tally.wrong.append(
                f"{store.name}/{name}: {held} images were counted, {now.get(name, 0)} are left"
            )
    if any(held > images for held in now.values()):
        tally.wrong.append(f"{store.name}: an image is in a journal twice: {now}")


def _judge(store: Path, expected: dict[str, object], tally: Tally, images: int) -> None:
    """At the end: each method has one record, with the integers of the run that nobody killed, and nothing is left over."""
    try:
        found = counts_by_label(store)
    except AssertionError as error:
        tally.wrong.append(f"{store.name}: torn record: {error}")
        return
    for label, counts in expected.items():
        mine = found.get(label, [])
        if len(mine) != 1:
            tally.wrong.append(f"{store.name}: {label} has {len(mine)} records")
        elif mine[0] != counts:
            tally.wrong.append(f"{store.name}: {label} has other counts than a run that nobody killed")
    if left := journalled(store):
        tally.wrong.append(f"{store.name}: journals are left over: {left}")
    tally.images += images * len(expected)


def _tail(log: Path) -> str:
    return log.read_text()[-600:] if log.exists() else "no log"


def summary(tally: Tally) -> str:
    """One line a fact."""
    kinds = ", ".join(f"{count} {what}" for what, count in tally.kills.most_common())
    lines = [
        f"{sum(tally.kills.values())} kills ({kinds})",
        f"{tally.campaigns} commands reached their end, {tally.images} images counted",
        f"wrong: {len(tally.wrong)}",
    ]
    return "\n".join([*lines, *tally.wrong])


def main() -> int:
    """Command line; exit code 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--images", type=int, default=150)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where to work; kept.  [default: a temporary one]")
    chosen = parser.parse_args()
    folder = chosen.folder or Path(tempfile.mkdtemp(prefix="benchbed-kills-"))
    folder.mkdir(parents=True, exist_ok=True)
    tally = kill_often(folder, chosen.kills, chosen.images, chosen.seed)
    print(summary(tally))
    if chosen.folder is None and not tally.wrong:
        shutil.rmtree(folder)
    return 1 if tally.wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
