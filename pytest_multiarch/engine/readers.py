"""The one owner of what reads images in a run: the clients of registries and layouts, and the layers that they have read."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

from pytest_multiarch.image.credentials import DockerCredentials, KnownCredentials
from pytest_multiarch.image.layers import LayerStore
from pytest_multiarch.image.registry import RegistryClient
from pytest_multiarch.image.shelf import BorrowedFolder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_multiarch.engine.registry import Registry
    from pytest_multiarch.image.layout import LayoutClient
    from pytest_multiarch.image.layout_location import LayoutLocation

Client = TypeVar("Client", bound="RegistryClient | LayoutClient")


class Readers:
    """Make clients, and close them. Thread-safe.

    Args:
        mirrors: gives the mirrors of Docker Hub, asked once.
        plain_http: registries that are read without TLS, besides those on this machine.
        shared: says where the process that owns the run keeps its layers; without it this one does.

    """

    def __init__(
        self,
        mirrors: Callable[[], tuple[str, ...]],
        plain_http: tuple[str, ...] = (),
        shared: Callable[[], Path] | None = None,
    ) -> None:
        # One for all images: those of one base share most of what they read.
        self.layers = LayerStore(BorrowedFolder(shared) if shared is not None else None)
        self._mirrors = mirrors
        self._plain_http = plain_http
        self._clients: list[RegistryClient | LayoutClient] = []
        self._users: RegistryClient | None = None
        self._lock = threading.RLock()

    def users(self) -> RegistryClient:
        """Return the client that reads with the user's credentials and mirrors. Raises MultiArchError: they are broken."""
        with self._lock:
            if self._users is None:
                credentials = DockerCredentials.from_environment()
                client = RegistryClient(credentials, mirrors=self._mirrors(), plain_http=self._plain_http)
                self._users = self._kept(client)
            return self._users

    def of_registry(self, registry: Registry) -> RegistryClient:
        """Return a client of the throwaway registry."""
        credentials = KnownCredentials({registry.host: registry.credentials})
        return self._kept(RegistryClient(credentials, endpoints={registry.host: registry.url}))

    def of_layout(self, location: LayoutLocation) -> LayoutClient:
        """Return a client of an OCI layout. Raises `UsageProblem`: it is not there. Raises DocumentError: it is broken."""
        from pytest_multiarch.image.layout import LayoutClient

        return self._kept(LayoutClient(location))

    def stop(self) -> None:
        """End what is being read or copied: a run that stops waits for no registry."""
        with self._lock:
            for client in self._clients:
                if isinstance(client, RegistryClient):
                    client.stop()
            self.layers.stop()

    def close(self) -> None:
        """Close the clients, and remove the layers."""
        with self._lock:
            for client in self._clients:
                client.close()
            self.layers.close()

    def _kept(self, client: Client) -> Client:
        with self._lock:
            self._clients.append(client)
        return client
