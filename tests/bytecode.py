"""Compile the installed plugin's modules as pytest does, for the hundreds of processes that tests start.

pytest compiles a plugin's modules itself, for its assertions, which an installer cannot do. tox keeps tests from writing
bytecode, so each process that loads what talks to Docker would compile it anew, in 0.2 s.

``python tests/bytecode.py``, not ``-m``: the package that is installed counts, not the one in the current folder.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import pkgutil
import sys

import pytest


class Importing:
    """Import all modules once pytest has taken over how the package's are loaded."""

    def pytest_sessionstart(self) -> None:
        package = importlib.import_module("pytest_multiarch")
        for module in pkgutil.walk_packages(package.__path__, "pytest_multiarch."):
            if not module.name.endswith(".__main__"):
                importlib.import_module(module.name)


if __name__ == "__main__":
    sys.dont_write_bytecode = False
    with contextlib.redirect_stdout(io.StringIO()) as said:
        code = pytest.main(
            ["--collect-only", "--noconftest", "-pno:cacheprovider", "-c", os.devnull, __file__], [Importing()]
        )
    if code != pytest.ExitCode.NO_TESTS_COLLECTED:
        sys.exit(f"pytest ended with {code}:\n{said.getvalue()}")
