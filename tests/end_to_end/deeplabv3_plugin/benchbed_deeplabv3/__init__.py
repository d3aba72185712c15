"""A third party's method: what an entry point of the group `benchbed.methods` must name. Imports no torch."""

from __future__ import annotations

from benchbed import Method, MethodCard, Variant
from benchbed.input_spec import InputSpec

METHOD = Method(
    card=MethodCard(
        name="deeplabv3",
        title="Rethinking Atrous Convolution for Semantic Image Segmentation",
        venue="arXiv",
        year=2017,
        arxiv="1706.05587",
        family="pixel",
        code_licence="Apache-2.0",
        weights_licence="Apache-2.0 (google-coral/test_data)",
        verified=(
            "argmax agrees with the original TFLite network on 97.7 % of pixels (the converter's own check)",
        ),
        traps=(
            "images are stretched to 513 x 513",
            "the background logit is dropped: VOC ignores background here",
        ),
        only_datasets=("voc",),
        supervised=True,
    ),
    variants=(
        Variant(
            name="mnv2",
            summary="MobileNetV2, output stride 16, trained with masks of all VOC classes",
            build="benchbed_deeplabv3.model:build",
            inputs={"*": InputSpec(513, 2048, (128.0,) * 3, (128.0,) * 3, pad_multiple=1)},
            packaged="benchbed_deeplabv3:model_fp16.safetensors",
        ),
    ),
)
