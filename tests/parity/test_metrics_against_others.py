"""Our numbers against mmsegmentation's, torchmetrics' and the published formulas, on maps with every oddity."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from label_maps import pair_with_gaps, voc_size_pair
from numpy.typing import NDArray

from benchbed.metrics import Accuracy, Counts, accuracy, count_image

metrics = pytest.importorskip("mmseg.evaluation.metrics")
classification = pytest.importorskip("torchmetrics.classification")

SETS = {
    "gaps": (12, [pair_with_gaps(seed) for seed in range(4)]),
    "other gaps": (30, [pair_with_gaps(seed, 30, 90, 77) for seed in range(10, 13)]),
    "voc size": (20, [voc_size_pair(0)]),
    "one image": (5, [pair_with_gaps(77, 5, 20, 30)]),
    "absent classes": (40, [pair_with_gaps(seed) for seed in range(20, 23)]),
}
Pairs = list[tuple[NDArray[np.uint8], NDArray[np.uint8]]]


@pytest.fixture(params=list(SETS))
def maps(request: pytest.FixtureRequest) -> tuple[int, Pairs]:
    return SETS[request.param]


def ours(num_classes: int, pairs: Pairs) -> Counts:
    return Counts.from_images(
        count_image(*pair, num_classes, image_id=str(i)) for i, pair in enumerate(pairs)
    )


def scored(num_classes: int, pairs: Pairs, rule: str) -> Accuracy:
    return accuracy(ours(num_classes, pairs), np.arange(num_classes) < num_classes * 3 // 4, rule)


def confusion(num_classes: int, pairs: Pairs) -> NDArray[np.int64]:
    """Ground truth by prediction, `[K, K]`: the ten lines that everything else is held against."""
    matrix = np.zeros((num_classes, num_classes), np.int64)
    for prediction, truth in pairs:
        kept = truth != 255
        np.add.at(matrix, (truth[kept], prediction[kept]), 1)
    return matrix


def test_the_maps_hold_every_oddity() -> None:
    matrix = confusion(*SETS["gaps"])
    assert matrix[0].sum() == matrix[:, 0].sum() == 0, "class 0 is nowhere"
    assert matrix[1].sum() == 0 < matrix[:, 1].sum(), "class 1 is only predicted"
    assert matrix[2].sum() > 0 == matrix[:, 2].sum(), "class 2 is only in the ground truth"
    assert any((truth == 255).any() for _, truth in SETS["gaps"][1])


def test_counts_are_the_plain_confusion_matrix(maps: tuple[int, Pairs]) -> None:
    matrix, total = confusion(*maps), ours(*maps).total()
    assert total.intersection.tolist() == matrix.diagonal().tolist()
    assert total.predicted.tolist() == matrix.sum(0).tolist()
    assert total.labelled.tolist() == matrix.sum(1).tolist()


def test_counts_are_torchmetrics_confusion_matrix(maps: tuple[int, Pairs]) -> None:
    num_classes, pairs = maps
    metric = classification.MulticlassConfusionMatrix(num_classes, ignore_index=255, validate_args=False)
    for prediction, truth in pairs:
        metric.update(torch.from_numpy(prediction).long(), torch.from_numpy(truth).long())
    matrix, total = metric.compute().numpy(), ours(*maps).total()
    assert total.intersection.tolist() == matrix.diagonal().tolist()
    assert total.predicted.tolist() == matrix.sum(0).tolist()
    assert total.labelled.tolist() == matrix.sum(1).tolist()


def test_union_is_torchmetrics_macro_jaccard(maps: tuple[int, Pairs]) -> None:
    num_classes, pairs = maps
    metric = classification.MulticlassJaccardIndex(num_classes, ignore_index=255, validate_args=False)
    for prediction, truth in pairs:
        metric.update(torch.from_numpy(prediction).long(), torch.from_numpy(truth).long())
    assert scored(*maps, "union").miou == pytest.approx(float(metric.compute()), abs=1e-6)


def test_union_is_mmsegmentation_to_its_rounding(maps: tuple[int, Pairs]) -> None:
    num_classes, pairs = maps
    metric = metrics.IoUMetric()
    metric.dataset_meta = {"classes": tuple(map(str, range(num_classes)))}
    for prediction, truth in pairs:
        sample = {
            "pred_sem_seg": {"data": torch.from_numpy(prediction)[None].long()},
            "gt_sem_seg": {"data": torch.from_numpy(truth)[None].long()},
        }
        metric.process({}, [sample])
    theirs, got = metric.compute_metrics(metric.results), scored(*maps, "union")
    # mmseg rounds percent to two decimals; its float32 adds about 1e-5 of a percent.
    for name, value in (("mIoU", got.miou), ("mAcc", got.mean_accuracy), ("aAcc", got.pixel_accuracy)):
        assert 100 * value == pytest.approx(float(theirs[name]), abs=0.005 + 1e-4), name


@pytest.mark.filterwarnings("ignore:invalid value encountered")
class TestPublishedFormulas:
    """The evaluators' own arithmetic, written again from their sources, on the plain confusion matrix."""

    def test_ground_truth_only_is_detectron2_since_f3c1bc19(self, maps: tuple[int, Pairs]) -> None:
        matrix = confusion(*maps).T.astype(float)
        tp, pos_gt, pos_pred = matrix.diagonal(), matrix.sum(0), matrix.sum(1)
        acc_valid = pos_gt > 0
        union = pos_gt + pos_pred - tp
        iou_valid = np.logical_and(acc_valid, union > 0)
        iou = tp[iou_valid] / union[iou_valid]
        got = scored(*maps, "ground-truth-only")
        assert got.miou == pytest.approx(iou.sum() / iou_valid.sum(), abs=1e-14)
        assert got.mean_accuracy == pytest.approx((tp[acc_valid] / pos_gt[acc_valid]).mean(), abs=1e-14)
        weights = pos_gt / pos_gt.sum()
        assert got.frequency_weighted_iou == pytest.approx((iou * weights[iou_valid]).sum(), abs=1e-14)
        assert got.pixel_accuracy == tp.sum() / pos_gt.sum()

    def test_union_is_detectron2_v06(self, maps: tuple[int, Pairs]) -> None:
        matrix = confusion(*maps).T.astype(float)
        tp, pos_gt, pos_pred = matrix.diagonal(), matrix.sum(0), matrix.sum(1)
        acc_valid, iou_valid = pos_gt > 0, (pos_gt + pos_pred) > 0
        iou = tp[acc_valid] / (pos_gt + pos_pred - tp)[acc_valid]
        assert scored(*maps, "union").miou == pytest.approx(iou.sum() / iou_valid.sum(), abs=1e-14)

    def test_all_classes_is_zs3(self, maps: tuple[int, Pairs]) -> None:
        matrix = confusion(*maps)
        seen = np.arange(len(matrix)) < len(matrix) * 3 // 4
        iou = np.nan_to_num(matrix.diagonal() / (matrix.sum(1) + matrix.sum(0) - matrix.diagonal()))
        got = scored(*maps, "all-classes")
        assert got.miou == pytest.approx(np.nanmean(iou), abs=1e-14)
        assert got.seen_miou == pytest.approx(np.nanmean(iou[seen]), abs=1e-14)
        assert got.unseen_miou == pytest.approx(np.nanmean(iou[~seen]), abs=1e-14)
        assert got.mean_accuracy == pytest.approx(
            np.nanmean(np.nan_to_num(matrix.diagonal() / matrix.sum(1))), abs=1e-14
        )

    def test_all_classes_is_pytorch_encoding_as_lseg_uses_it(self, maps: tuple[int, Pairs]) -> None:
        matrix = confusion(*maps)
        inter, union = matrix.diagonal(), matrix.sum(1) + matrix.sum(0) - matrix.diagonal()
        assert scored(*maps, "all-classes").miou == pytest.approx(
            (inter / (np.spacing(1) + union)).mean(), abs=1e-14
        )


def test_the_rules_differ_where_classes_are_missing() -> None:
    numbers = [scored(*SETS["gaps"], rule).miou for rule in ("ground-truth-only", "union", "all-classes")]
    assert numbers[0] > numbers[1] + 0.03 > numbers[2] + 0.06
