"""What `--dry-run` shows: the stages of a training and what each trains. The segmenter is built, nothing is trained."""

from __future__ import annotations

from typing import Any

from benchbed.training.engine import build, enter
from benchbed.training.optimisers import tuned
from benchbed.training.plan import TrainPlan


def described(plan: TrainPlan) -> dict[str, Any]:
    """Plain values: one entry a stage, and what holds for all."""
    segmenter = build(plan)
    total = sum(parameter.numel() for parameter in segmenter.parameters())
    stages = []
    for number, stage in enumerate(plan.recipe.stages):
        enter(segmenter, stage, plan.request.seed, number)
        trained = tuned(segmenter, stage.optimiser)
        stages.append(
            {
                "stage": stage.name,
                "samples": stage.samples,
                "iterations": stage.iterations,
                "batch": stage.batch,
                "passes": stage.iterations * stage.batch / len(plan.dataset)
                if stage.samples == "scenes"
                else None,
                "optimiser": stage.optimiser.name,
                "rate": stage.optimiser.lr,
                "schedule": stage.schedule.kind,
                "trained": sum(each.parameter.numel() for each in trained),
                "parameters": total,
            }
        )
    return {
        "method": plan.chosen.label,
        "dataset": plan.dataset.card.name,
        "images": len(plan.dataset),
        "seen": list(plan.vocabulary.names),
        "starts_from": plan.initial.as_dict(),
        "source": plan.recipe.source,
        "differences": list(plan.recipe.differences),
        "device": str(plan.device),
        "out": str(plan.out),
        "stages": stages,
    }
