"""What people read: findings, the history's steps, rules' explanations, and the page of all rules."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_multiarch.audit import Finding, PlatformRule, builtin_rules, describe
from pytest_multiarch.audit.history import in_dockerfile_words
from pytest_multiarch.audit.page import rules_page
from pytest_multiarch.audit.rule import explain
from pytest_multiarch.platforms import Platform
from tests.unit.audit.common import ARM64
from tests.unit.files.common import file

if TYPE_CHECKING:
    from tests.unit.audit.common import Images

PAGE = Path(__file__).resolve().parents[3] / "docs" / "audit-rules.md"


class TestFindings:
    def test_are_shown_on_a_few_lines(self) -> None:
        finding = Finding(
            code="MA201",
            rule="foreign-machine",
            platform=ARM64,
            path="/bin/app",
            item="app",
            expected="one",
            found="another",
            layer="sha256:1",
            step="RUN make",
        )
        assert str(finding).splitlines() == [
            "MA201 linux/arm64 /bin/app (app)",
            "  expected: one",
            "  found:    another",
            "  layer:    sha256:1",
            "  step:     RUN make",
        ]

    @given(st.text(alphabet="a\n\r\x1b[\x9b\u202e\u2028\x00 ", max_size=20))
    def test_show_no_control_characters(self, text: str) -> None:
        platform = Platform("linux", f"arm64{text}", text)
        finding = Finding(
            code="MA1",
            rule="x",
            platform=platform,
            path=text,
            item=text,
            expected=text,
            found=text,
            layer="l",
            step=text,
        )
        lines = str(finding).split("\n")
        assert len(lines) <= 5
        assert all(line.isprintable() for line in lines)

    def test_of_hostile_images_show_no_control_characters(self, images: Images) -> None:
        evil = "\x1b[31m\n\u202e"
        images.add(
            "linux/arm64",
            [file(f"bin/{evil}", b"\x7fELF\x02\x01\x01" + bytes(57), mode=0o755)],
            config={"Entrypoint": [f"/no/{evil}"], "Env": [f"A{evil}=1"]},
            history=[{"created_by": f"RUN {evil}"}],
        )
        images.add("linux/amd64", [file("x")], config={"Env": [f"A{evil}=2"]})
        text = describe(images.audit())
        assert "/no/" in text
        assert all(line.isprintable() for line in text.split("\n"))

    def test_that_are_many_are_counted_by_rule(self) -> None:
        many = [Finding(code=code, rule="x", expected="", found="") for code in ("MA1", "MA2", "MA2", "MA3")]
        assert describe(many, shown=1).endswith("… and 2 more of MA2, 1 more of MA3")
        assert "more" not in describe(many)
        assert describe([]) == ""


@pytest.mark.parametrize(
    ("created_by", "step"),
    [
        ("COPY /app /bin/app # buildkit", "COPY /app /bin/app"),
        ("RUN /bin/sh -c apt-get update &&   apt-get install x # buildkit", "RUN apt-get update && apt-get install x"),
        ("RUN |2 A=b C=d /bin/sh -c make # buildkit", "RUN make"),
        ("|1 A=b /bin/sh -c make", "RUN make"),
        ('/bin/sh -c #(nop)  CMD ["sh"]', 'CMD ["sh"]'),
        ("/bin/sh -c #(nop) COPY file:1 in /x ", "COPY file:1 in /x"),
        ("/bin/sh -c make install", "RUN make install"),
        ("RUN /bin/bash -c make # buildkit", "RUN /bin/bash -c make"),
        ("bazel build ...", "bazel build ..."),
        ("", ""),
    ],
)
def test_steps_are_in_the_dockerfiles_words(created_by: str, step: str) -> None:
    assert in_dockerfile_words(created_by) == step


def test_history_that_does_not_match_the_layers_names_no_step(images: Images) -> None:
    images.add("linux/arm64", [file("x")], [file("bin/app", b"x")], history=[{"created_by": "RUN one"}])
    images.add("linux/amd64", [file("x")])
    assert {finding.step for finding in images.audit("MA503")} == {""}


class TestRules:
    @pytest.mark.parametrize("rule", builtin_rules(), ids=lambda rule: rule.code)
    def test_say_what_they_find_why_where_it_was_seen_and_how_to_mend_it(self, rule: object) -> None:
        told = explain(type(rule).__doc__ or "")
        assert told.summary.startswith("Find ")
        assert told.why
        assert told.seen_in
        assert told.mend

    def test_of_a_project_may_have_a_summary_alone(self) -> None:
        told = explain("Find it.\n\n    More of it,\n    on two lines.\n\n    Mend: so.\n    ")
        assert (told.summary, told.what, told.why, told.mend) == ("Find it.", "More of it, on two lines.", "", "so.")
        assert explain("").summary == ""

    @pytest.mark.parametrize(
        ("code", "name"), [("A1", "x"), ("ma201", "x"), ("MA2011", "x"), ("MA201", "No-Name"), ("MA201", "")]
    )
    def test_have_a_code_and_a_name_of_the_right_form(self, code: str, name: str) -> None:
        with pytest.raises(TypeError, match="needs a code"):
            type("Odd", (PlatformRule,), {"code": code, "name": name, "check": lambda self, view: ()})


class TestThePage:
    def test_says_what_the_rules_say(self) -> None:
        """Mend: ``python -m pytest_multiarch.audit > docs/audit-rules.md``."""
        assert PAGE.read_text(encoding="utf-8") == rules_page(builtin_rules())

    def test_has_a_section_for_each_rule_and_a_link_to_it(self) -> None:
        page = rules_page(builtin_rules())
        for rule in builtin_rules():
            assert f"\n### {rule.code} {rule.name}\n" in page
            assert f"[{rule.code}](#{rule.code.lower()}-{rule.name})" in page

    def test_links_the_incidents(self) -> None:
        link = "[moby/buildkit#5677](https://github.com/moby/buildkit/issues/5677)"
        assert link in rules_page(builtin_rules())
