"""LaTeX tables set by a real TeX: they compile, nothing is cut off, and what they say can be read in the PDF."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from report_records import comparison, on, trained
from test_report_formats import NASTY
from test_report_presets import tables

from benchbed.report.formats.latex import PACKAGES, latex_document
from benchbed.report.table import Table


def compiled(made: list[Table], folder: Path) -> str:
    """The text of the PDF that pdflatex makes of the tables; skips, saying what is missing, where it cannot."""
    for program, package in (("pdflatex", "texlive-latex-extra"), ("pdftotext", "poppler-utils")):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed (Debian: apt-get install {package})")
    for package in PACKAGES:
        if not subprocess.run(["kpsewhich", f"{package}.sty"], capture_output=True).stdout:
            pytest.skip(
                f"TeX's package {package} is not installed (Debian: apt-get install texlive-latex-extra)"
            )
    (folder / "t.tex").write_text(latex_document(made), encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "t.tex"],
        cwd=folder,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=240,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout
    assert "Missing character" not in (folder / "t.log").read_text(errors="replace")
    text = subprocess.run(["pdftotext", "-layout", "t.pdf", "-"], cwd=folder, capture_output=True, text=True)
    return text.stdout


def test_the_tables_of_a_comparison(tmp_path: Path) -> None:
    made = [
        each for name in ("zs3", "open-vocab", "efficiency", "parity") for each in tables(name, comparison())
    ]
    text = compiled(made, tmp_path)
    assert re.search(r"san/vit-b16\S*\s+157\.8\s+81\.3 ± 0\.8", text)
    assert re.search(r"DeOP.* 88\.2 ?†? .* 74\.6", text)
    assert re.search(
        r"never ranked with the rows of .{0,3}protocol paper: fp32, batch 1, 2 threads.{0,3}: threads: 8 / 2",
        " ".join(text.split()),
    )


def test_names_of_any_sort_and_sixty_methods(tmp_path: Path) -> None:
    odd = on(trained("a/x", 0.9), "odd", classes=[f"{NASTY[i % len(NASTY)]} {i}" for i in range(20)])
    many = [trained(f"m{i}_%&/x", 0.3 + i / 100, i, images=4) for i in range(60)]
    text = compiled([*tables("classes", [odd]), tables("zs3", many)[0]], tmp_path)
    shown = " ".join(text.split())
    assert "[grinning face]" in shown
    assert r"\input{/etc/passwd}" in shown
    assert "</script><script>alert(1)</script>" in shown
    assert all(f"m{i}_%&/x" in shown for i in range(60))
