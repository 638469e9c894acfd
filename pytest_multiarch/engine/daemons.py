"""The daemons of a run: the main one, and those that platforms have of their own. Each is connected at its first use."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from pytest_multiarch.engine.docker import Engine

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_multiarch.engine.options import Node
    from pytest_multiarch.engine.patience import Patience
    from pytest_multiarch.platforms import Platform


class Daemons:
    """Connect to daemons, each once, and close the connections. Thread-safe."""

    def __init__(self, nodes: Sequence[Node], note: Callable[[str], None]) -> None:
        self._note = note
        self._patience: Patience | None = None
        self._nodes = tuple(nodes)
        self._main: Engine | None = None
        self._others: dict[str, Engine] = {}
        self._lock = threading.RLock()

    @property
    def connected(self) -> Engine | None:
        """Return the connection to the main daemon, None where nothing has asked for it."""
        return self._main

    def main(self) -> Engine:
        """Return the connection to the main daemon. Raises `EngineUnavailable`."""
        with self._lock:
            if self._main is None:
                self._main = Engine.connect(patience=self._waiting())
            return self._main

    def of(self, platform: Platform) -> Engine:
        """Return the daemon that runs a platform: its node's, else the main one. Raises `EngineUnavailable`."""
        for node in self._nodes:
            if node.platform == platform:
                with self._lock:
                    if node.endpoint not in self._others:
                        self._others[node.endpoint] = Engine.at(node.endpoint, patience=self._waiting())
                    return self._others[node.endpoint]
        return self.main()

    def of_nodes(self) -> list[tuple[Node, Engine]]:
        """Return the platforms' own daemons. Raises `EngineUnavailable`."""
        return [(node, self.of(node.platform)) for node in self._nodes]

    def end(self) -> None:
        """Wait no more for daemons that have gone away: the run is about to end."""
        with self._lock:
            if self._patience is not None:
                self._patience.end()

    def _waiting(self) -> Patience:
        if self._patience is None:
            from pytest_multiarch.engine.patience import Patience

            self._patience = Patience(self._note)
        return self._patience

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            for engine in [*self._others.values(), *([self._main] if self._main is not None else [])]:
                engine.close()
            self._others.clear()
            self._main = None
