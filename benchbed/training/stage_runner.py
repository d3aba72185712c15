"""mmengine's Runner with those habits switched off that would change weights, use CUDA unasked, or leave files about."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Sequence
from typing import Any, Final

from mmengine.hooks import Hook
from mmengine.logging import MMLogger
from mmengine.optim import OptimWrapper
from mmengine.runner import IterBasedTrainLoop, Runner
from mmengine.visualization import Visualizer
from torch import nn
from torch.utils.data import DataLoader

_LOGGER: Final = "benchbed-training"
_NUMBERS: Final = itertools.count()
# We log, save and count ourselves; mmengine's default hooks would write pickles and measure times.
_NO_DEFAULT_HOOKS: Final = dict.fromkeys(
    ("runtime_info", "timer", "sampler_seed", "logger", "param_scheduler", "checkpoint")
)


class StageRunner(Runner):  # type: ignore[misc]
    """One stage of a training.

    Args:
        model: on its device, wrapped for several processes already.
        loader: begins at the first batch that is still to be trained.
        optimiser: with its state.
        hooks: ours.
        done: iterations finished before.
        iterations: of the whole stage.
    """

    def __init__(
        self,
        model: nn.Module,
        loader: DataLoader[Any],
        optimiser: OptimWrapper,
        hooks: Sequence[Hook],
        done: int,
        iterations: int,
    ) -> None:
        self.done = done
        with tempfile.TemporaryDirectory(prefix="benchbed-runner-") as folder:
            super().__init__(
                model,
                work_dir=folder,
                train_dataloader=loader,
                train_cfg={"by_epoch": False, "max_iters": iterations, "fast_forward_on_resume": True},
                optim_wrapper=optimiser,
                default_hooks=dict(_NO_DEFAULT_HOOKS),
                custom_hooks=list(hooks),
                launcher="none",
                log_level="ERROR",
                default_scope="mmseg",
                randomness={"seed": 0},  # every iteration sets its own seeds
                experiment_name=f"benchbed-{next(_NUMBERS)}",
            )

    @property
    def loop(self) -> IterBasedTrainLoop:
        """mmengine's loop."""
        return self.train_loop

    def wrap_model(self, model_wrapper_cfg: Any, model: nn.Module) -> nn.Module:
        """The model as it is: mmengine's would move it to CUDA wherever there is one, whatever `--device` says."""
        return model

    def _init_model_weights(self) -> None:
        """Nothing: mmengine's would draw the weights anew, over what was loaded or trained."""

    def load_or_resume(self) -> None:
        """Go on after the iterations that are done; weights and optimiser were restored before."""
        self.train_loop._iter = self.done

    def build_logger(self, log_level: str = "ERROR", **keywords: Any) -> MMLogger:
        """One logger without a file."""
        if MMLogger.check_instance_created(_LOGGER):
            return MMLogger.get_instance(_LOGGER)
        return MMLogger.get_instance(_LOGGER, log_level=log_level)

    def build_visualizer(self, visualizer: Any = None) -> Visualizer:
        """One that draws nothing."""
        return Visualizer.get_instance(_LOGGER)

    def dump_config(self) -> None:
        """Nothing: the recipe is in our own JSON."""

    def _log_env(self, env_cfg: dict[str, Any]) -> None:
        """Nothing: what matters of the machine is in our own JSON."""
