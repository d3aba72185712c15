"""What DeOP says of itself: paper, claims, quirks, variants. Free of torch."""

from __future__ import annotations

from benchbed.input_spec import IMAGENET_MEAN, IMAGENET_STD, InputSpec
from benchbed.method_card import Method, MethodCard, OfficialFlops, Variant, Weights

# One normalised image for both networks, CLIP included (quirk 1). Sizes: scripts/deop_verifycoco.sh and the VOC, ADE and
# Pascal Context configurations.
COCO_INPUT = InputSpec(512, 2560, IMAGENET_MEAN, IMAGENET_STD, pad_multiple=32)
INPUT = InputSpec(512, 2048, IMAGENET_MEAN, IMAGENET_STD, pad_multiple=32)

_COCO_WEIGHTS = Weights(
    file="deop-coco-stuff-156.pth",
    source='CongHan0808/DeOP, README, "model weight" (Google Drive; model_final.pth in its scripts), saved under this name',
    trained_on="COCO-Stuff train2017, masks of 156 seen classes; OpenAI's CLIP ViT-B/16 is inside the file",
    not_for={
        "voc": "VOC's unseen classes (potted plant, sheep, sofa, train, tv) were seen with masks in COCO-Stuff-156"
    },
)

_MEASURED = (
    "measured on the official code with random weights (torch's counter, 2 a multiply-add), text left out"
)
_LEFT_OUT = (
    "not computed, because nothing reads it: masks of five earlier decoder layers and class embeddings of all six (6.9 GFLOPs at "
    "512 x 683), queries and keys of CLIP's last block and their product, which patch severance throws away (6.4), and its sum "
    "over 100 proposals (0.2); tests/unit/test_deop_counts.py has each term"
)

METHOD = Method(
    card=MethodCard(
        name="deop",
        title="Open-Vocabulary Semantic Segmentation with Decoupled One-Pass Network",
        venue="ICCV",
        year=2023,
        arxiv="2304.01198",
        family="single-pass",
        code_licence="none given (all rights reserved)",
        weights_licence="none given",
        claims=(
            "4 to 7 times faster than two-stream methods at inference (abstract)",
            "4.37 against 1.11 FPS on COCO-Stuff and 6.55 against 2.66 on VOC, DeOP against SimBaseline (Table 1)",
            "COCO-Stuff: hIoU 38.2, seen 38.0, unseen 38.4; VOC: 80.8, 88.2, 74.6 (Table 1)",
            "cross-dataset mIoU: VOC-20 91.7, PC-59 48.8, A-150 22.9, PC-459 9.4, A-847 7.1 (Table 2)",
        ),
        verified=(
            "clean room: written from a description, never from the authors' code, which has no licence",
            "each intermediate and the final scores agree with outputs of the official code on small seeded weights, within "
            "1e-4 relative (tests/parity/test_deop_golden.py)",
            "parameters and FLOPs agree with the official model's, part by part (tests/unit/test_deop_counts.py)",
            "official weights were not at hand: the published accuracy was not reproduced",
        ),
        traps=(
            "CLIP sees ImageNet-normalised images, not CLIP-normalised ones, because both networks share one tensor",
            "patch severance has no attention at all: a patch's value times the number of proposals that cover it",
            "masks reach the patch grid twice in different order: resized as logits for CLIP, as probabilities for the anchors",
            "class probabilities, not masks, are resized to the image's own size",
            "the official evaluation runs the text tower again for every image: half of its FLOPs at 171 classes",
            "Table 1 itself gives 3.9 times (COCO-Stuff) and 2.5 times (VOC) over SimBaseline; 7 times is not in it",
            "SimBaseline's VOC figure in Table 1 could not be reproduced by DeOP's own author (zsseg.baseline issue 20)",
            "only COCO-Stuff weights were released; configurations of the cross-dataset results were not",
            "in a batch of unequal sizes the padding takes part in all attention; the official evaluation takes one image a time",
        ),
        class_names=("zsseg",),
        published_as=("DeOP",),
        text_per_image=True,
    ),
    variants=(
        Variant(
            name="r101c-vit-b16",
            summary="MaskFormer R101c, 100 proposals, CLIP ViT-B/16, learned prompt, short side 512",
            build="methods.deop.model:build",
            inputs={"coco-stuff": COCO_INPUT, "*": INPUT},
            config={"size": "r101c-vit-b16"},
            weights=_COCO_WEIGHTS,
            backbone="ResNet-101c with MaskFormer",
            clip="ViT-B/16, frozen but for learned positions",
            params=(218_401_728, 7_713_792),
            proposals=100,
            official_flops=(
                OfficialFlops((512, 683), 171, 528.4, 515.1, _MEASURED, proposals=100, why=_LEFT_OUT),
                OfficialFlops((512, 512), 171, 371.5, 362.1, _MEASURED, proposals=100, why=_LEFT_OUT),
            ),
        ),
        Variant(
            name="tiny",
            summary="a ResNet of five bottlenecks, 12 proposals, and the small CLIP of the embedded dataset",
            build="methods.deop.model:build",
            inputs={"*": InputSpec(160, 320, IMAGENET_MEAN, IMAGENET_STD, pad_multiple=32)},
            config={"size": "tiny", "short_side": 160, "longest_side": 320},
            packaged="methods.deop:weights/tiny.safetensors",
            embedded=True,
            backbone="ResNet of five blocks with MaskFormer",
            clip="the embedded dataset's, frozen but for learned positions",
            params=(5_503_856, 179_392),
            proposals=12,
        ),
    ),
    load="methods.deop.checkpoint:load",
    recipe="methods.deop.recipe:recipe",
)
