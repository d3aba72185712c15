"""The image encoder of the zero-shot models: torchvision's ResNet-101, ImageNet's and not CLIP's, in four stages; a small one."""

from __future__ import annotations

from torch import Tensor, nn
from torchvision.models import resnet101  # type: ignore[import-untyped]

from methods.parts.resnet import STAGES, ResNet, ResNetSize


class ResNetEncoder(nn.Module):
    """Parameter names are those below `pretrained.` in official checkpoints: the stem is part of `layer1`."""

    def __init__(self) -> None:
        super().__init__()
        net = resnet101(weights=None)
        self.layer1 = nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool, net.layer1)
        self.layer2 = net.layer2
        self.layer3 = net.layer3
        self.layer4 = net.layer4

    def forward(self, images: Tensor) -> list[Tensor]:
        """[B, 3, H, W] to maps of 256, 512, 1024 and 2048 channels at strides 4, 8, 16 and 32."""
        levels: list[Tensor] = []
        features = images
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            features = stage(features)
            levels.append(features)
        return levels


class SmallEncoder(ResNet):
    """Ours, for `shapes`: five bottlenecks that give 64, 128, 256 and 512 channels at strides 4, 8, 16 and 32."""

    def __init__(self) -> None:
        super().__init__(ResNetSize((1, 1, 2, 1), "deeplab", 32, 16, 64, (1,), norm="BN"))

    def levels(self, images: Tensor) -> list[Tensor]:
        """As `ResNetEncoder` gives them."""
        features = self(images)
        return [features[name] for name in STAGES]
