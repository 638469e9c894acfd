"""The registry's image as everybody uses it, beside the plugin: what the lab has in its place must behave the same."""

from __future__ import annotations

import json
from urllib.request import urlopen

from tests.integration.support import borrowed_images, docker


def test_a_plain_registry_asks_for_no_login() -> None:
    with borrowed_images("registry:2"):
        name = docker("run", "--detach", "--rm", "--publish", "127.0.0.1::5000", "registry:2")
        try:
            address = docker("port", name, "5000/tcp")
            docker(
                "exec",
                name,
                "sh",
                "-c",
                "until wget -q -O /dev/null http://127.0.0.1:5000/v2/; do sleep 0.1; done",
                timeout=30,
            )
            with urlopen(f"http://{address}/v2/_catalog", timeout=30) as answer:
                assert json.load(answer) == {"repositories": []}
        finally:
            docker("rm", "--force", "--volumes", name)
