from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab import environment, files
from lab.console import LabError
from lab.paths import PROJECT


def fake_environment(folder: Path, stamp: str) -> None:
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").touch()
    (folder / environment.STAMP).write_text(stamp)


def test_an_environment_is_current_while_its_stamp_and_its_python_are_there(tmp_path: Path) -> None:
    assert not environment.is_current(tmp_path, "a")
    fake_environment(tmp_path, "a")
    assert environment.is_current(tmp_path, "a")
    assert not environment.is_current(tmp_path, "b")
    (tmp_path / "bin" / "python").unlink()
    assert not environment.is_current(tmp_path, "a")


def test_the_fingerprint_follows_the_projects_metadata(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("a")
    before = environment.fingerprint(tmp_path)
    assert environment.fingerprint(tmp_path) == before
    (tmp_path / "pyproject.toml").write_text("b")
    assert environment.fingerprint(tmp_path) != before


def test_a_command_finds_the_environments_programs_first(tmp_path: Path) -> None:
    given = {"PATH": "/usr/bin", "PYTHONHOME": "/x", "PYENV_ROOT": str(tmp_path)}
    inside = environment.inside(given, tmp_path)
    assert inside == {"PATH": f"{tmp_path}/bin:/usr/bin", "VIRTUAL_ENV": str(tmp_path), "PYENV_ROOT": str(tmp_path)}


def test_a_folder_of_somebody_else_without_pip_is_refused_and_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / ".venv"
    folder.mkdir()
    (folder / "precious").touch()
    monkeypatch.setattr(environment, "fingerprint", lambda: "a")
    with pytest.raises(LabError, match="which the lab did not make"):
        environment.make(folder)
    assert (folder / "precious").exists()


def test_bring_up_alone_is_done_where_the_environment_is_current(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_environment(tmp_path, environment.fingerprint())
    monkeypatch.setattr(environment, "FOLDER", tmp_path)
    done: list[str] = []
    environment.prepare(lambda: done.append("up"))
    assert done == ["up"]


def test_a_missing_program_is_an_error_before_anything_is_replaced() -> None:
    with pytest.raises(LabError, match="running no-such-program"):
        environment.become(["no-such-program"])


def test_the_command_line_runs_from_a_fresh_clone_without_any_package() -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(PROJECT)!r}); import lab.commands"],
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.stderr == b""
    assert done.returncode == 0


def test_a_half_written_file_never_has_the_real_name(tmp_path: Path) -> None:
    target = tmp_path / "new" / "file"
    files.write(target, "one")
    files.write(target, "two", mode=0o755)
    assert target.read_text() == "two"
    assert target.stat().st_mode & 0o777 == 0o755
    assert [path.name for path in target.parent.iterdir()] == ["file"]


@pytest.mark.parametrize("text", [None, "", "{", "[]"])
def test_a_record_that_is_missing_or_broken_is_empty(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "record").write_text(text)
    assert files.read_json(tmp_path / "record") == {}


def test_pythons_that_pyenv_has_installed_come_last_on_path_the_newest_first(tmp_path: Path) -> None:
    for version in ("3.10.13", "3.13.0", "3.9.18", "pypy3.10-7.3", "3.13t-dev"):
        (tmp_path / "pyenv" / "versions" / version / "bin").mkdir(parents=True)
    environ = environment.inside({"PATH": "/usr/bin", "PYENV_ROOT": str(tmp_path / "pyenv")}, tmp_path / "venv")
    versions = [Path(folder).parent.name for folder in environ["PATH"].split(os.pathsep)[2:]]
    assert environ["PATH"].startswith(f"{tmp_path}/venv/bin{os.pathsep}/usr/bin{os.pathsep}")
    assert versions == ["3.13.0", "3.10.13", "3.9.18"]
