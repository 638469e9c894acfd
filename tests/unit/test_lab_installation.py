from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lab import installation

if TYPE_CHECKING:
    from pathlib import Path

ENGINE = installation.Need("docker.io", ("no-such-program",), oldest=23)


@pytest.mark.parametrize(
    ("listing", "wanted"),
    [
        ("", True),
        ("docker.io installed 26.1.5+dfsg1-9", False),
        ("docker.io installed 5:27.0.1-1", False),
        ("docker.io installed 20.10.24+dfsg1-1", True),  # no containerd store
        ("docker.io unpacked 26.1.5+dfsg1-9", True),  # a killed installation
        ("docker.io config-files 26.1.5+dfsg1-9", True),  # removed
    ],
)
def test_a_package_is_missing_unless_it_is_whole_and_new_enough(
    monkeypatch: pytest.MonkeyPatch, listing: str, wanted: bool
) -> None:
    monkeypatch.setattr(installation, "run", lambda *_args, **_options: f"{listing}\nbash installed 5.2\n")
    assert (installation.missing([ENGINE]) == (ENGINE,)) is wanted


def test_what_another_vendor_installed_is_not_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(installation, "run", lambda *_args, **_options: "bash installed 5.2\n")
    (tmp_path / "plugin").touch()
    assert installation.missing([installation.Need("docker-buildx", ("no-such", str(tmp_path / "plugin")))]) == ()


def test_a_policy_of_the_machine_stays_and_the_labs_own_goes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    monkeypatch.setattr(installation, "POLICY_FILE", policy)
    installation.forbid_services()
    assert "exit 101" in policy.read_text()
    assert policy.stat().st_mode & 0o111
    installation.allow_services()
    assert not policy.exists()
    policy.write_text("#!/bin/sh\nexit 0\n")
    installation.forbid_services()
    installation.allow_services()
    assert policy.read_text() == "#!/bin/sh\nexit 0\n"


def test_nothing_of_the_newer_release_comes_without_being_named() -> None:
    """Its updates and its security archive have codenames of their own, which the pin must match, too."""
    assert "Pin: release n=trixie*\nPin-Priority: 50" in installation._PIN
