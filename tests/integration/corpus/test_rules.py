"""Every rule held against real images: one that has the fault, where it is found, and a twin, where nothing is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.audit import builtin_rules, describe
from pytest_multiarch.platforms import Platform
from tests.integration.corpus.faults import place_of
from tests.integration.corpus.pairs import PAIRS

if TYPE_CHECKING:
    from pytest_multiarch.audit import Finding
    from tests.integration.corpus.faults import Pair, Wrong
    from tests.integration.corpus.workshop import Made


def test_every_rule_has_its_pair() -> None:
    assert {pair.code for pair in PAIRS} == {rule.code for rule in builtin_rules()}
    for pair in PAIRS:
        assert pair.code in {wrong.code for wrong in pair.faulty.wrong}, f"{pair.name} has another rule's fault"
        assert not pair.good.wrong, f"{pair.name} has a twin with a fault"


def test_no_two_pairs_have_one_name() -> None:
    assert len({pair.name for pair in PAIRS}) == len(PAIRS)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair.code}-{pair.name}")
class TestARule:
    def test_finds_the_fault_where_it_is_and_nothing_else(self, pair: Pair, corpus: dict[str, Made]) -> None:
        made = corpus[f"{pair.name}-faulty"]
        found = {place_of(finding): finding for finding in made.findings()}
        wrong = {one.place(made.names): one for one in pair.faulty.wrong}
        assert sorted(found) == sorted(wrong), describe(list(found.values()))
        for place, one in wrong.items():
            assert one.says.format(**made.names) in found[place].found
            assert found[place].layer in layers(made, one, found[place])

    def test_finds_nothing_in_the_twin(self, pair: Pair, corpus: dict[str, Made]) -> None:
        made = corpus[f"{pair.name}-good"]
        found = made.findings()
        assert not found, describe(found)
        assert {Platform.parse(one) for one in pair.good.platforms} <= set(made.image.platforms)


def layers(made: Made, wrong: Wrong, finding: Finding) -> set[str]:
    """Return the digests that the fault's layer may have; of a fault that several platforms have, each one's own."""
    if wrong.layer is None:
        return {""}
    platforms = made.image.platforms if finding.platform is None else [finding.platform]
    return {made.image.for_platform(platform).layers[-wrong.layer].digest for platform in platforms}
