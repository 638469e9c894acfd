"""Each rule about index, machine code, packages and command, on small images with one fault and without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.audit.common import AMD64, ARM64, MACHINES, S390X, places, program
from tests.unit.elf.build import DYN, Built, property_note
from tests.unit.files.common import directory, file, hard_link, symlink, whiteout

if TYPE_CHECKING:
    from tests.unit.audit.common import Images
    from tests.unit.files.common import Entry

LOADER = "/lib/ld-linux-aarch64.so.1"


def dynamic(
    name: str, *needed: str, interpreter: str = "", machine: int = 183, type: int = 2, mode: int = 0o755
) -> Entry:
    """Return a dynamic program or library."""
    return file(name, bytes(Built(machine, interpreter=interpreter, type=type).needs(*needed)), mode=mode)


class TestTheIndex:
    def test_says_which_platform_would_run_instead_of_one_that_is_missing(self, images: Images) -> None:
        images.add("linux/arm/v7", [file("x")])
        (found,) = images.audit("MA101", platforms=[ARM64])
        assert (found.platform, found.path) == (ARM64, "")
        assert "Docker would take linux/arm/v7 instead" in found.found

    def test_offers_what_was_not_asked_for(self, images: Images) -> None:
        images.add("linux/amd64", [file("x")])
        images.add("linux/arm64", [file("x")])
        assert places(images.audit("MA102", platforms=[AMD64])) == [("MA102", "linux/arm64", "")]

    def test_disagrees_with_a_config(self, images: Images) -> None:
        images.add("linux/amd64", [file("x")])
        digest = images.add("linux/arm64", [file("y")], says="linux/amd64")
        (found,) = images.audit("MA103")
        assert (found.platform, found.item) == (ARM64, digest)
        assert found.found == "its config says linux/amd64"

    def test_agrees_with_a_config_that_writes_the_same_platform_otherwise(self, images: Images) -> None:
        images.add("linux/arm64", [file("x")], says="linux/arm64/v8")
        images.add("linux/arm/v7", [file("y")], says="linux/arm")
        assert images.audit("MA103") == ()

    def test_names_one_platform_twice(self, images: Images) -> None:
        images.add("linux/amd64", [file("x")])
        images.add("linux/amd64", [file("y")])
        (found,) = images.audit("MA103")
        assert found.found.startswith("2 of them: sha256:")

    def test_has_an_attestation_of_nothing(self, images: Images) -> None:
        about = images.add("linux/amd64", [file("x")])
        for digest in (about, "sha256:" + "9" * 64):
            images.add(
                "unknown/unknown",
                [file(f"about-{digest[-1]}")],
                annotations={
                    "vnd.docker.reference.type": "attestation-manifest",
                    "vnd.docker.reference.digest": digest,
                },
            )
        (found,) = images.audit("MA111", "MA112")
        assert found.found == f"the attestation refers to sha256:{'9' * 64}"

    def test_has_no_attestation_of_one_platform(self, images: Images) -> None:
        images.add("linux/amd64", [file("x")])
        assert places(images.audit("MA112")) == [("MA112", "linux/amd64", "")]


class TestMachineCode:
    def test_of_another_machine_is_found_with_its_layer_and_step(self, images: Images) -> None:
        history = [
            {"created_by": "COPY etc /etc # buildkit"},
            {"created_by": "ENV A=b", "empty_layer": True},
            {"created_by": "RUN /bin/sh -c make install # buildkit"},
        ]
        images.add("linux/arm64", [file("etc/x")], [program("amd64")], history=history)
        (found,) = images.audit("MA201")
        assert (found.path, found.step) == ("/bin/app", "RUN make install")
        assert found.layer.startswith("sha256:")

    def test_of_another_machine_that_a_later_layer_takes_away_is_not_there(self, images: Images) -> None:
        images.add("linux/arm64", [program("amd64"), program("amd64", "opt/a")], [whiteout("opt"), program("arm64")])
        assert images.audit("MA2") == ()

    def test_of_another_machine_that_a_hard_link_brings_back_is_found_where_it_is(self, images: Images) -> None:
        images.add("linux/arm64", [program("amd64")], [hard_link("opt/kept", "bin/app"), whiteout("bin/app")])
        assert places(images.audit("MA201")) == [("MA201", "linux/arm64", "/opt/kept")]

    @pytest.mark.parametrize(
        ("platform", "built"),
        [
            ("linux/amd64", Built(62, bits=32)),  # x32
            ("linux/ppc64le", Built(21, order="big")),
            ("linux/arm/v7", Built(40, bits=32, flags=0x05000200)),  # soft-float
        ],
        ids=["class", "byte order", "float ABI"],
    )
    def test_of_another_class_order_or_abi_is_found(self, images: Images, platform: str, built: Built) -> None:
        built.interpreter = "/lib/ld.so"
        images.add(platform, [file("bin/app", bytes(built.needs("libc.so.6")))])
        assert [one.path for one in images.audit("MA201")] == ["/bin/app"]

    def test_of_no_machine_is_nobodys_fault(self, images: Images) -> None:
        broken = b"\x7fELF\x02\x01\x01" + bytes(40)
        images.add(
            "linux/arm64", [file("bpf.o", bytes(Built(247, type=1))), file("short", b"\x7fELF"), file("x", broken)]
        )
        assert images.audit("MA2") == ()

    def test_that_is_broken_further_back_counts_by_its_header(self, images: Images) -> None:
        cut = bytes(Built(62, interpreter="/lib/ld.so").needs("libc.so.6"))[:-200]
        images.add("linux/arm64", [file("bin/app", cut)])
        assert places(images.audit("MA2")) == [("MA201", "linux/arm64", "/bin/app")]

    def test_for_a_later_processor_is_found_except_where_the_loader_chooses(self, images: Images) -> None:
        later = bytes(Built(62, notes=property_note(0b111)))  # x86-64-v3
        names = ("bin/app", "usr/lib/x86_64-linux-gnu/glibc-hwcaps/x86-64-v3/libx.so")
        images.add("linux/amd64", [file(name, later) for name in names])
        (found,) = images.audit("MA201", "MA202")
        assert (found.code, found.path, found.found) == ("MA202", "/bin/app", "it needs x86-64-v3")


class TestLinking:
    def test_wants_the_interpreter(self, images: Images) -> None:
        images.add("linux/arm64", [dynamic("bin/app", interpreter=LOADER)])
        assert places(images.audit("MA203")) == [("MA203", "linux/arm64", f"/bin/app ({LOADER})")]

    def test_finds_interpreter_and_libraries_behind_links_and_anywhere(self, images: Images) -> None:
        images.add(
            "linux/arm64",
            [
                dynamic("bin/app", "libone.so.1", "linux-vdso.so.1", interpreter=LOADER),
                dynamic("usr/lib/ld.so", type=DYN),
                symlink("lib", "usr/lib"),
                symlink("usr/lib/ld-linux-aarch64.so.1", "ld.so"),
                dynamic("opt/odd/libone.so.1.2", "libtwo.so", type=DYN),
                symlink("opt/odd/libone.so.1", "libone.so.1.2"),
                dynamic("usr/lib/libtwo.so", "libone.so.1", type=DYN),
            ],
        )
        assert images.audit("MA2") == ()

    def test_wants_what_libraries_need_and_for_the_same_machine(self, images: Images) -> None:
        images.add(
            "linux/arm64",
            [
                dynamic("bin/app", "libone.so", "libother.so"),
                dynamic("lib/libone.so", "libdeep.so", type=DYN),
                dynamic("lib/libother.so", machine=62, type=DYN),
            ],
        )
        found = images.audit("MA204")
        assert sorted((one.item, one.found) for one in found) == [
            ("libdeep.so", "it is not there, and /lib/libone.so needs it"),
            ("libother.so", "it is not there"),
        ]

    @pytest.mark.parametrize(
        "library", ["libc.musl-aarch64.so.1", "libc.so", "libm.so.6", "libpthread.so.0", "libxnet.so"]
    )
    def test_finds_the_c_library_and_its_parts_in_musls_loader(self, images: Images, library: str) -> None:
        loader = "/lib/ld-musl-aarch64.so.1"
        app = dynamic("bin/app", library, interpreter=loader)
        images.add("linux/arm64", [app, dynamic(loader[1:], type=DYN)])
        assert images.audit("MA2") == ()

    def test_wants_other_libraries_of_musls_programs_and_all_of_glibcs(self, images: Images) -> None:
        musl, glibc = "/lib/ld-musl-aarch64.so.1", LOADER
        images.add(
            "linux/arm64",
            [
                dynamic("bin/app", "libcrypt.so.1", "libcap.so", interpreter=musl),
                dynamic("bin/other", "libm.so.6", interpreter=glibc),
                dynamic(musl[1:], type=DYN),
                dynamic(glibc[1:], type=DYN),
            ],
        )
        assert {(one.path, one.item) for one in images.audit("MA2")} == {
            ("/bin/app", "libcrypt.so.1"),
            ("/bin/app", "libcap.so"),
            ("/bin/other", "libm.so.6"),
        }

    def test_asks_nothing_of_a_static_program_or_of_another_machines(self, images: Images) -> None:
        images.add("linux/arm64", [program("arm64"), dynamic("bin/other", "libx.so", machine=62, interpreter="/no")])
        assert images.audit("MA203", "MA204") == ()


class TestSharing:
    def test_of_a_layer_with_code_for_one_of_them_is_found(self, images: Images) -> None:
        images.add("linux/amd64", [program("amd64")], [file("a")])
        images.add("linux/arm64", [program("amd64")], [file("b")])
        (found,) = images.audit("MA210", "MA211")
        assert (found.code, found.path) == ("MA210", "/bin/app")
        assert found.expected == "a layer of its own for each of linux/amd64, linux/arm64"

    def test_of_a_layer_without_code_or_whose_code_was_replaced_does_no_harm(self, images: Images) -> None:
        for name in ("amd64", "arm64"):
            images.add(f"linux/{name}", [program("amd64"), file("etc/x", b"x")], [program(name)])
        assert images.audit("MA210", "MA211") == ()

    def test_of_all_layers_is_found_once(self, images: Images) -> None:
        for name in ("amd64", "arm64", "s390x"):
            images.add(f"linux/{name}", [program("amd64")])
        (found,) = images.audit("MA210", "MA211")
        assert found.code == "MA211"
        assert found.expected == "other layers for each of linux/amd64, linux/arm64, linux/s390x"

    def test_of_all_layers_without_code_does_no_harm(self, images: Images) -> None:
        for name in ("amd64", "arm64"):
            images.add(f"linux/{name}", [file("index.html", b"<html>")])
        assert images.audit("MA2", "MA5") == ()


class TestPackages:
    STATUS = "Package: libx\nStatus: install ok installed\nVersion: 1\nArchitecture: {}\n\n"

    @pytest.mark.parametrize(("architecture", "faults"), [("arm64", 0), ("all", 0), ("amd64", 1), ("i386", 1)])
    def test_of_dpkg_are_for_the_platform_or_all(self, images: Images, architecture: str, faults: int) -> None:
        images.add("linux/arm64", [file("var/lib/dpkg/status", self.STATUS.format(architecture).encode())])
        found = images.audit("MA301")
        assert len(found) == faults
        assert [one.item for one in found] == [f"libx:{architecture}"] * faults

    @pytest.mark.parametrize(
        ("tag", "faults"),
        [("py3-none-any", 0), ("cp311-cp311-linux_aarch64", 0), ("cp311-cp311-manylinux_2_17_x86_64", 1)],
    )
    def test_of_python_are_for_the_platform_or_any(self, images: Images, tag: str, faults: int) -> None:
        home = "usr/lib/python3/site-packages/x-1.dist-info"
        files = [
            file(f"{home}/METADATA", b"Metadata-Version: 2.1\nName: x\nVersion: 1\n"),
            file(f"{home}/WHEEL", f"Wheel-Version: 1.0\nTag: {tag}\n".encode()),
        ]
        images.add("linux/arm64", files)
        assert [one.item for one in images.audit("MA302")] == ["x"] * faults


class TestTheCommand:
    def test_is_nothing_where_the_image_starts_nothing(self, images: Images) -> None:
        images.add("linux/amd64", [file("x")])
        assert images.audit("MA4") == ()

    def test_that_is_not_there_is_found_with_its_field(self, images: Images) -> None:
        images.add("linux/amd64", [file("x")], config={"Cmd": ["app", "--now"]})
        (found,) = images.audit("MA4")
        assert (found.code, found.item, found.expected) == ("MA401", "app", "app, which Cmd names")

    @pytest.mark.parametrize(
        ("config", "path"),
        [
            ({"Entrypoint": ["/bin/app"]}, "bin/app"),
            ({"Entrypoint": ["app"]}, "usr/local/bin/app"),
            ({"Cmd": ["app"], "Env": ["PATH=/opt/x:/opt/y"]}, "opt/y/app"),
            ({"Cmd": ["./app"], "WorkingDir": "/srv"}, "srv/app"),
            ({"Cmd": ["run/app"], "WorkingDir": "/srv"}, "srv/run/app"),
            ({"Cmd": ["app"], "Env": ["PATH="], "WorkingDir": "/srv"}, "srv/app"),
        ],
    )
    def test_is_looked_for_as_engines_do(self, images: Images, config: dict[str, object], path: str) -> None:
        images.add("linux/amd64", [program("amd64", path)], config=config)
        images.add("linux/arm64", [program("amd64", path)], config=config)
        images.add("linux/s390x", [file("other")], config=config)
        found = images.audit("MA401", "MA402", "MA403")
        assert [(one.code, one.platform) for one in found] == [("MA401", S390X), ("MA403", ARM64)]

    def test_of_a_script_is_its_interpreter_as_well(self, images: Images) -> None:
        script = file("start", b"#!/usr/bin/env -S python3 -u\nprint()\n", mode=0o755)
        config = {"Entrypoint": ["/start"]}
        images.add(
            "linux/amd64", [script, program("amd64", "usr/bin/env"), program("amd64", "usr/bin/python3")], config=config
        )
        images.add("linux/arm64", [script, program("arm64", "usr/bin/env")], config=config)
        (found,) = images.audit("MA4")
        assert (found.code, found.platform) == ("MA401", ARM64)
        assert "python3" in str(found)

    @pytest.mark.parametrize(
        ("line", "missing"),
        [
            ("#!/bin/sh", []),
            ("#! /bin/sh -e ", []),
            ("#!/bin/sh\r", ["/bin/sh\r"]),
            ("#!/bin/bash", ["/bin/bash"]),
            ("#!/usr/bin/env sh", []),
            ("#!/usr/bin/env sh\r", ["sh\r"]),
            ("#!/usr/bin/env sh -e", ["sh -e"]),
            ("#!/usr/bin/env -S sh -e\r", []),
            ("#!/usr/bin/env -S -u A B=c sh -e", []),
            ("#!/usr/bin/env -S -i bash", ["bash"]),
            ("#!/usr/bin/env", []),
            ("#!", []),
            ("no script", []),
        ],
    )
    def test_of_a_script_is_read_as_linux_and_env_do(self, images: Images, line: str, missing: list[str]) -> None:
        script = file("start", f"{line}\n/bin/true\n".encode(), mode=0o755)
        programs = [program("amd64", "bin/sh"), program("amd64", "usr/bin/env")]
        images.add("linux/amd64", [script, *programs], config={"Cmd": ["/start"]})
        assert [one.item for one in images.audit("MA4")] == missing

    def test_behind_an_init_has_to_be_there(self, images: Images) -> None:
        config = {"Entrypoint": ["/tini", "-g", "--", "app"]}
        images.add("linux/amd64", [program("amd64", "tini")], config=config)
        (found,) = images.audit("MA4")
        assert "app" in str(found)

    @pytest.mark.parametrize(
        ("line", "missing"),
        [
            (["tini", "--", "gone"], ["gone"]),
            (["tini", "-g", "-p", "SIGTERM", "-ve", "143", "--", "gone", "--", "x"], ["gone"]),
            (["tini", "-pSIGTERM", "--", "gone"], ["gone"]),
            (["docker-init", "-s", "-e", "--", "--", "gone"], ["gone"]),
            (["dumb-init", "-c", "--rewrite", "15:3", "-r", "1:2", "--", "gone"], ["gone"]),
            (["dumb-init", "--rewrite=15:3", "--single-child", "--", "gone"], ["gone"]),
            (["catatonit", "-g", "--", "gone"], ["gone"]),
            (["tini", "app", "run", "--", "--port", "3000"], []),
            (["tini", "-p", "SIGTERM", "app", "--", "serve"], []),
            (["tini", "-pSIGTERM", "app", "--", "serve"], []),
            (["dumb-init", "-r", "15:3", "app", "--", "serve"], []),
            (["dumb-init", "--rewrite=15:3", "app", "--", "serve"], []),
            (["gosu", "web", "app", "--", "serve"], []),
            (["su-exec", "web", "app", "--", "serve"], []),
            (["tini", "-g", "--"], []),
            (["tini", "-p"], []),
        ],
    )
    def test_behind_an_init_is_what_follows_its_own_two_dashes(
        self, images: Images, line: list[str], missing: list[str]
    ) -> None:
        images.add(
            "linux/amd64",
            [program("amd64", f"bin/{line[0]}"), program("amd64")],
            config={"Entrypoint": line[:1], "Cmd": line[1:]},
        )
        assert [one.item for one in images.audit("MA4")] == missing

    @pytest.mark.parametrize(
        ("user", "mode", "faults"),
        [
            ("", 0o100, 0),
            ("root", 0o001, 0),
            ("1000", 0o700, 0),
            ("1000", 0o011, 1),
            ("1001:50", 0o710, 0),
            ("1001:50", 0o701, 1),
            ("1001", 0o701, 0),
            ("1001", 0o710, 1),
            ("web", 0o710, 0),
            ("member", 0o710, 0),
            ("nobody-knows", 0o100, 0),
            ("1001:staff", 0o710, 0),
            ("0", 0o600, 1),
            ("9" * 5000, 0o700, 0),
        ],
    )
    def test_has_to_be_executable_by_the_images_user(self, images: Images, user: str, mode: int, faults: int) -> None:
        files = [
            program("amd64", "app", mode=mode, uid=1000, gid=50),
            file(
                "etc/passwd",
                f"root:x:0:0::/:\nweb:x:1002:50::/:\nmember:x:1003:9::/:\nodd:x:{'9' * 5000}:0::/:\n".encode(),
            ),
            file("etc/group", b"staff:x:50:member\nnine:x:9:\n"),
        ]
        images.add("linux/amd64", files, config={"Entrypoint": ["/app"], "User": user})
        assert [one.code for one in images.audit("MA4")] == ["MA402"] * faults

    @pytest.mark.parametrize(
        ("user", "command", "faults"),
        [
            ("web", ["/app"], 1),  # a link to what only root may come to
            ("web", ["/opt/way/app"], 1),
            ("web", ["app"], 1),
            ("web", ["/start"], 1),
            ("web", ["/srv/through"], 1),  # its target is open, the way there is not
            ("web", ["./app"], 0),
            ("7:50", ["/opt/way/app"], 0),
            ("7:51", ["/opt/way/app"], 1),
            ("8", ["/opt/way/app"], 0),
            ("", ["/opt/way/app"], 0),
            ("0:9", ["/opt/way/app"], 0),
            ("nobody-knows", ["/opt/way/app"], 0),
        ],
    )
    def test_lies_in_folders_that_the_images_user_may_search(
        self, images: Images, user: str, command: list[str], faults: int
    ) -> None:
        files = [
            directory(".", mode=0o700),
            directory("opt/way", mode=0o710, uid=8, gid=50),
            file("opt/way/app", bytes(MACHINES["amd64"]), mode=0o755),
            symlink("app", "opt/way/app"),
            program("amd64", "usr/lib/open"),
            symlink("opt/way/on", "/usr/lib"),
            symlink("srv/through", "../opt/way/on/open"),
            file("start", b"#!/opt/way/app\n", mode=0o755),
            file("etc/passwd", b"root:x:0:0::/:\nweb:x:1000:1000::/:\neight:x:8:8::/:\n"),
        ]
        config = {"Entrypoint": command, "User": user, "Env": ["PATH=/opt/way"], "WorkingDir": "/opt/way"}
        images.add("linux/amd64", files, config=config)
        found = images.audit("MA4")
        assert [one.code for one in found] == ["MA402"] * faults
        assert {one.found for one in found} <= {"/opt/way is on the way, mode 0710, owner 8:50"}

    @pytest.mark.parametrize("first", [{"mode": 0o700}, {"mode": 0o755}], ids=["the file", "its folder"])
    def test_along_the_path_is_the_first_that_the_user_may_execute(self, images: Images, first: dict[str, int]) -> None:
        files = [
            directory("root", mode=0o755 if first["mode"] == 0o700 else 0o700),
            program("amd64", "root/bin/app", **first),
            program("amd64", "usr/bin/app"),
        ]
        config = {"Cmd": ["app"], "User": "1000", "Env": ["PATH=/root/bin:/usr/bin"]}
        images.add("linux/amd64", files, config=config)
        assert images.audit("MA4") == ()

    def test_is_judged_where_passwd_is_something_else(self, images: Images) -> None:
        files = [program("amd64", "app"), directory("etc/passwd"), symlink("etc/group", "group")]
        images.add("linux/amd64", files, config={"Entrypoint": ["/app"], "User": "web"})
        assert images.audit("MA4") == ()


def test_the_programs_of_these_tests_are_for_their_platforms(images: Images) -> None:
    for name in MACHINES:
        images.add(f"linux/{name}", [program(name)])
    assert images.audit("MA2") == ()
