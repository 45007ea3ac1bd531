"""What a run changes on the machine it puts back."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import machine


@pytest.fixture
def control(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "tcp_congestion_control"
    path.write_text("bbr\n")
    monkeypatch.setattr(machine, "_CONGESTION", path)
    return path


def test_all_subjects_get_the_usual_control_and_the_machine_its_own_back(control: Path) -> None:
    with pytest.raises(KeyboardInterrupt), machine.congestion() as said:
        assert control.read_text() == "cubic"
        assert said == "cubic for this run (the machine's: bbr)"
        raise KeyboardInterrupt
    assert control.read_text() == "bbr"


def test_what_may_not_be_changed_is_named(control: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, text: str) -> int:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "write_text", refuse)
    with machine.congestion() as said:
        assert said == "bbr (cubic cannot be set: Operation not permitted)"


def test_without_linux_it_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_CONGESTION", tmp_path / "none")
    with machine.congestion() as said:
        assert said == "unknown"
