"""A source tree in a git repository of its own that the gate can measure in a second: the bench's outer shape, methods of numpy.

The gate's parts are all real here (git, processes, pipes, forks, clocks, judging); what it measures is small. Its `torch`
is a name with nothing behind it, so that a child starts in a tenth of a second. `test_gate_instrument.py` holds the
instrument to the real bench.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import benchbed

REAL = Path(benchbed.__file__).parent
COPIED = ("stages.py", "errors.py", "packed_array.py", "metrics")

PLAN = """
from dataclasses import dataclass
from types import SimpleNamespace
import numpy as np
from benchbed import knobs
from benchbed.errors import UsageError

@dataclass(frozen=True)
class Request:
    methods: tuple = ()
    limit: int = 1
    device: str = "cpu"

class Dataset:
    identity = knobs.DATASET
    ids = tuple(f"scene{i}" for i in range(50))
    card = SimpleNamespace(name="shapes", ignore=255)
    def sample(self, index):
        truth = np.random.default_rng(index).integers(0, 3, (6, 8)).astype(np.uint8)
        return SimpleNamespace(id=self.ids[index], image=truth, labels=truth)

class Protocol:
    absent_rule = "union"
    def as_dict(self):
        return {"fingerprint": knobs.FINGERPRINT}

class PlanItem:
    def __init__(self, label, images):
        self.chosen = SimpleNamespace(label=label)
        self.weights = SimpleNamespace(kind="random")
        self.dataset, self.images, self.protocol = Dataset(), images, Protocol()

def make_plan(request):
    wanted = knobs.METHODS if request.methods == ("all",) else request.methods
    for label in wanted:
        if label not in knobs.METHODS:
            raise UsageError(f"unknown method {label!r}")
    return SimpleNamespace(items=[PlanItem(each, request.limit) for each in wanted], device="cpu")
"""

SUBJECT = """
import os, signal, time
from types import SimpleNamespace
import numpy as np
from benchbed import knobs
from benchbed.stages import stage

class Subject:
    def __init__(self, item):
        if item.chosen.label in knobs.BROKEN:
            raise RuntimeError(knobs.BROKEN[item.chosen.label])
        self.item, self.inference, self.calls = item, self, 0
        self.digest, self.vocabulary = "w", SimpleNamespace(seen=(True, True, False))
        self.vocabulary = type("V", (), {"seen": (True, True, False), "__len__": lambda self: 3})()
        self.matrix = np.random.default_rng(0).random((40, 40))
        self.segmenter = SimpleNamespace(
            parameters=lambda: [SimpleNamespace(numel=lambda: knobs.PARAMETERS, requires_grad=True)],
            segment=lambda images, text: None,
        )
    def batch(self, image):
        return image
    def text(self):
        return None
    def labels(self, image):
        self.calls += 1
        if self.calls == knobs.KILLED_AT:
            os.kill(os.getpid(), signal.SIGKILL)
        if knobs.SLEEP:
            time.sleep(knobs.SLEEP)
        with stage("backbone"):
            self.work(knobs.BACKBONE)
        with stage("label_map"):
            self.work(knobs.LABEL_MAP)
            found = image.copy()
            found.ravel()[: knobs.WRONG] = (found.ravel()[: knobs.WRONG] + 1) % 3
        return SimpleNamespace(cpu=lambda: SimpleNamespace(numpy=lambda: found))
    def work(self, steps):
        for _ in range(steps):
            self.matrix @ self.matrix

def make_subject(item, device):
    return Subject(item)
"""

COUNTER = """
from types import SimpleNamespace
from benchbed import knobs

def count_with_torch(call):
    call()
    return SimpleNamespace(per_stage=dict(knobs.FLOPS))
"""

TORCH = {
    "torch/__init__.py": "import numpy\n__version__ = 'none'\nfloat32 = None\ndef set_num_threads(n): pass\n"
    "MATRIX = numpy.random.default_rng(0).random((40, 40))\n"
    "def get_num_threads(): return 1\ndef device(name): return name\ndef randn(*size, generator=None): return Zero()\n"
    "class Generator:\n    def manual_seed(self, seed): return self\n"
    "class inference_mode:\n    def __enter__(self): pass\n    def __exit__(self, *_): pass\n"
    "class Zero:\n"
    "    def __getattr__(self, name): return lambda *_, **__: self\n"
    "    def __getitem__(self, key): return self\n"
    "    def __add__(self, other): return self\n"
    "    def __truediv__(self, other): return self\n"
    "    def __mul__(self, other): return self\n"
    # The reference workload is of the methods' own kind, as the real one is: else what a neighbour does to memory and vector
    # units moves the ratio of the two.
    "    def __matmul__(self, other):\n        for _ in range(80): MATRIX @ MATRIX\n        return self\n"
    "    def __float__(self): return 0.0\n"
    "    values = property(lambda self: self)\n"
    "    def max(self, *_): return self\n",
    "torch/nn/__init__.py": "",
    "torch/nn/functional.py": "def conv2d(image, *_, **__): return image\ndef interpolate(image, *_, **__): return image\n",
    "torch/utils/__init__.py": "",
    "torch/utils/_python_dispatch.py": "class TorchDispatchMode:\n    def __enter__(self): return self\n"
    "    def __exit__(self, *_): pass\n",
}

KNOBS: dict[str, Any] = {
    "METHODS": ["one/tiny"],
    "BROKEN": {},
    "DATASET": "scenes",
    "FINGERPRINT": "f" * 16,
    "PARAMETERS": 100,
    "FLOPS": {"backbone": 1000, "label_map": 10},
    "BACKBONE": 150,
    "LABEL_MAP": 150,
    "WRONG": 1,
    "KILLED_AT": -1,
    "SLEEP": 0.0,
}


class GateTree:
    """The repository at `root`; every commit has its knobs."""

    def __init__(self, root: Path) -> None:
        self.root = root
        package = root / "benchbed"
        package.mkdir(parents=True)
        for name in COPIED:
            copy = shutil.copytree if (REAL / name).is_dir() else shutil.copy
            copy(REAL / name, package / name)
        files = {
            "benchbed/__init__.py": "__version__ = '0'\n",
            "benchbed/plan.py": PLAN,
            "benchbed/subject.py": SUBJECT,
            "benchbed/quiet.py": "",
            "benchbed/registry.py": "METHOD_GROUP = ''\ndef every(group): return []\n",
            "benchbed/cost/__init__.py": "",
            "benchbed/cost/flop_counters.py": COUNTER,
            **TORCH,
        }
        for name, content in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(content)
        self.git("init", "--quiet", "--initial-branch=main")
        self.set()
        self.commit("first")

    def set(self, **knobs: Any) -> None:
        """Change the working tree: knobs not named go back to what they were at first."""
        unknown = knobs.keys() - KNOBS.keys()
        assert not unknown, unknown
        lines = [f"{name} = {value!r}\n" for name, value in {**KNOBS, **knobs}.items()]
        (self.root / "benchbed" / "knobs.py").write_text("".join(lines))

    def write(self, name: str, content: str) -> None:
        """Write a file of the working tree."""
        (self.root / name).write_text(content)

    def commit(self, tag: str) -> None:
        """Commit the working tree and tag it."""
        self.git("add", "--all")
        self.git("-c", "user.name=t", "-c", "user.email=t@t", "commit", "--quiet", "--message", tag)
        self.git("tag", tag)

    def git(self, *arguments: str) -> str:
        """Run git there."""
        done = subprocess.run(
            ["git", "-C", str(self.root), *arguments], check=True, capture_output=True, text=True
        )
        return done.stdout
