"""The conformance suite on every shipped method."""

from __future__ import annotations

from benchbed.conformance import MethodConformance


class TestSan(MethodConformance):
    method = "san/tiny"


class TestDeop(MethodConformance):
    method = "deop/tiny"


class TestSimseg(MethodConformance):
    method = "simseg/tiny"


class TestZegformer(MethodConformance):
    method = "zegformer/tiny"


class TestLseg(MethodConformance):
    method = "lseg/tiny"


class TestSpnet(MethodConformance):
    method = "spnet/tiny"


class TestBridge(MethodConformance):
    method = "bridge/tiny"


class TestPlainHead(MethodConformance):
    method = "bridge/tiny-plain"


class TestMaskclip(MethodConformance):
    method = "maskclip/tiny"

    @property
    def class_counts(self) -> tuple[int, ...]:
        """Every class is 85 sentences to it: as many sentences as a thousand classes are to the others, and more."""
        return (1, 2, 200)
