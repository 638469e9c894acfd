"""Fixtures of this project's own tests."""

import pytest

from pytest_multiarch import Platform


@pytest.fixture(scope="session")
def docker_host_platform():
    """Return the platform that `docker run` would choose here by itself."""
    return Platform.host()
