"""One platform's image: its manifest, config and layers, read when they are asked for; running it, and auditing it.

Running is somebody else's work: whoever has an engine hands in a ``Runner``. So is judging: whoever has rules sets an
``Auditor``.
"""

from __future__ import annotations

import threading
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from pytest_multiarch.errors import MultiArchError
from pytest_multiarch.oci import ImageConfig, Manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from pytest_multiarch.audit.finding import Finding
    from pytest_multiarch.engine.mounts import Mounts
    from pytest_multiarch.engine.services import Service
    from pytest_multiarch.engine.waiting import WaitFor
    from pytest_multiarch.image.attestations import Attestation, AttestationReader, Provenance, Sbom
    from pytest_multiarch.image.filesystem import ImageFiles
    from pytest_multiarch.image.reference import Reference
    from pytest_multiarch.image.roles import Auditor, Layers, Runner
    from pytest_multiarch.image.source import ImageReader
    from pytest_multiarch.oci import Descriptor
    from pytest_multiarch.platforms import Platform
    from pytest_multiarch.results import CommandResult


class PlatformImage:
    """Give access to one platform's image. What was read is kept.

    ``platform`` is what the index says, ``config.platform`` what the image says of itself; they should agree.
    ``reference`` is the repository with the digest of this platform's manifest: it means the same image to every
    engine, whichever platforms it has pulled before. ``layers`` keeps what ``files`` reads, the client's own unless given.
    ``attested`` are the index's entries that hold attestations of this image; without an index nobody knows them.
    ``auditor`` gives what ``audit`` asks, when it is first needed; None where nobody has set it.
    """

    def __init__(
        self,
        client: ImageReader,
        repository: Reference,
        descriptor: Descriptor,
        platform: Platform,
        runner: Runner | None = None,
        layers: Layers | None = None,
        attested: Sequence[Descriptor] = (),
    ) -> None:
        self.client = client
        self.auditor: Callable[[], Auditor] | None = None
        self.descriptor = descriptor
        self.platform = platform
        self.reference = repository.with_digest(descriptor.digest)
        self._runner = runner
        self._manifest: Manifest | None = None
        self._config: ImageConfig | None = None
        self._store = layers
        self._files: ImageFiles | None = None
        self._files_lock = threading.Lock()
        self._attested = tuple(attested)

    def __repr__(self) -> str:
        return f"<PlatformImage {self.platform} {self.reference}>"

    @property
    def digest(self) -> str:
        """Return the digest of this platform's manifest."""
        return self.descriptor.digest

    @property
    def manifest(self) -> Manifest:
        """Return the manifest.

        Raises RegistryError, IntegrityError or DocumentError: it cannot be had, is another one, or is broken.
        """
        if self._manifest is None:
            raw = self.client.manifest(self.reference)
            self._manifest = Manifest.from_bytes(raw.data, f"the manifest of {self}", raw.media_type)
        return self._manifest

    @property
    def config(self) -> ImageConfig:
        """Return the image's configuration; raises what ``manifest`` raises."""
        if self._config is None:
            data = self.client.read_blob(self.reference, self.manifest.config)
            self._config = ImageConfig.from_bytes(data, f"the config of {self}")
        return self._config

    @property
    def layers(self) -> tuple[Descriptor, ...]:
        """Return the layers, the lowest first; raises what ``manifest`` raises."""
        return self.manifest.layers

    @property
    def size(self) -> int:
        """Return the bytes that pulling this image takes: config and layers, compressed, each content once.

        Raises what ``manifest`` raises.
        """
        blobs = (self.manifest.config, *self.layers)
        return sum({blob.digest: blob.size for blob in blobs}.values())

    @property
    def attestations(self) -> tuple[Attestation, ...]:
        """Return what is attested of this image, in the index's order.

        They are claims, and nothing here verifies who makes them. Raises DocumentError: a manifest or a statement is
        broken, or larger than the limits; else what ``manifest`` raises.
        """
        return self._attestation_reader.attestations

    @cached_property
    def _attestation_reader(self) -> AttestationReader:
        from pytest_multiarch.image.attestations import AttestationReader

        return AttestationReader(self.client, self.reference, self._attested)

    @property
    def provenance(self) -> Provenance | None:
        """Return how this image was built, None where the index does not say; only the provenance is read.

        Raises MultiArchError: it is said more than once; else what ``attestations`` raises.
        """
        return self._attestation_reader.provenance

    @property
    def sbom(self) -> Sbom | None:
        """Return the list of packages that was made when this image was built, None where there is none.

        Only SBOMs are read. Raises MultiArchError: there are several; else what ``attestations`` raises.
        """
        return self._attestation_reader.sbom

    @property
    def files(self) -> ImageFiles:
        """Return the files after all layers; the first use fetches what no other image of this run has fetched.

        Raises LayerError: a layer is broken, or larger than the limits; else what ``manifest`` raises.
        """
        with self._files_lock:
            if self._files is None:
                from pytest_multiarch.image.filesystem import open_files  # with all that unpacks layers

                self._files = open_files(self, self._store or self.client.layers)
            return self._files

    def run(
        self,
        args: Sequence[str] | None = None,
        *,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        workdir: str | None = None,
        stdin: str | bytes | None = None,
        mounts: Mounts = (),
        network: str | None = None,
        entrypoint: Sequence[str] | None = None,
        privileged: bool = False,
        cap_add: Sequence[str] = (),
        tty: bool = False,
        timeout: float | None = None,
        emulator_crash: Literal["raise", "return"] = "raise",
    ) -> CommandResult:
        """Run the image in a fresh container and return the result, whatever its exit code.

        ``args`` are given to the image's entrypoint; None is the image's own command. ``stdin`` is what it reads, and then
        the end. ``mounts`` are `Mount` values, or ``{"/host": "/container"}``. ``network`` is ``none``, ``host`` or a
        network's name. ``privileged``, ``cap_add`` (``NET_ADMIN``, with or without ``CAP_``; ``ALL``) and ``tty`` are docker's
        own: with a terminal all output is in ``stdout``, its lines end in CR LF, and there is no ``stdin``. ``timeout`` is
        in seconds, and scaled where the platform is emulated. What an emulator crashes at is run once more, and then raises
        EmulatorCrash, unless ``emulator_crash`` is ``return``: the result is then the program's, whatever it looks like.

        Raises ValueError: ``stdin`` is given beside ``tty``. Raises MultiArchError: this image was made without an engine;
        else what the engine raises.
        """
        return self._engine_of("run").run(
            self,
            args,
            env=env,
            user=user,
            workdir=workdir,
            stdin=stdin,
            mounts=mounts,
            network=network,
            entrypoint=entrypoint,
            privileged=privileged,
            cap_add=cap_add,
            tty=tty,
            timeout=timeout,
            emulator_crash=emulator_crash,
        )

    def start(
        self,
        args: Sequence[str] | None = None,
        *,
        ports: Sequence[int | str] = (),
        wait_for: WaitFor | None = None,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        workdir: str | None = None,
        mounts: Mounts = (),
        network: str | None = None,
        entrypoint: Sequence[str] | None = None,
        privileged: bool = False,
        cap_add: Sequence[str] = (),
        timeout: float | None = None,
    ) -> AbstractContextManager[Service]:
        """Start the image as a service: a context manager that gives it once it is ready, and removes it.

        ``ports`` are published on 127.0.0.1, on ports that the daemon chooses: ``8000``, ``"53/udp"``. ``wait_for`` is one
        or several of `PortOpen`, `HttpAnswers`, `LogLine`, `Healthy`, or testcontainers' strategies; None waits for each
        TCP port of ``ports``. ``timeout`` is in seconds, until it is ready. The others are as in ``run``.

        Raises MultiArchError: this image was made without an engine; else what the engine raises.
        """
        return self._engine_of("start").start(
            self,
            args,
            ports=ports,
            wait_for=wait_for,
            env=env,
            user=user,
            workdir=workdir,
            mounts=mounts,
            network=network,
            entrypoint=entrypoint,
            privileged=privileged,
            cap_add=cap_add,
            timeout=timeout,
        )

    def audit(self, *, select: Sequence[str] | None = None, ignore: Sequence[str] | None = None) -> tuple[Finding, ...]:
        """Return what is wrong with this image in itself, without running it: its index and siblings are not looked at.

        ``select`` and ``ignore`` name rules by code, by the beginning of a code, or by name; without them the run's own
        choice counts.

        Raises MultiArchError: this image was made without an auditor. Raises UsageProblem: a rule is not there. Else what
        reading the image raises.
        """
        if self.auditor is None:
            raise MultiArchError(
                f"audit {self}",
                "there is no auditor",
                "This image was opened for reading only; use pytest_multiarch.audit.audit_platform, or the platform_image fixture",
            )
        return self.auditor().platform_findings(self, select=select, ignore=ignore)

    def _engine_of(self, what: str) -> Runner:
        if self._runner is None:
            raise MultiArchError(
                f"{what} {self}",
                "there is no engine",
                "This image was opened for reading only; use the platform_image fixture",
            )
        return self._runner

    def __str__(self) -> str:
        return f"{self.reference.name} for {self.platform}"
