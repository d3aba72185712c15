"""Many calls timed side by side in one run, with an A/A pair among them; one that fails is dropped and the rest is timed anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from benchbed.cost.latency import Call, LatencySamples, cold_calls, measure_latency
from benchbed.cost.stopping import Stopping

if TYPE_CHECKING:
    import torch

NULL: Final = "A/A"

AfterRound = Callable[[int, dict[str, Any]], object]


@dataclass
class Interleaved:
    """What one run gave.

    Attributes:
        samples: by name of those that ran to the end; entry i of each is of round i.
        null_of: which name was timed twice; "" where nothing was.
        null: the samples of its second place.
        broken: by name, what went wrong.
        stopped: why the rounds ended: `narrow`, `time`, `most`, `interrupted` (the whole rounds before are here), or
            `nothing` where no call was left.
    """

    samples: dict[str, LatencySamples] = field(default_factory=dict)
    null_of: str = ""
    null: LatencySamples | None = None
    broken: dict[str, Exception] = field(default_factory=dict)
    stopped: str = "nothing"

    @property
    def interrupted(self) -> bool:
        """Whether somebody wants it to end."""
        return self.stopped == "interrupted"

    @property
    def rounds(self) -> int:
        """How many rounds were measured."""
        return min((len(each.total_ms) for each in self.samples.values()), default=0)


def time_interleaved(
    calls: Mapping[str, Call],
    device: torch.device | str,
    stopping: Stopping,
    null_among: tuple[str, ...] = (),
    after_round: AfterRound | None = None,
    warmup: int = 0,
) -> Interleaved:
    """Cold call of each, then rounds in alternating order until the rule says stop.

    Args:
        calls: by name, as `measure_latency` takes them.
        device: where the work runs.
        stopping: when to stop.
        null_among: the quickest of these is timed twice a round, at its own place and at the end of the order: as far
            from itself as a round allows, so the noise floor is no kind one.
        after_round: told the number of finished rounds and what each call returned in the last one, while no clock runs.
        warmup: untimed calls of each after the cold one.

    Raises:
        KeyboardInterrupt: before the least rounds were measured.
    """
    run = Interleaved()
    cold = _cold(calls, device, run.broken)
    while cold:
        live = {name: calls[name] for name in cold}
        begun = {name: LatencySamples(first_call_ms=each.first_call_ms) for name, each in cold.items()}
        run.null_of = min(
            (name for name in null_among if name in live), key=lambda n: cold[n].first_call_ms, default=""
        )
        if run.null_of:
            live[NULL] = calls[run.null_of]
            begun[NULL] = LatencySamples(first_call_ms=cold[run.null_of].first_call_ms)
        samples = _rounds(live, device, stopping, begun, after_round, run, warmup)
        if samples is not None:
            run.null = samples.pop(NULL, None)
            run.samples = samples
            run.stopped = "interrupted" if run.interrupted else stopping.why(samples)
            break
        cold = {name: each for name, each in cold.items() if name not in run.broken}
    return run


def _cold(
    calls: Mapping[str, Call], device: torch.device | str, broken: dict[str, Exception]
) -> dict[str, LatencySamples]:
    found: dict[str, LatencySamples] = {}
    for name, call in calls.items():
        try:
            found |= cold_calls({name: call}, device)
        except Exception as error:
            broken[name] = error
    return found


def _rounds(
    calls: Mapping[str, Call],
    device: torch.device | str,
    stopping: Stopping,
    begun: dict[str, LatencySamples],
    after_round: AfterRound | None,
    run: Interleaved,
    warmup: int,
) -> dict[str, LatencySamples] | None:
    """All rounds; None where a call failed, which is then noted as broken."""
    failed: dict[str, Exception] = {}
    returned: dict[str, Any] = {}

    def kept(name: str, call: Call) -> Call:
        def run_call(image: int) -> None:
            try:
                returned[name] = call(image)
            except Exception as error:
                failed[run.null_of if name == NULL else name] = error
                raise

        return run_call

    def finished(rounds: int) -> None:
        if after_round is not None:
            after_round(rounds, {name: each for name, each in returned.items() if name != NULL})

    try:
        return measure_latency(
            {name: kept(name, call) for name, call in calls.items()},
            rounds=stopping.most_rounds,
            warmup=warmup,
            device=device,
            on_progress=finished,
            deadline_s=stopping.seconds,
            least_rounds=stopping.least_rounds,
            enough=stopping.narrow if stopping.until > 0 else None,
            begun=begun,
        )
    except KeyboardInterrupt:
        whole = min(len(each.total_ms) for each in begun.values())
        if whole < stopping.least_rounds:
            raise
        run.stopped = "interrupted"
        return {name: each.first(whole) for name, each in begun.items()}
    except Exception:
        if not failed:
            raise
        run.broken |= failed
        return None
