"""The mistakes a user can make, each with its exit code; the command line prints the message alone, without a traceback."""

from __future__ import annotations

EXIT_DONE = 0
EXIT_USAGE = 2
EXIT_MISSING = 3
EXIT_PARTIAL = 4
EXIT_INTERRUPTED = 130


class BenchError(Exception):
    """One clear sentence: the file or flag, what was found, what was expected, what to do next."""

    exit_code: int = EXIT_USAGE


class UsageError(BenchError):
    """A flag or a name on the command line is wrong (exit code 2)."""


class MissingError(BenchError):
    """Data or weights are not there, or are not what they should be (exit code 3)."""

    exit_code = EXIT_MISSING


class DataError(MissingError):
    """A dataset's folder, image, mask or list is missing or malformed."""


class CheckpointError(MissingError):
    """A checkpoint is missing, truncated, of another method or size, or holds pickled code."""


class ScoresError(BenchError):
    """A method returned scores that no label map can be made of: NaN, Inf, wrong shape, label out of range (exit code 4)."""

    exit_code = EXIT_PARTIAL


class MeasurementError(BenchError):
    """A number could not be measured honestly, e.g. a heavy operator that no FLOP formula covers (exit code 4)."""

    exit_code = EXIT_PARTIAL


class StoreError(BenchError):
    """A record or the place for records cannot be read or written (exit code 4)."""

    exit_code = EXIT_PARTIAL
