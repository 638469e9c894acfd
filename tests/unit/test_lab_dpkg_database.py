from __future__ import annotations

from lab import dpkg_database
from lab.debs import Control
from lab.dpkg_database import Installed

BASE = Control({"control": b"Package: base\nVersion: 1:2.0-1\nArchitecture: all\nDescription: short\n long\n"})
LIBRARY = Control(
    {
        "control": b"Package: lib1\nMulti-Arch: same\nArchitecture: armhf\nVersion: 3\n",
        "conffiles": b"/etc/lib1.conf\nremove-on-upgrade /etc/old.conf\n/etc/gone.conf\n",
        "triggers": b"# for others\nactivate-noawait ldconfig\n",
        "postinst": b"#!/bin/sh\n",
    }
)
WAITING = Control(
    {
        "control": b"Package: waits\nArchitecture: all\nVersion: 1\n",
        "triggers": b"interest ldconfig\ninterest-noawait /usr/share/shells.d # all of them\n",
    }
)


def test_an_entrys_second_line_says_that_it_is_installed() -> None:
    lines = dpkg_database.status_entry(BASE, {}).splitlines()
    assert lines[:2] == ["Package: base", "Status: install ok installed"]
    assert lines[-2:] == ["Description: short", " long"]


def test_configuration_files_come_with_their_sums() -> None:
    entry = dpkg_database.status_entry(LIBRARY, {"/etc/lib1.conf": "0123"})
    assert entry.endswith("Conffiles:\n /etc/lib1.conf 0123\n /etc/gone.conf newconffile\n")


def test_a_list_starts_with_the_root_and_has_no_empty_line() -> None:
    assert dpkg_database.file_list(["", "etc", "etc/a", "etc"]) == b"/.\n/etc\n/etc/a\n"


def test_a_package_for_many_architectures_has_its_own_in_the_files_names() -> None:
    assert set(dpkg_database.info_files(LIBRARY, [])) == {
        "var/lib/dpkg/info/lib1:armhf.conffiles",
        "var/lib/dpkg/info/lib1:armhf.list",
        "var/lib/dpkg/info/lib1:armhf.postinst",
        "var/lib/dpkg/info/lib1:armhf.triggers",
    }
    assert set(dpkg_database.info_files(BASE, [])) == {"var/lib/dpkg/info/base.list"}


def test_awaited_triggers_are_known_by_name_and_by_path() -> None:
    installed = Installed()
    for control in (WAITING, LIBRARY):
        installed.add(control, {})
    files = installed.files()
    assert files["var/lib/dpkg/triggers/ldconfig"] == b"waits\n"
    assert files["var/lib/dpkg/triggers/File"] == b"/usr/share/shells.d waits/noawait\n"


def test_an_upper_layers_database_has_the_packages_below() -> None:
    below, above = Installed(), Installed()
    below.add(WAITING, {})
    above.add(BASE, {})
    status = above.on_top_of(below).files()["var/lib/dpkg/status"].decode()
    assert [line for line in status.splitlines() if line.startswith("Package")] == ["Package: base", "Package: waits"]
    assert status.count("\n\n") == 1


def test_an_upper_layers_triggers_come_after_those_below() -> None:
    below, above = Installed(), Installed()
    below.add(WAITING, {})
    above.add(Control({"control": b"Package: more\n", "triggers": b"interest-noawait /opt\n"}), {})
    known = above.on_top_of(below).files()["var/lib/dpkg/triggers/File"]
    assert known == b"/usr/share/shells.d waits/noawait\n/opt more/noawait\n"
