"""What claims are judged by, as it lies in folders, and what would still have to be measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from example_claim import ONE, TWO, speed, trial
from example_cost import example_cost
from example_record import example_record

from benchbed.claims.evidence import Evidence, read_evidence
from benchbed.claims.plan import CostPlan, TrialPlan, plan
from benchbed.claims.reading import named_claims
from benchbed.claims.trials import write_trial
from benchbed.cost_records import write_cost_record
from benchbed.errors import UsageError
from benchbed.record_store import RecordStore


class TestEvidence:
    """Reading folders."""

    def test_everything_is_found_once(self, tmp_path: Path) -> None:
        record, cost, tried = example_record(), example_cost({"one/a": ONE}), trial(1.0)
        for folder in (tmp_path / "a", tmp_path / "b"):
            RecordStore(folder).write(record)
            write_cost_record(folder, cost)
            write_trial(folder, tried)
        found = read_evidence([tmp_path / "a", tmp_path / "b"])
        assert [len(each) for each in (found.records, found.costs, found.trials)] == [1, 1, 1]
        assert found.trials[0] == tried

    def test_edited_torn_and_newer_files_are_named(self, tmp_path: Path) -> None:
        record_path = RecordStore(tmp_path).write(example_record())
        cost_path = write_cost_record(tmp_path, example_cost({"one/a": ONE}))
        trial_path = write_trial(tmp_path, trial(1.0))
        record_path.write_text(record_path.read_text().replace('"images": 6', '"images": 7'))
        cost_path.write_text(cost_path.read_text()[:-50])
        trial_path.write_text(trial_path.read_text().replace('"orders": 2', '"orders": 9'))
        found = read_evidence([tmp_path])
        assert (found.records, found.costs, found.trials) == ((), (), ())
        assert len(found.skipped) == 3
        assert sum("was edited after it was written" in each for each in found.skipped) == 2
        trial_path.write_text('{"kind": "benchbed label-set trial", "schema": 7}')
        assert any("trial schema 7" in each for each in read_evidence([tmp_path]).skipped)

    def test_a_folder_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="no such folder"):
            read_evidence([tmp_path / "none"])


class TestPlan:
    """What gets measured."""

    def test_claims_with_the_same_conditions_share_a_run(self) -> None:
        claims = named_claims(["deop-speed", "san-speed", "san-params", "lseg-label-sets", "deop-coco-hiou"])
        steps = plan(claims, Evidence(), "cpu", 14)
        (cost,) = [step for step in steps if isinstance(step, CostPlan)]
        assert cost.claims == ("deop-speed", "san-speed")
        assert set(cost.labels) == {"deop/r101c-vit-b16", "zegformer/r101", "simseg/r101c", "san/vit-b16"}
        assert cost.seconds < 14 * 60
        trials = [step.label for step in steps if isinstance(step, TrialPlan)]
        assert trials == ["lseg/tiny", "lseg/vitl16"]

    def test_what_is_measured_is_not_measured_again(self) -> None:
        record = example_cost({"one/a": ONE, "two/a": TWO})
        evidence = Evidence(costs=(record,))
        assert plan([speed()], evidence, "cpu", 14) == []
        assert len(plan([speed()], evidence, "cuda", 14)) == 1
        on_cpu_alone = speed(conditions=replace(speed().conditions, hardware="cpu"))
        assert plan([on_cpu_alone], Evidence(), "cuda", 14) == []
