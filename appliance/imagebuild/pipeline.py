"""The whole build: which layers are missing, and what can be made side by side.

Two tracks run at once: the appliance's Debian (one processor for most of a minute), and beside it the
builder tree, OpenStack's environment and the schemas, which need no more of Debian than Python and MariaDB.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imagebuild import base, debian, openstack, pipconf, preflight, schemas, secrets_check, tools, viaduct
from imagebuild.errors import BuildError
from imagebuild.hashing import digest, read_list
from imagebuild.progress import Reporter
from imagebuild.sandbox import Sandbox
from imagebuild.store import Store, remove

VERSION = "0.1.0"
SYSTEM_CA = "/etc/ssl/certs/ca-certificates.crt"


@dataclass(frozen=True)
class Options:
    """What the caller chose. `drivers` is None for an image without our drivers."""

    state: Path
    recipe: Path
    drivers: Path | None
    mirror: str | None = None
    security_mirror: str | None = None


@dataclass(frozen=True)
class Plan:
    """The layers' folders, named by the hashes of their inputs, and the image's id."""

    base: Path
    openstack: Path
    schemas: Path
    viaduct: Path
    builder: Path
    image_id: str

    @property
    def layers(self) -> list[Path]:
        """All layers, bottom to top."""
        return [self.base, self.openstack, self.schemas, self.viaduct]


def make_plan(store: Store, options: Options) -> Plan:
    """Hash the recipe. Reads files only."""
    recipe = options.recipe
    refreshed = [moment] if (moment := store.packages_as_of()) else []
    base_hash = base.content_hash(recipe)
    if refreshed:
        base_hash = digest([base_hash, *refreshed])
    openstack_hash = openstack.content_hash(recipe)
    schemas_hash = schemas.content_hash(openstack_hash)
    parent = digest([base_hash, openstack_hash, schemas_hash])
    viaduct_hash = viaduct.content_hash(recipe, options.drivers, parent)
    debian_source = Path(debian.__file__).read_bytes()
    builder_hash = digest([*read_list(recipe / "builder-packages.txt"), debian_source, *refreshed])
    return Plan(
        base=store.layer("base", base_hash),
        openstack=store.layer("openstack", openstack_hash),
        schemas=store.layer("schemas", schemas_hash),
        viaduct=store.layer("viaduct", viaduct_hash),
        builder=store.cache / f"builder-{builder_hash}",
        image_id=f"{VERSION}-{digest([VERSION, parent, viaduct_hash])}",
    )


class Build:
    """One run of the builder, under the store's lock."""

    def __init__(self, store: Store, options: Options, reporter: Reporter) -> None:
        self._store = store
        self._options = options
        self._reporter = reporter
        self._sandbox = Sandbox()
        self._plan = make_plan(store, options)

    def run(self) -> Path:
        """Make what is missing; returns the image's folder."""
        plan, store = self._plan, self._store
        image = store.images / plan.image_id
        if all(layer.is_dir() for layer in plan.layers) and (image / "manifest.json").is_file():
            self._reporter.emit("image", f"Appliance {plan.image_id}: nothing to build", "cached")
            return store.publish(plan.image_id, {})
        preflight.check_space(store.state)
        openstack.rescue_cache(store.layers, store.cache / "uv")
        store.clear_leftovers(plan.builder)
        scratch = store.temporary(store.cache, "scratch")
        try:
            self._build_layers(scratch)
        finally:
            remove(scratch)
        return store.publish(plan.image_id, self._manifest())

    def _build_layers(self, scratch: Path) -> None:
        plan = self._plan
        with ThreadPoolExecutor(2) as pool:
            tracks = [
                pool.submit(self._base_track, scratch),
                pool.submit(self._openstack_track, scratch),
            ]
            try:
                done, _running = wait(tracks, return_when=FIRST_EXCEPTION)
                for track in done:
                    track.result()
            except BaseException:
                self._sandbox.stop()
                raise
        self._layer("viaduct", "Drivers and configuration", plan.viaduct, self._make_viaduct(scratch))

    def _layer(self, step: str, title: str, final: Path, make: Callable[[Path], None]) -> None:
        """Make one layer unless it is there."""
        if final.is_dir():
            self._reporter.emit(step, title, "cached")
            return
        with self._reporter.step(step, title):
            target = self._store.temporary(final.parent, final.name)
            make(target)
            self._store.commit(target, final)

    def _archives(self) -> debian.Archives:
        return debian.machine_archives(self._options.mirror, self._options.security_mirror)

    def _base_track(self, scratch: Path) -> None:
        def make(target: Path) -> None:
            base.build(
                self._sandbox,
                self._options.recipe,
                target,
                scratch / "base",
                self._archives(),
                self._store.cache / "apt-base",
                self._store.fresh_log("base"),
            )

        self._layer("base", "Debian with MariaDB, RabbitMQ, HAProxy and Open vSwitch", self._plan.base, make)

    def _openstack_track(self, scratch: Path) -> None:
        plan = self._plan
        if plan.openstack.is_dir() and plan.schemas.is_dir():
            self._reporter.emit("openstack", "OpenStack's Python environment", "cached")
            self._reporter.emit("schemas", "Database schemas", "cached")
            return
        self._layer(
            "builder", "Build tree with Python, compiler and MariaDB", plan.builder, self._make_builder
        )
        self._layer(
            "openstack", "OpenStack's Python environment", plan.openstack, self._make_openstack(scratch)
        )
        self._layer("schemas", "Database schemas", plan.schemas, self._make_schemas(scratch))

    def _make_builder(self, target: Path) -> None:
        debian.bootstrap(
            self._sandbox,
            target,
            read_list(self._options.recipe / "builder-packages.txt"),
            self._archives(),
            self._store.cache / "apt-builder",
            self._store.fresh_log("builder"),
        )

    def _make_openstack(self, scratch: Path) -> Callable[[Path], None]:
        def make(target: Path) -> None:
            log = self._store.fresh_log("openstack")
            options = pipconf.read_pip_options(pipconf.pip_config_files(os.environ), os.environ)
            with self._reporter.step("openstack.install", "Installing OpenStack's packages"):
                openstack.install(
                    self._sandbox,
                    self._plan.builder,
                    self._options.recipe / "openstack.lock",
                    target,
                    scratch / "install",
                    self._uv(log),
                    pipconf.to_uv(options, os.environ, SYSTEM_CA),
                    self._store.cache / "uv",
                    log,
                )
            with self._reporter.step("openstack.bytecode", "Compiling bytecode"):
                openstack.compile_bytecode(
                    self._sandbox, [self._plan.builder], target, scratch / "compile", 2, log
                )

        return make

    def _make_schemas(self, scratch: Path) -> Callable[[Path], None]:
        def make(target: Path) -> None:
            layers = [self._plan.builder, self._plan.openstack]
            log = self._store.fresh_log("schemas")
            schemas.build(self._sandbox, layers, target, scratch / "schemas", log)

        return make

    def _make_viaduct(self, scratch: Path) -> Callable[[Path], None]:
        def make(target: Path) -> None:
            plan, options = self._plan, self._options
            log = self._store.fresh_log("viaduct")
            layers = [plan.base, plan.openstack]
            viaduct.configure(self._sandbox, layers, options.recipe, target, scratch / "configure", log)
            if options.drivers is not None:
                viaduct.install_drivers(
                    self._sandbox, layers, options.drivers, target, scratch / "drivers", self._uv(log), log
                )
            viaduct.describe(target, self._description())
            self._check_secrets([*plan.layers[:-1], target])

        return make

    def _check_secrets(self, layers: list[Path]) -> None:
        words = [word for line in self._archives().lines for word in line.split() if "://" in word]
        found = secrets_check.problems(layers, words)
        if found:
            listed = "; ".join(found[:10])
            raise BuildError(
                "E_SECRET", f"The image would not be the same for all: {listed}.", "Fix the recipe."
            )

    def _uv(self, log: Path) -> Path:
        lock = self._options.recipe.parent / "requirements" / "bootstrap.lock"
        return tools.find_uv(self._store, lock, log)

    def _description(self) -> dict[str, Any]:
        return {
            "id": self._plan.image_id,
            "version": VERSION,
            "revisions": schemas.revisions(self._plan.schemas),
        }

    def _manifest(self) -> dict[str, Any]:
        layers = [f"../layers/{layer.name}" for layer in self._plan.layers]
        described = self._description()
        return {
            "id": described["id"],
            "version": described["version"],
            "layers": layers,
            "revisions": described["revisions"],
        }


def read_manifest(image: Path) -> dict[str, Any]:
    """An image's manifest."""
    manifest: dict[str, Any] = json.loads((image / "manifest.json").read_text())
    return manifest
