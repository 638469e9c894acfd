"""Services from a file of ours, as a user runs it: pytest in a process of its own, a real service on each platform."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.integration.test_main_job import BOTH, run_pytest

if TYPE_CHECKING:
    from pathlib import Path

# The answer holds what the service itself is: its machine is in no file that could be looked at instead.
SERVER: Final = """\
import http.server, platform, re

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        print("asked for", self.path, flush=True)
        self.send_response(200 if self.path in ANSWERS else 503)
        self.end_headers()
        self.wfile.write(ANSWERS.get(self.path, platform.machine()).encode())

effective = re.search("CapEff:(.*)", open("/proc/self/status").read())[1]
ANSWERS = {"/machine": platform.machine(), "/net-admin": str(int(effective, 16) >> 12 & 1)}  # capability.h: CAP_NET_ADMIN is 12

server = http.server.HTTPServer(("", 8000), Handler)
print("ready", flush=True)
server.serve_forever()
"""
SUITE: Final = """\
image: python:3.11-slim
tests:
  - name: says where it runs
    service: {ports: 8000, args: [python, /server.py], mounts: {SERVER: /server.py}, wait_for: {log: ready}}
    http: [{path: /machine, body: "{platform.machine}"}, {path: /net-admin, body: '0'}]
  - name: may more
    service: {ports: 8000, args: [python, /server.py], mounts: {SERVER: /server.py}, cap_add: NET_ADMIN}
    http: {path: /net-admin, body: '1'}
  - name: is healthy
    service: {ports: 8000, args: [python, /server.py], mounts: {SERVER: /server.py}}
    http: {path: /health}
"""


@pytest.mark.usefixtures("nothing_left")
def test_a_service_passes_and_fails_on_each_platform_with_its_log(tmp_path: Path) -> None:
    server = tmp_path / "server.py"
    server.write_text(SERVER, encoding="utf-8")
    (tmp_path / "app.multiarch.yaml").write_text(SUITE.replace("SERVER", str(server)), encoding="utf-8")
    done = run_pytest(tmp_path, BOTH, "-rA")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "2 failed, 4 passed" in done.stdout
    for platform, machine in (("linux/amd64", "x86_64"), ("linux/arm64", "aarch64")):
        assert f"PASSED app.multiarch.yaml::says where it runs[{platform}]" in done.stdout
        assert f"PASSED app.multiarch.yaml::may more[{platform}]" in done.stdout
        failure = done.stdout.partition(f"_ is healthy[{platform}] _")[2].partition("\n____")[0]
        expected = (
            "status of GET /health: expected 200, came 503",
            machine,
            "app.multiarch.yaml:9",
            "name: is healthy",
        )
        log = ("multiarch log of ", f" on {platform} ", "asked for /health")
        for part in (*expected, *log):
            assert part in failure
        assert "asked for /machine" not in failure, "the log of the test that passed"
