"""Which rules count and what passes: select, ignore, allowances and their patterns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_multiarch.audit import Allowance, Audit, Finding, Policy, builtin_rules
from pytest_multiarch.audit.policy import check_rules, split_words
from pytest_multiarch.errors import InvalidPlatform, UsageProblem
from tests.unit.audit.common import AMD64, ARM64


def found(path: str = "", item: str = "", platform: object = ARM64) -> Finding:
    return Finding(
        code="MA201",
        rule="foreign-machine",
        expected="",
        found="",
        path=path,
        item=item,
        platform=platform,  # type: ignore[arg-type]
    )


def codes(**choice: tuple[str, ...]) -> list[str]:
    return [rule.code for rule in Policy(**choice).chosen(builtin_rules())]  # type: ignore[arg-type]


class TestRules:
    def test_all_but_the_opt_in_ones_count_by_default(self) -> None:
        assert not {"MA102", "MA112"} & set(codes())
        assert {rule.code for rule in builtin_rules()} - set(codes()) == {"MA102", "MA112"}

    def test_opt_in_rules_count_where_they_are_named_and_not_with_their_family(self) -> None:
        assert codes(select=("MA102",)) == ["MA102"]
        assert codes(select=("platform-not-asked-for",)) == ["MA102"]
        assert codes(select=("MA1",)) == ["MA101", "MA103", "MA111"]
        assert "MA112" in codes(select=("all",))

    def test_ignored_rules_do_not_count_however_they_are_selected(self) -> None:
        assert codes(select=("MA2", "MA301"), ignore=("MA21", "foreign-machine")) == [
            "MA202",
            "MA203",
            "MA204",
            "MA301",
        ]

    def test_come_in_the_order_of_their_codes(self) -> None:
        assert codes(select=("MA5", "MA101")) == ["MA101", "MA501", "MA502", "MA503", "MA504", "MA505", "MA506"]

    @pytest.mark.parametrize("word", ["MA2010", "ma201", "MA299", "foreign", "X"])
    def test_that_are_not_there_are_refused(self, word: str) -> None:
        with pytest.raises(UsageProblem, match=f"there is no rule '{word}'"):
            codes(select=(word,))

    def test_of_an_allowance_have_to_be_there(self) -> None:
        with pytest.raises(UsageProblem, match="there is no rule 'MA2'"):
            codes(allow=(Allowance.parse("MA2 /x because y"),))  # type: ignore[arg-type]

    def test_codes_and_names_are_each_there_once(self) -> None:
        words = [word for rule in builtin_rules() for word in (rule.code, rule.name)]
        assert len(words) == len(set(words))
        with pytest.raises(UsageProblem, match="are both called MA101"):
            check_rules([*builtin_rules(), *builtin_rules()])

    def test_another_choice_keeps_what_it_does_not_name(self) -> None:
        audit = Audit.of(Policy(select=("MA2",), ignore=("MA202",)))
        assert [rule.code for rule in audit.with_choice(select=["MA20"]).rules] == ["MA201", "MA203", "MA204"]

    def test_words_are_separated_by_commas_or_blanks(self) -> None:
        assert split_words(["MA1,MA2", " MA3  MA4,", ""]) == ("MA1", "MA2", "MA3", "MA4")


class TestAllowances:
    @pytest.mark.parametrize(
        "text",
        [
            "MA201 /usr/lib/firmware/** because the modem has another processor",
            "MA201,foreign-wheel[linux/arm/v7] /opt/with space/* because of it",
            "MA301 *:i386 because because is in the reason",
        ],
    )
    def test_are_written_as_they_are_read(self, text: str) -> None:
        assert str(Allowance.parse(text)) == text
        assert Allowance.parse(f"  {text}\n") == Allowance.parse(text)

    def test_have_rules_a_platform_a_pattern_and_a_reason(self) -> None:
        one = Allowance.parse("MA201,MA202[aarch64] /a b/* because  it\n is so")
        assert one == Allowance(("MA201", "MA202"), "/a b/*", "it is so", ARM64)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("MA201 /usr/lib", "it has no reason"),
            ("MA201 /usr/lib because", "it is not made of"),
            ("MA201 because of it", "it is not made of"),
            ("", "it has no reason"),
            ("MA201 /usr/[z-a] because of it", "'/usr/\\[z-a\\]' is no pattern"),
        ],
    )
    def test_that_lack_something_are_refused(self, text: str, message: str) -> None:
        with pytest.raises(UsageProblem, match=message):
            Allowance.parse(text)

    def test_for_something_that_is_no_platform_are_refused(self) -> None:
        with pytest.raises(InvalidPlatform, match="MA201"):
            Allowance.parse("MA201[linux/amd46] /x because y")

    @pytest.mark.parametrize(
        ("pattern", "path", "covers"),
        [
            ("/usr/lib/*", "/usr/lib/a.so", True),
            ("/usr/lib/*", "/usr/lib/x/a.so", False),
            ("/usr/lib/**", "/usr/lib/x/y/a.so", True),
            ("/usr/**/a.so", "/usr/a.so", True),
            ("/usr/**/a.so", "/usr/x/y/a.so", True),
            ("/usr/**/a.so", "/usr/xa.so", False),
            ("**", "/anything/at/all", True),
            ("/usr/lib", "/usr/lib/a.so", False),
            ("/lib?/a", "/lib6/a", True),
            ("/lib?/a", "/lib//a", False),
            ("/lib[46]/a", "/lib6/a", True),
            ("/lib[!46]/a", "/lib6/a", False),
            ("/lib[!46]/a", "/lib3/a", True),
            ("/lib[]6]/a", "/lib]/a", True),
            ("/lib[^4]/a", "/lib^/a", True),
            ("/lib[^4]/a", "/lib5/a", False),
            ("/[+--]/a", "/,/a", True),
            ("/[[x]", "/[", True),
            ("/[a||b]", "/|", True),
            ("/[]", "/[]", True),
            ("/[!]", "/[!]", True),
            ("/a.so", "/abso", False),
            ("/a+(b)|c$", "/a+(b)|c$", True),
            ("/new\nline", "/new\nline", True),
        ],
    )
    def test_patterns_are_globs(self, pattern: str, path: str, covers: bool) -> None:
        allowance = Allowance(("MA201",), pattern, "why")
        assert allowance.covers(found(path)) is covers
        assert allowance.covers(found("/other", item=path)) is covers

    def test_cover_their_own_rules_by_code_and_by_name_only(self) -> None:
        assert Allowance(("foreign-machine",), "**", "why").covers(found("/x"))
        assert not Allowance(("MA202",), "**", "why").covers(found("/x"))
        assert not Allowance(("MA2",), "**", "why").covers(found("/x"))

    def test_for_a_platform_cover_only_that_platforms_findings(self) -> None:
        allowance = Allowance(("MA201",), "**", "why", ARM64)
        assert allowance.covers(found("/x"))
        assert not allowance.covers(found("/x", platform=AMD64))
        assert not allowance.covers(found("/x", platform=None))

    def test_do_not_cover_what_has_neither_path_nor_item(self) -> None:
        assert not Allowance(("MA201",), "**", "why").covers(found())

    @given(st.text(alphabet="ab/*?[]!^-\\|&~.(", min_size=1, max_size=12))
    def test_any_pattern_is_read_or_refused(self, pattern: str) -> None:
        try:
            allowance = Allowance.parse(f"MA201 {pattern} because of it")
        except UsageProblem:
            return
        assert allowance.covers(found("/a")) in (True, False)

    @given(st.text(alphabet="ab/.^$+(){}|\\ \n]", min_size=1, max_size=12))
    def test_a_pattern_without_wild_cards_covers_itself(self, path: str) -> None:
        assert Allowance(("MA201",), path, "why").covers(found(path))
