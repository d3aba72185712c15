"""What the package must never do, looked for in the syntax of every file: unpickle, run a shell, leave TLS, write raw HTML."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import benchbed
import methods

ROOTS = (Path(benchbed.__file__).parent, Path(methods.__file__).parent)
FILES = sorted(path for root in ROOTS for path in root.rglob("*.py"))

# Modules whose reading side runs code of whoever wrote the file, or that open connections of their own.
BANNED_MODULES = {
    "pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "code", "imp", "telnetlib", "ftplib",
    "requests", "httpx", "aiohttp", "urllib3", "yaml", "xml", "lxml",
}  # fmt: skip
BANNED_CALLS = {
    "eval", "exec", "compile", "__import__", "os.system", "os.popen", "os.execv", "os.execvp", "os.spawnl", "os.spawnv",
    "subprocess.getoutput", "subprocess.getstatusoutput", "pty.spawn", "pickle.load", "pickle.loads", "pickle.Unpickler",
    "torch.jit.load", "torch.hub.load", "torch.hub.load_state_dict_from_url", "torch.hub.download_url_to_file",
    "torch.package.PackageImporter", "numpy.fromregex", "pandas.read_pickle", "pd.read_pickle", "np.lib.format.read_array",
    "urllib.request.urlopen", "urllib.request.urlretrieve", "ssl._create_unverified_context", "tempfile.mktemp",
    "dist.broadcast_object_list", "dist.all_gather_object", "dist.gather_object", "dist.scatter_object_list",
    "dist.recv_object_list", "dist.send_object_list", "shutil.unpack_archive",
}  # fmt: skip
BANNED_METHODS = {"extractall", "extract", "load_state_dict_from_url"}
# The one file that opens addresses, and the one that needs the name of an error of `pickle`.
OPENS_ADDRESSES = "benchbed/download/tls.py"
NAMES_AN_ERROR = "benchbed/checkpoints.py"
# The one file that calls text safe for a page: benchbed's own style and script, and data that test_page_bad_input.py attacks.
TRUSTS_TEXT = "benchbed/report/page/render.py"


def name_of(node: ast.expr) -> str:
    """Dotted name of what is called: "torch.load"; "" where it has none."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = name_of(node.value)
        return f"{before}.{node.attr}" if before else f".{node.attr}"
    return ""


def keyword(call: ast.Call, name: str) -> object:
    """The value of a keyword that is written out; None where it is not given, `...` where it is computed."""
    for each in call.keywords:
        if each.arg == name:
            return each.value.value if isinstance(each.value, ast.Constant) else ...
    return None


def offences(source: str, place: str = "benchbed/x.py") -> Iterator[str]:
    """What a file must not do, one line each."""
    for node in ast.walk(ast.parse(source)):
        at = f"{place}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [node.module or ""]
        else:
            modules = []
        for module in modules:
            if module.partition(".")[0] in BANNED_MODULES and place != NAMES_AN_ERROR:
                yield f"{at}: imports {module}"
            if module == "urllib.request" and place != OPENS_ADDRESSES:
                yield f"{at}: opens addresses"
            if module == "markupsafe" and place != TRUSTS_TEXT:
                yield f"{at}: calls text safe for a page"
        if isinstance(node, ast.Call):
            yield from (f"{at}: {words}" for words in _call_offences(node))
            templates = "jinja2" in source and name_of(node.func).endswith("Environment")
            if templates and keyword(node, "autoescape") is not True:
                yield f"{at}: templates that do not escape"
        if isinstance(node, ast.Attribute) and node.attr in ("CERT_NONE", "_create_unverified_context"):
            yield f"{at}: leaves certificates unverified"


def _call_offences(call: ast.Call) -> Iterator[str]:
    name = name_of(call.func)
    if name in BANNED_CALLS or name.rpartition(".")[2] in BANNED_METHODS:
        yield f"calls {name}"
    if name in ("torch.load", "torch.utils.model_zoo.load_url") and keyword(call, "weights_only") is not True:
        yield "torch.load without weights_only=True"
    if name in ("np.load", "numpy.load") and keyword(call, "allow_pickle") not in (None, False):
        yield "np.load with pickles"
    if keyword(call, "shell") not in (None, False):
        yield "a shell"
    if (
        name.startswith("subprocess.")
        and call.args
        and isinstance(call.args[0], ast.Constant | ast.JoinedStr | ast.BinOp)
    ):
        yield "a command as one string"
    if str(keyword(call, "url")).startswith("http://"):
        yield "an address without TLS"
    if keyword(call, "verify") is False or keyword(call, "check_hostname") is False:
        yield "leaves certificates unverified"


@pytest.mark.parametrize("root", ROOTS, ids=lambda root: root.name)
def test_no_file_does_what_it_must_not(root: Path) -> None:
    found = [
        line
        for path in sorted(root.rglob("*.py"))
        for line in offences(path.read_text(encoding="utf-8"), str(path.relative_to(root.parent)))
    ]
    assert found == []


def test_the_error_of_pickle_is_all_that_is_taken_from_it() -> None:
    tree = ast.parse((ROOTS[0].parent / NAMES_AN_ERROR).read_text(encoding="utf-8"))
    used = {name_of(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert {name for name in used if name.startswith("pickle.")} == {"pickle.UnpicklingError"}


def test_every_file_was_looked_at() -> None:
    assert len(FILES) > 250
    assert any(path.name == "checkpoints.py" for path in FILES)


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from dill import loads",
        "import torch; torch.load(path)",
        "import torch; torch.load(path, weights_only=False)",
        "import torch; torch.load(path, weights_only=flag)",
        "import torch; torch.jit.load(path)",
        "import numpy as np; np.load(path, allow_pickle=True)",
        "import subprocess; subprocess.run('ls ' + name)",
        "import subprocess; subprocess.run(f'ls {name}')",
        "import subprocess; subprocess.run(command, shell=True)",
        "import os; os.system('ls')",
        "eval(text)",
        "exec(text)",
        "archive.extractall(folder)",
        "import urllib.request",
        "Archive(url='http://example.org/a.zip')",
        "from markupsafe import Markup",
        "import ssl; context.verify_mode = ssl.CERT_NONE",
        "import ssl; ssl._create_unverified_context()",
        "jinja2.Environment(loader=loader)",
        "jinja2.Environment(loader=loader, autoescape=False)",
        "dist.all_gather_object(found, mine)",
    ],
)
def test_each_offence_is_seen(source: str) -> None:
    assert list(offences(source))


@pytest.mark.parametrize(
    "source",
    [
        "import torch; torch.load(path, map_location='cpu', weights_only=True)",
        "import subprocess; subprocess.run(['git', 'status'])",
        "import numpy as np; np.load(path)",
        "model.eval()",
        "model.compile()",
        "Archive(url='https://example.org/a.zip', page='http://example.org')",
        "jinja2.Environment(loader=loader, autoescape=True)",
    ],
)
def test_what_is_allowed_is_let_through(source: str) -> None:
    assert not list(offences(source))
