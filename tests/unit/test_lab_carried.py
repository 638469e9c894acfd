from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lab import carried

if TYPE_CHECKING:
    from pathlib import Path


def test_pips_index_is_carried_and_its_certificates_become_the_images_own(tmp_path: Path) -> None:
    conf = tmp_path / "pip.conf"
    conf.write_text("[global]\nindex-url = https://index.example/simple\ncert = /home/me/ca.pem\ntimeout = 9\n")
    assert carried.pip_settings([conf], {}) == (
        ("index-url", "https://index.example/simple"),
        ("cert", "/etc/ssl/certs/ca-certificates.crt"),
    )


def test_the_environment_wins_over_pips_files(tmp_path: Path) -> None:
    conf = tmp_path / "pip.conf"
    conf.write_text("[global]\nindex-url = https://file.example/simple\n")
    found = carried.pip_settings([conf], {"PIP_INDEX_URL": "https://env.example/simple"})
    assert found == (("index-url", "https://env.example/simple"),)


def test_a_machine_without_pip_settings_adds_none(tmp_path: Path) -> None:
    assert carried.pip_settings([tmp_path / "missing"], {}) == ()


def test_an_address_with_a_password_stays_on_the_machine() -> None:
    environment = {"PIP_INDEX_URL": "https://me:secret@index.example/simple", "PIP_TRUSTED_HOST": "index.example"}
    assert carried.pip_settings([], environment) == (("trusted-host", "index.example"),)


def test_an_index_whose_path_has_an_at_sign_is_carried() -> None:
    address = "https://index.example/team@work/simple"
    assert carried.pip_settings([], {"PIP_INDEX_URL": address}) == (("index-url", address),)


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ('Acquire::Check-Valid-Until "false";', True),
        ('Acquire::http::Proxy "http://proxy.example:3128/";', True),
        ('Acquire::http::Proxy "http://me:secret@proxy.example:3128/";', False),
        ('Acquire::https::CaInfo "/etc/ssl/own.pem";', False),
        ('DPkg::Post-Invoke:: "rm -f /var/cache/apt/archives/*.deb";', False),
    ],
)
def test_of_apts_settings_only_the_way_to_the_archive_is_carried(line: str, kept: bool) -> None:
    assert carried.apt_settings(f'APT "";\n{line}\n') == ((line,) if kept else ())
