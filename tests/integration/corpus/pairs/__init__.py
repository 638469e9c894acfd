"""All pairs of the corpus."""

from __future__ import annotations

from tests.integration.corpus.pairs import code, contents, dockerfiles, indexes, parity

PAIRS = (*indexes.PAIRS, *code.PAIRS, *contents.PAIRS, *parity.PAIRS, *dockerfiles.PAIRS)
