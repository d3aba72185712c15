"""Install the DeepLabV3 plugin, with its weights, the way a third party's users would: by pip, through the entry point.

    python tests/end_to_end/install_deeplabv3.py --weights ../shared/data/deeplabv3-mnv2-voc [--target DIR]

The weights are not ours to ship, so they are copied into the package on the way.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = Path(__file__).parent / "deeplabv3_plugin"
WEIGHTS = "model_fp16.safetensors"


def install(weights: Path, target: Path | None = None) -> None:
    """Copy the plugin and its weights to a temporary folder and pip-install that; without the network."""
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "plugin"
        shutil.copytree(SOURCE, project)
        shutil.copy(weights / WEIGHTS, project / "benchbed_deeplabv3" / WEIGHTS)
        where = ["--target", str(target)] if target else []
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", *where]
        subprocess.run([*pip, str(project)], check=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--target", type=Path)
    arguments = parser.parse_args()
    install(arguments.weights, arguments.target)
