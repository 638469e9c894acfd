"""The command `python -m pytest_multiarch.audit`: print the page of all rules, which is committed as docs/audit-rules.md."""

from __future__ import annotations

import sys

from pytest_multiarch.audit.builtin import builtin_rules
from pytest_multiarch.audit.page import rules_page

if __name__ == "__main__":
    sys.stdout.write(rules_page(builtin_rules()))
