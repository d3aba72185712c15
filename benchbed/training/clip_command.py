"""A CLIP of `shapes` from the flags to the file that ships."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchbed import __version__
from benchbed.clip_weights import write_clip
from benchbed.cost.checkout import find_checkout
from benchbed.datasets.shapes import DEFAULT_SEED, GENERATOR_VERSION
from benchbed.device import resolve_device
from benchbed.errors import StoreError, UsageError
from benchbed.progress import Reporter
from benchbed.record_store import write_whole
from benchbed.source_digest import source_digest
from benchbed.training.checkpoint import KIND, SCHEMA, cannot_write
from benchbed.training.clip_flags import ClipFlags
from benchbed.training.clip_pool import draw_pool
from benchbed.training.clip_recipe import RECIPES, ClipRecipe
from benchbed.training.clip_trainer import ClipTask, ClipTrainer
from benchbed.training.folder import FINAL, begin, finished, owned
from benchbed.training.processes import from_environment
from benchbed.training.recipe import Schedule
from benchbed.training.stopping import stop_requests


def train_clip(flags: ClipFlags, recipe: ClipRecipe | None = None, reporter: Reporter | None = None) -> Path:
    """Train, measure and write `final.safetensors` in the form that ships; returns its path.

    Args:
        flags: of the command line.
        recipe: in place of the named one.
        reporter: stderr if None.

    Raises:
        UsageError: an unknown name, a number out of range, or a folder with another training in it.
        TrainingInterrupted: stopped; the state is kept.
        BenchError: the loss is no number, or files cannot be read or written.
    """
    reporter = reporter or Reporter()
    recipe = _checked(flags, recipe)
    folder = flags.out or Path("benchbed-training") / f"clip-{flags.clip}"
    facts = _facts(flags, recipe)
    with owned(folder):
        for note in begin(folder, facts, flags.resume):
            reporter.note(note)
        if finished(folder):
            reporter.note(f"{folder / FINAL}: trained already; nothing left to do")
            return folder / FINAL
        _train(flags, recipe, folder, facts, reporter)
    return folder / FINAL


def _train(
    flags: ClipFlags, recipe: ClipRecipe, folder: Path, facts: dict[str, Any], reporter: Reporter
) -> None:
    pool = draw_pool(recipe, reporter)
    task = ClipTask(
        recipe=recipe,
        folder=folder,
        seed=flags.seed,
        device=resolve_device(flags.device),
        val_every=flags.val_every or 250,
        save_every=flags.save_every or 250,
        facts=facts,
    )
    trainer = ClipTrainer(task, pool, reporter)
    with stop_requests() as request:
        trainer.train(request)
    # What ships is in half precision: what it scores is what is measured.
    found = _as_it_ships(trainer)
    content = {**facts, "zero_shot": found}
    sha = _write(folder / FINAL, trainer, content)
    reporter.note(
        f"{folder / FINAL}: zero-shot top-1 {found['top1']:.1f} %, of the 5 unseen classes {found['unseen']:.1f} %, on "
        f"{found['crops']:,} val crops; SHA-256 {sha[:12]}..."
    )


def _as_it_ships(trainer: ClipTrainer) -> dict[str, Any]:
    with torch.no_grad():
        for parameter in trainer.clip.parameters():
            if parameter.ndim > 1:
                parameter.copy_(parameter.half())
    return trainer.measure().as_dict()


def _write(path: Path, trainer: ClipTrainer, facts: dict[str, Any]) -> str:
    words = [int(each) for each in trainer.clip.words]
    header = {
        name: facts[name] for name in ("recipe", "seed", "command", "dataset", "zero_shot", "bench", "torch")
    }
    try:
        sha = write_clip(path, trainer.clip.whole_state(), words, header)
        content = {"kind": KIND, "schema": SCHEMA, **facts, "file": path.name, "sha256": sha}
        write_whole(
            path.with_suffix(".json"), (json.dumps(content, indent=1, allow_nan=False) + "\n").encode()
        )
    except OSError as error:
        raise StoreError(cannot_write(path, error)) from error
    return sha


def _checked(flags: ClipFlags, recipe: ClipRecipe | None) -> ClipRecipe:
    if recipe is None and flags.clip not in RECIPES:
        raise UsageError(f"--clip {flags.clip}: there is no recipe for it; expected {', '.join(RECIPES)}")
    least = {"iterations": 1, "val_every": 1, "save_every": 1, "seed": 0}
    for name, bound in least.items():
        value = getattr(flags, name)
        if value is not None and value < bound:
            raise UsageError(f"--{name.replace('_', '-')} {value}: expected {bound} or more")
    if from_environment().world > 1:
        raise UsageError("--clip trains in one process; start it without torchrun")
    recipe = recipe or RECIPES[flags.clip]
    return recipe if flags.iterations is None else _shortened(recipe, flags.iterations)


def _shortened(recipe: ClipRecipe, steps: int) -> ClipRecipe:
    """Each stage with at most so many steps, its warm-up in proportion."""
    regions = recipe.regions
    if regions is not None and steps < regions.steps:
        regions = replace(regions, steps=steps, schedule=_warmed(regions.schedule, steps, regions.steps))
    scenes = recipe.scenes
    if scenes is not None and steps < scenes.steps:
        scenes = replace(scenes, steps=steps, schedule=_warmed(scenes.schedule, steps, scenes.steps))
    recipe = replace(recipe, regions=regions, scenes=scenes)
    if steps >= recipe.steps:
        return recipe
    return replace(recipe, steps=steps, schedule=_warmed(recipe.schedule, steps, recipe.steps))


def _warmed(schedule: Schedule, steps: int, of: int) -> Schedule:
    return replace(schedule, warmup=schedule.warmup * steps // of)


def _facts(flags: ClipFlags, recipe: ClipRecipe) -> dict[str, Any]:
    checkout = find_checkout()
    dataset = {"name": "shapes", "split": "train", "seed": DEFAULT_SEED, "generator": GENERATOR_VERSION}
    # Tuples become lists, as JSON gives them back.
    plain: dict[str, Any] = json.loads(json.dumps(recipe.as_dict()))
    device = resolve_device(flags.device).type
    return {
        "command": flags.command(),
        "clip": flags.clip,
        "recipe": plain,
        "dataset": dataset,
        "seed": flags.seed,
        "identity": {
            "--clip": flags.clip,
            "the recipe": plain,
            "the dataset": dataset,
            "--seed": flags.seed,
            "--device": device,
        },
        "bench": {
            "version": __version__,
            "commit": checkout.commit if checkout else "",
            "dirty": checkout.dirty if checkout else None,
            "source": source_digest("benchbed"),
        },
        "torch": str(torch.__version__),
        "threads": torch.get_num_threads(),
        "device": device,
    }
