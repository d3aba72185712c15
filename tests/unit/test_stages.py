"""Stage marks: who hears what, in which order, and that a mark never outlives its listener."""

from __future__ import annotations

import pytest

from benchbed.stages import STAGES, listening, stage


class Notebook:
    """Writes down what it hears."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def enter(self, name: str) -> None:
        self.heard.append(f"+{name}")

    def leave(self, name: str) -> None:
        self.heard.append(f"-{name}")


def test_nested_stages_are_heard_in_order() -> None:
    notebook = Notebook()
    with listening(notebook), stage("clip_image"), stage("classify"):
        pass
    assert notebook.heard == ["+clip_image", "+classify", "-classify", "-clip_image"]


def test_a_stage_that_raises_is_still_left() -> None:
    notebook = Notebook()
    with listening(notebook), pytest.raises(RuntimeError), stage("backbone"):
        raise RuntimeError
    assert notebook.heard == ["+backbone", "-backbone"]


def test_nothing_is_heard_after_listening_ends() -> None:
    notebook = Notebook()
    with listening(notebook):
        pass
    with stage("backbone"):
        pass
    assert notebook.heard == []


def test_a_listener_that_comes_late_hears_no_half_stage() -> None:
    notebook = Notebook()
    with stage("backbone"), listening(notebook):
        pass
    assert notebook.heard == []


def test_an_unknown_stage_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=STAGES[0]), stage("magic"):
        pass
