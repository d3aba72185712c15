"""The `benchbed` command: set the environment that measurements need, then hand over to the command line."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line and exit with its code.

    Spin-waiting OpenMP threads make small operators 10 to 80 times slower beside a busy neighbour (measured on two
    cores), so the waiting policy is set before torch is first imported, and recorded.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from benchbed.cli import run_cli

    sys.exit(run_cli(sys.argv[1:]))


if __name__ == "__main__":
    main()
