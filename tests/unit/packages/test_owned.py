"""Which files came with a package."""

from __future__ import annotations

import pytest

from pytest_multiarch.errors import DocumentError
from pytest_multiarch.image.packages.owned import owned_paths
from tests.unit.packages.trees import Tree

RECORD = "/usr/lib/python3/x-1.dist-info/RECORD"


def test_a_record_names_files_from_the_folder_that_the_package_is_in() -> None:
    text = '../../bin/app,sha256=x,1\n"x/a,b.py",,\nx/__init__.py,,\n'
    assert owned_paths(Tree({RECORD: text})) == {
        "/usr/bin/app",
        "/usr/lib/python3/x/a,b.py",
        "/usr/lib/python3/x/__init__.py",
    }


@pytest.mark.parametrize(
    ("text", "line"),
    [("x/a.py,,\nx/b\rc.py,,\n", 2), ('x/a.py,,\n"x/b.py,,\n' + "x/some_module.py,sha256=x,1\n" * 6000, "[0-9]+")],
    ids=["a carriage return", "a quote without its end"],
)
def test_a_broken_record_is_an_error_of_ours_that_names_it(text: str, line: object) -> None:
    with pytest.raises(DocumentError, match=rf"{RECORD}: line {line}: it cannot be read as CSV"):
        owned_paths(Tree({RECORD: text}))
