"""mmsegmentation's own entry points run a method unchanged and give the bench's numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from voc_devkit import write_devkit

from benchbed import load_method
from benchbed.datasets.voc import DATASET, open_voc
from benchbed.images import ImageBatch
from benchbed.inference import Inference
from benchbed.metrics import Counts, accuracy, count_image
from benchbed.scores import MaskScores, Scores
from benchbed.segmenter import Segmenter, TextFeatures

METHODS = ["san/tiny", "deop/tiny", "maskclip/tiny"]


@pytest.fixture(scope="module", autouse=True)
def _registered() -> None:
    import benchbed.datasets.voc_mmseg  # noqa: F401  (registers the dataset)


@pytest.fixture(scope="module", params=METHODS)
def segmenter(request: pytest.FixtureRequest) -> Segmenter:
    torch.manual_seed(0)
    return sharpened(load_method(request.param).set_vocabulary(DATASET.vocabulary()))


def sharpened(segmenter: Segmenter) -> Segmenter:
    """With random weights a mask method paints every image with one class, which would hide mistakes: give each proposal
    a class of its own and its mask a contrast. What is under test, from scores to metrics, stays as it is."""
    plain = segmenter.segment

    def segment(images: ImageBatch, text: TextFeatures) -> Scores:
        scores = plain(images, text)
        if not isinstance(scores, MaskScores):
            return scores
        masks = scores.mask_logits
        masks = 4 * (masks - masks.mean((2, 3), keepdim=True)) / masks.std((2, 3), keepdim=True)
        own = F.one_hot(torch.arange(masks.shape[1]) % 20, 20).float().expand(len(masks), -1, -1)
        return replace(scores, mask_logits=masks, class_scores=own)

    segmenter.segment = segment  # type: ignore[method-assign]
    return segmenter


@pytest.fixture(scope="module")
def devkit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_devkit(tmp_path_factory.mktemp("voc"), count=4).root


def bench_counts(segmenter: Segmenter, root: Path) -> Counts:
    """The bench's own path over all images."""
    inference = Inference(segmenter, DATASET.vocabulary(), torch.device("cpu"))
    rows = []
    dataset = open_voc(root)
    for index in range(len(dataset)):
        sample = dataset.sample(index)
        labels = inference.labels(sample.image).numpy()
        rows.append(count_image(labels, sample.labels, 20, image_id=sample.id))
    return Counts.from_images(rows)


def test_runner_test_gives_the_benchs_own_miou(segmenter: Segmenter, devkit: Path, tmp_path: Path) -> None:
    from mmengine.runner import Runner

    loader: dict[str, Any] = {
        "batch_size": 1,
        "num_workers": 0,
        "sampler": {"type": "DefaultSampler", "shuffle": False},
        "dataset": {
            "type": "BenchbedVOC20",
            "data_root": str(devkit),
            "test_mode": True,
            "pipeline": [
                {"type": "LoadImageFromFile"},
                {"type": "mmseg.LoadAnnotations"},
                {"type": "PackSegInputs"},
            ],
        },
    }
    runner = Runner(
        model=segmenter,
        work_dir=str(tmp_path),
        test_dataloader=loader,
        test_cfg={"type": "TestLoop"},
        test_evaluator={"type": "IoUMetric", "iou_metrics": ["mIoU"]},
        default_scope="mmseg",
        log_level="WARNING",
        experiment_name=f"contract-{type(segmenter).__name__}",
    )
    theirs = runner.test()
    counts = bench_counts(segmenter, devkit)
    ours = accuracy(counts, DATASET.vocabulary().seen_mask, "union")
    assert (counts.total().predicted > 0).sum() >= 4  # several classes, or the numbers below would say little
    assert ours.miou > 0.005
    assert theirs["mIoU"] == pytest.approx(100 * ours.miou, abs=0.0051)
    assert theirs["aAcc"] == pytest.approx(100 * ours.pixel_accuracy, abs=0.0051)
    assert theirs["mAcc"] == pytest.approx(100 * ours.mean_accuracy, abs=0.0051)


def test_inference_model_gives_the_benchs_label_map(segmenter: Segmenter, tmp_path: Path) -> None:
    from mmseg.apis import inference_model

    image = np.random.default_rng(0).integers(0, 255, (70, 101, 3)).astype(np.uint8)
    path = tmp_path / "image.png"
    Image.fromarray(image).save(path)
    expected = Inference(segmenter, DATASET.vocabulary(), torch.device("cpu")).labels(image).long()
    from_file = inference_model(segmenter, str(path)).pred_sem_seg.data
    from_array = inference_model(segmenter, np.ascontiguousarray(image[..., ::-1])).pred_sem_seg.data
    assert from_file.shape == (1, 70, 101)
    assert torch.equal(from_file[0], expected)
    assert torch.equal(from_array[0], expected)


def test_tensor_mode_gives_full_size_scores_whose_argmax_is_the_prediction(segmenter: Segmenter) -> None:
    images = torch.randn(2, 3, 128, 160)
    with torch.inference_mode():
        scores = segmenter(images, mode="tensor")
        samples = segmenter(images, mode="predict")
    assert [tuple(each.shape) for each in scores] == [(20, 128, 160)] * 2
    for each, sample in zip(scores, samples, strict=True):
        agreement = (each.argmax(0) == sample.pred_sem_seg.data[0]).float().mean()
        assert agreement > 0.999  # the two differ only where float rounding decides between two classes


def test_a_config_builds_any_method_from_mmsegs_registry() -> None:
    from mmseg.registry import MODELS

    import benchbed.mmseg_models  # noqa: F401  (registers the builder)

    built = MODELS.build({"type": "BenchbedSegmenter", "method": "san/tiny", "classes": ["cat", "dog"]})
    assert isinstance(built, Segmenter)
    assert built.dataset_meta is not None
    assert built.dataset_meta["classes"] == ("cat", "dog")
