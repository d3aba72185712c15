"""`benchbed claims` as a user types it: shipped claims from nothing, a file of one's own measured and decided."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from command import Answer, here, started, talkative_command
from example_cost import example_cost

from benchbed.cost_records import write_cost_record

MINE = """
format = 1
[paper]
method = "mine"
title = "A Paper"
venue = "CVPR"
year = 2027
[[claims]]
name = "mine-speed"
sentence = "faster than anything before"
source = "abstract"
metric = "latency"
unit = "x"
interval = [1000.0, inf]
pairs = [{ subject = "deop/tiny", against = "zegformer/tiny" }]
[claims.conditions]
protocol = "matched"
size = [96, 128]
classes = 7
proposals = 30
batch = 1
[claims.sweep]
axis = "proposals"
values = [1, 8, 15, 30]
[[claims]]
name = "mine-sets"
sentence = "label sets in any order"
source = "abstract"
metric = "label_sets"
unit = "%"
interval = [99.0, 100.0]
pairs = [{ subject = "maskclip/tiny" }]
"""


def claims(capsys: pytest.CaptureFixture[str], out: Path, *arguments: object) -> Answer:
    return here(capsys, "claims", *arguments, "--out", out)


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(MINE)
    return path


def test_a_file_of_one_s_own_is_measured_decided_and_not_measured_again(
    tmp_path: Path, mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    planned = claims(capsys, out, mine, "--dry-run")
    assert (
        "would measure mine-speed: latency of deop/tiny, zegformer/tiny interleaved at 96x128" in planned.err
    )
    assert not out.exists()
    shown = claims(capsys, out, mine, "--minutes", "0.1", "--device", "cpu")
    assert shown.code == 0, shown.err
    # Nobody is a thousand times as fast, on whatever machine.
    words = " ".join(shown.out.split())  # tables fold long sentences
    assert "mine-speed: refuted" in words
    assert "below the claimed more than 1000 x" in words
    assert "1000x is reached at no number of proposals up to 300" in words
    assert "where the time goes, ms an image" in shown.out
    assert "mine-sets: supported" in shown.out
    assert len(list((out / "costs").glob("*.json"))) == 1
    assert len(list((out / "trials").glob("*.json"))) == 1
    again = claims(capsys, out, mine, "--json")
    speed, sets = json.loads(again.out)["claims"]
    assert (speed["verdict"], sets["verdict"]) == ("refuted", "supported")
    assert set(speed["pairs"][0]["measured"]["stages_ms"]) == {"deop/tiny", "zegformer/tiny"}
    assert len(list((out / "costs").glob("*.json"))) == 1


def test_all_claims_without_measuring(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = claims(capsys, tmp_path / "none")
    assert shown.code == 0
    for name in ("deop-speed", "san-params", "lseg-label-sets", "bridge-text-head", "zegformer-voc"):
        assert name in shown.out
    assert "name a claim to measure" in shown.err


def test_the_published_contradiction_shows_without_any_measurement(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = claims(capsys, tmp_path / "none", "deop-speed", "--no-measure")
    words = " ".join(shown.out.split())
    assert "the paper's own table contradicts its sentence" in words
    assert "DeOP 4.37, SimSeg 1.11: 3.94 x, below the claimed 4 to 7 x" in words


def test_records_of_another_folder_decide(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    laws = {
        "deop/r101c-vit-b16": (500.0, 0.0),
        "zegformer/r101": (500.0, 20.0),
        "simseg/r101c": (600.0, 21.0),
    }
    path = write_cost_record(tmp_path, example_cost(laws))
    answer = claims(capsys, tmp_path / "none", "deop-speed", "--from", tmp_path, "--no-measure", "--json")
    (verdict,) = json.loads(answer.out)["claims"]
    assert verdict["verdict"] == "supported"
    assert verdict["hardware"] == "A Processor, 2 threads"
    assert len(verdict["conditions"]) == 6
    path.write_text(path.read_text().replace('"batch": 1', '"batch": 2'))
    edited = claims(capsys, tmp_path / "none", "deop-speed", "--from", tmp_path, "--no-measure")
    assert edited.code == 4
    assert "was edited after it was written" in edited.err
    assert "deop-speed: undecided" in edited.out


def test_mistakes_are_one_line_and_code_2(
    tmp_path: Path, mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, words in (
        (["deop-sped"], "did you mean deop-speed"),
        (["--from", tmp_path / "none"], "no such folder"),
        (["deop-speed", "--minutes", "0"], "--minutes 0"),
        (["deop-speed", "--device", "tpu"], "tpu"),
    ):
        answer = claims(capsys, tmp_path / "out", *arguments)
        assert answer.code == 2
        assert words in answer.err
        assert len(answer.err.strip().splitlines()) == 1
    mine.write_text(MINE.replace('unit = "x"', 'unit = "seconds"'))
    answer = claims(capsys, tmp_path / "out", mine)
    assert answer.code == 2
    assert "unit 'seconds'" in answer.err


def test_ctrl_c_while_it_measures_is_exit_code_130_and_leaves_nothing_half(
    tmp_path: Path, mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Killed by the kernel, with the same writer of the same records: test_cost.py."""
    out = tmp_path / "out"
    # Large enough that the eight rounds that make a measurement are not over soon after the first.
    mine.write_text(MINE.replace("size = [96, 128]", "size = [192, 256]"))
    with started(
        talkative_command("claims", mine, "--minutes", "60", "--device", "cpu", "--out", out)
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "interleaved:" in line:  # rounds are being timed
                break
        process.send_signal(signal.SIGINT)
        try:
            _, rest = process.communicate(timeout=60)
        finally:
            process.kill()  # or a test that fails would leave it measuring for an hour
    assert process.returncode == 130, rest
    assert "Traceback" not in rest
    assert not list(out.rglob("*.json"))
    assert claims(capsys, out, mine, "--no-measure").code == 0


def test_judging_needs_no_torch(tmp_path: Path) -> None:
    arguments = ["claims", "deop-speed", "--no-measure", "--out", str(tmp_path)]
    code = f"import sys; from benchbed.cli import run_cli; run_cli({arguments!r}); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0
