"""The user's credential helpers: started, and asked what they know of, without asking for any secret."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

from pytest_multiarch.engine.doctor.check import Check
from pytest_multiarch.engine.overlay import read_config, user_docker_folder
from pytest_multiarch.engine.process import run
from pytest_multiarch.errors import MultiArchError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_LIMIT = 15.0  # seconds; a helper may wait for a keyring to be unlocked


def check_credentials() -> Check:
    """Say for how many registries there are logins, and whether each helper that the configuration names works."""
    path = user_docker_folder() / "config.json"
    try:
        config = read_config(path)
    except MultiArchError as error:
        return Check.of_error("credentials", error)
    helpers = _helpers(config)
    found = {helper: _try(helper) for helper in helpers}
    broken = [f"docker-credential-{helper}: {said}" for helper, said in found.items() if said]
    stored = len(config.get("auths") or {})
    facts = {"logins": stored, "helpers": {helper: not said for helper, said in found.items()}}
    if broken:
        return Check(
            "credentials",
            "warning",
            "; ".join(broken),
            f"Repair it, or take it out of {path}: builds stop at registries that it is asked for.",
            facts,
        )
    named = f"helpers that work: {', '.join(helpers)}" if helpers else "no helper"
    return Check("credentials", "ok", f"{stored} registries in the configuration, {named}", facts=facts)


def _helpers(config: Mapping[str, Any]) -> list[str]:
    named = [config.get("credsStore"), *(config.get("credHelpers") or {}).values()]
    return list(dict.fromkeys(name for name in named if isinstance(name, str) and name))


def _try(helper: str) -> str:
    """Return what is wrong with a helper; ``list`` gives registries and user names, and no secret."""
    program = None if "/" in helper or os.sep in helper else shutil.which(f"docker-credential-{helper}")
    if program is None:
        return "there is no such program on PATH"
    try:
        outcome = run([program, "list"], env=os.environ, limit=_LIMIT)
    except MultiArchError as error:
        return error.found
    if outcome.exit_code != 0:
        return f"exit code {outcome.exit_code}"  # not its words: they may hold what it keeps
    try:
        return "" if isinstance(json.loads(outcome.stdout or "{}"), dict) else "its answer is no JSON object"
    except ValueError:
        return "its answer is not JSON"
