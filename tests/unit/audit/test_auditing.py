"""Which checks there are, what each is asked once, and which allowances are stale."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.audit import Allowance, Audit, AuditRun, Check, Policy, assert_no_findings, audit_platform
from pytest_multiarch.audit.rule import ImageRule, PlatformRule
from pytest_multiarch.audit.sources import WholeImage
from pytest_multiarch.errors import MultiArchError, PlatformMissing
from tests.unit.audit.common import AMD64, ARM64, S390X, places, program
from tests.unit.files.common import file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_multiarch.audit import Finding
    from pytest_multiarch.audit.views import ImageView, PlatformView
    from pytest_multiarch.image.index import MultiArchImage
    from pytest_multiarch.image.reference import Reference
    from pytest_multiarch.image.source import BlobReader
    from pytest_multiarch.oci import Descriptor
    from tests.unit.audit.common import Images

FIRMWARE = "because the modem has a processor of its own"


def with_firmware(images: Images) -> Images:
    """Add two platforms with their own programs, and for arm64 also one of amd64's."""
    images.add("linux/amd64", [program("amd64")])
    images.add("linux/arm64", [program("arm64"), program("amd64", "firmware/modem")])
    return images


def allow(*texts: str) -> list[Allowance]:
    return [Allowance.parse(text) for text in texts]


class Counting(PlatformRule):
    """Count how often it is asked."""

    code = "ZZ001"
    name = "counting"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def check(self, view: PlatformView) -> Iterator[Finding]:
        """Note the platform."""
        self.asked.append(str(view.platform))
        yield self.finding(platform=view.platform, item="asked", expected="nothing", found="a question")


def test_each_check_is_made_once_whoever_asks(images: Images) -> None:
    with_firmware(images)
    rule = Counting()
    audit = Audit.of(Policy(select=("ZZ001",)), [rule])
    with images.opened() as image:
        run = AuditRun(audit, WholeImage(image), [AMD64, ARM64])
        assert [check.name for check in run.checks] == ["ZZ001[linux/amd64]", "ZZ001[linux/arm64]"]
        first = [run.outcome(check) for check in run.checks]
        again = [outcome for _, outcome in run.outcomes()]
    assert first == again
    assert rule.asked == ["linux/amd64", "linux/arm64"]


def fetched_layers(image: MultiArchImage, make: Callable[[], None]) -> list[str]:
    """Return the digests of the layers that are fetched meanwhile, as often as they are."""
    layers = {layer.digest for platform in image.platforms for layer in image.for_platform(platform).layers}
    fetched: list[str] = []
    blob = image.client.blob

    def counted(repository: Reference, descriptor: Descriptor) -> BlobReader:
        fetched.append(descriptor.digest)
        return blob(repository, descriptor)

    image.client.blob = counted  # type: ignore[method-assign]
    make()
    return sorted(digest for digest in fetched if digest in layers)


def test_a_layer_that_platforms_share_is_fetched_once(images: Images) -> None:
    shared = [file("etc/shared", b"shared")]
    images.add("linux/amd64", shared, [program("amd64")])
    images.add("linux/arm64", shared, [program("arm64")])
    with images.opened() as image:
        fetched = fetched_layers(image, lambda: assert_no_findings(image))
        assert len(fetched) == 3
        assert len(set(fetched)) == 3


def test_rules_about_index_and_configs_read_no_layer(images: Images) -> None:
    with_firmware(images)
    with images.opened() as image:
        select = ["MA1", "MA501", "MA505", "MA506"]
        assert fetched_layers(image, lambda: assert_no_findings(image, select=select)) == []


def test_of_a_platform_that_is_not_offered_only_the_index_is_looked_at(images: Images) -> None:
    with_firmware(images)
    found = images.audit("MA1", "MA2", "MA4", "MA5", platforms=[AMD64, S390X])
    assert places(found) == [("MA101", "linux/s390x", "")]


def test_a_platform_that_is_not_offered_is_an_error_where_nothing_else_tells_it(images: Images) -> None:
    with_firmware(images)
    with pytest.raises(PlatformMissing, match="linux/s390x"):
        images.audit("MA201", platforms=[S390X])


def test_one_platform_is_audited_without_its_index(images: Images) -> None:
    with_firmware(images)
    with images.opened() as image:
        assert places(audit_platform(image.for_platform(ARM64))) == [("MA201", "linux/arm64", "/firmware/modem")]
        assert audit_platform(image.for_platform(AMD64)) == ()


def test_an_assertion_without_findings_says_nothing_and_else_all(images: Images) -> None:
    with_firmware(images)
    with images.opened() as image:
        assert_no_findings(image, ignore=["MA201", "MA503"])
        with pytest.raises(AssertionError, match=r"2 findings in .*\nMA201 linux/arm64 /firmware/modem") as caught:
            assert_no_findings(image)
    assert "MA503 /firmware" in str(caught.value)


class TestStaleAllowances:
    def test_one_that_covers_something_is_not_stale(self, images: Images) -> None:
        found = with_firmware(images).audit("MA201", "MA901", allow=allow(f"MA201 /firmware/** {FIRMWARE}"))
        assert places(found) == []

    def test_one_that_covers_nothing_is_stale(self, images: Images) -> None:
        found = with_firmware(images).audit("MA202", "MA901", allow=allow(f"MA202 /firmware/** {FIRMWARE}"))
        assert places(found) == [("MA901", "", f"MA202 /firmware/** {FIRMWARE}")]

    def test_one_for_a_platform_is_stale_if_it_covers_nothing_there(self, images: Images) -> None:
        text = f"MA201[linux/amd64] /firmware/** {FIRMWARE}"
        found = with_firmware(images).audit("MA201", "MA901", allow=allow(text))
        assert places(found) == [("MA201", "linux/arm64", "/firmware/modem"), ("MA901", "", text)]

    def test_one_for_a_platform_is_judged_for_rules_over_all_platforms_as_well(self, images: Images) -> None:
        text = f"MA506[linux/arm64] size {FIRMWARE}"
        found = with_firmware(images).audit("MA506", "MA901", allow=allow(text))
        assert places(found) == [("MA901", "", text)]

    def test_one_for_a_platform_that_the_run_does_not_have_is_not_judged(self, images: Images) -> None:
        text = f"MA201[linux/s390x] /firmware/** {FIRMWARE}"
        assert images_of(images).audit("MA202", "MA201", "MA901", allow=allow(text), platforms=[AMD64]) == ()

    def test_one_for_a_platform_that_is_not_offered_is_not_judged(self, images: Images) -> None:
        text = f"MA201[linux/s390x] /firmware/** {FIRMWARE}"
        found = images_of(images).audit("MA101", "MA201", "MA901", allow=allow(text), platforms=[AMD64, S390X])
        assert places(found) == [("MA101", "linux/s390x", "")]

    def test_one_for_rules_that_do_not_run_is_not_judged(self, images: Images) -> None:
        assert images_of(images).audit("MA202", "MA901", allow=allow(f"MA201 /x {FIRMWARE}")) == ()


def images_of(images: Images) -> Images:
    """Add one platform without faults."""
    images.add("linux/amd64", [program("amd64")])
    return images


class OfAnotherKind(ImageRule):
    """Be asked as a rule for one platform."""

    code = "ZZ002"
    name = "of-another-kind"

    def check(self, view: ImageView) -> Iterator[Finding]:
        """Find each platform that is there."""
        for one in view.offered:
            yield self.finding(platform=one.platform, item="there", expected="none", found="one")


def test_a_projects_rule_is_asked_as_its_base_says(images: Images) -> None:
    with_firmware(images)
    with images.opened() as image:
        run = AuditRun(Audit.of(Policy(select=("ZZ",)), [OfAnotherKind()]), WholeImage(image), [ARM64, S390X])
        (check,) = run.checks
        assert check.name == "ZZ002"
        assert [finding.platform for finding in run.outcome(check).findings] == [ARM64]


def test_a_rule_of_no_known_kind_is_told(images: Images) -> None:
    from pytest_multiarch.audit import Rule

    class Neither(Rule):
        code = "ZZ003"
        name = "neither"

    with_firmware(images)
    with images.opened() as image:
        run = AuditRun(Audit.of(Policy(select=("ZZ",)), [Neither()]), WholeImage(image), [AMD64])
        with pytest.raises(MultiArchError, match="Neither is no PlatformRule"):
            run.outcome(Check(Neither(), None))
