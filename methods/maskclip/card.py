"""What MaskCLIP says of itself: paper, quirks, variants. Free of torch."""

from __future__ import annotations

from benchbed.input_spec import IMAGENET_MEAN, IMAGENET_STD, InputSpec
from benchbed.method_card import Method, MethodCard, Variant, Weights

INPUT = InputSpec(512, 2048, IMAGENET_MEAN, IMAGENET_STD, pad_multiple=16)

_CLIP_B16 = Weights(
    file="clip-vit-b16-openai.safetensors",
    source=(
        "OpenAI's CLIP ViT-B/16 as tensors: Hugging Face, timm/vit_base_patch16_clip_224.openai, "
        "file open_clip_model.safetensors, saved under this name"
    ),
    trained_on="400 million image-text pairs of OpenAI's (WIT); no masks at all",
)

METHOD = Method(
    card=MethodCard(
        name="maskclip",
        title="Extract Free Dense Labels from CLIP",
        venue="ECCV",
        year=2022,
        arxiv="2112.01071",
        family="pixel",
        code_licence="Apache-2.0",
        weights_licence="MIT (OpenAI CLIP)",
        verified=(
            "the value path, input rule, prompts and resize order were read in chongzhou96/MaskCLIP at 245d31f and are held "
            "to an independent reference in tests/parity; official weights were not at hand",
        ),
        traps=(
            "the official backbone runs GELU and LayerNorm eps 1e-6, although OpenAI's CLIP was trained with QuickGELU and "
            "1e-5; `activation='quick-gelu'` offers the corrected form",
            "images are normalised with ImageNet's mean and std, not CLIP's",
            "the position table is used unresized where the token count happens to fit, whatever the grid's shape",
            "logits of the padded grid are stretched to the unpadded image, so that up to 15 pixels of shift are official",
            "prompt denoising and key smoothing are off, as in the released configurations",
            "other papers' re-runs differ by up to 25 points on VOC (ClearCLIP reports 74.9, the authors 49.5): input size, "
            "names and prompts decide",
        ),
        class_names=("maskclip",),
        published_as=("MaskCLIP",),
    ),
    variants=(
        Variant(
            name="vit-b16",
            summary="CLIP ViT-B/16, 85 templates, short side 512",
            build="methods.maskclip.model:build",
            inputs={"*": INPUT},
            config={"clip": "vit-b16", "activation": "gelu", "norm_eps": 1e-6},
            weights=_CLIP_B16,
            backbone="CLIP's own image tower",
            clip="ViT-B/16, frozen",
            params=(149_620_736, 0),
        ),
        Variant(
            name="tiny",
            summary="the small CLIP of the embedded dataset",
            build="methods.maskclip.model:build",
            inputs={"*": InputSpec(128, 256, IMAGENET_MEAN, IMAGENET_STD, pad_multiple=8)},
            config={"clip": "tiny", "activation": "quick-gelu", "norm_eps": 1e-5},
            packaged="benchbed:data/clip-shapes.safetensors",
            embedded=True,
            backbone="CLIP's own image tower",
            clip="the embedded dataset's, frozen",
            params=(4_106_048, 0),
        ),
    ),
    load="methods.maskclip.checkpoint:load",
)
