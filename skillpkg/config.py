"""What a person configured: registries by name, their roots, and who they are when they publish.

``~/.config/skreg/config.toml`` (or below ``$XDG_CONFIG_HOME``)::

    default = "main"  # the registry used when none is named; optional if there is only one
    namespace = "acme"  # for pack; optional
    author = "Acme Ltd"  # for pack; optional

    [registries.main]
    registry = "https://skills.example"  # who it is: what its listings must say
    base = "file:///media/usb"  # where its bytes come from, if not from there
    root = "root.pem"  # its root certificate, beside this file; then SKREG_ROOT is refused
    namespaces = ["acme"]  # these come from here and nowhere else
    mirror = true  # its files may be old,
    max_age = "30d"  # but not older than that (at most 90 d)

Rules:
    * Unknown keys, wrong types and contradictions stop the program: ``ConfigurationError``, ``CLI-CONFIG``.
    * A namespace belongs to at most one registry, so that nobody else can serve a private name.
    * Nothing here can turn verification off.
    * The environment gives places (``HOME``, ``XDG_*``) and ``SKREG_ROOT``; no secret.

Example::

    settings = Settings.from_env(os.environ)
    config = load_config(settings.config_file)
    registry = config.choose(None, namespace="acme")
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from pki.errors import ConfigurationError, MalformedError, NotFoundError

MAX_CONFIG_BYTES = 262_144
"""Hundreds of registries; more is some other file."""

MAX_MIRROR_AGE = timedelta(days=90)
"""A mirror older than this knows too little about revocation to install from."""

_AGE = re.compile(r"([1-9][0-9]{0,3})([dh])")
_TOP_KEYS = {"default": str, "namespace": str, "author": str, "registries": dict}
_REGISTRY_KEYS = {"registry": str, "base": str, "root": str, "namespaces": list, "mirror": bool, "max_age": str}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The places this program may use, and the root named by the environment.

    Attributes:
        home: The person's home folder.
        config_folder: Configuration and credentials.
        cache_folder: Copies that can be fetched again.
        state_folder: What was seen before: the floors that make going back impossible.
        root: ``SKREG_ROOT``, or ``None``.
    """

    home: Path
    config_folder: Path
    cache_folder: Path
    state_folder: Path
    root: Path | None = None

    @property
    def config_file(self) -> Path:
        """Where the configuration is."""
        return self.config_folder / "config.toml"

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Settings:
        """Read the environment.

        Args:
            environ: The process's.

        Returns:
            The settings.

        Raises:
            ConfigurationError: ``CLI-ENVIRONMENT`` - no home, or a path that is not absolute.
        """
        home = _absolute(environ, "HOME")
        if home is None:
            raise ConfigurationError("HOME is not set", code="CLI-ENVIRONMENT", hint="set HOME to a folder of yours")
        root = environ.get("SKREG_ROOT")
        return cls(
            home=home,
            config_folder=(_absolute(environ, "XDG_CONFIG_HOME") or home / ".config") / "skreg",
            cache_folder=(_absolute(environ, "XDG_CACHE_HOME") or home / ".cache") / "skreg",
            state_folder=(_absolute(environ, "XDG_STATE_HOME") or home / ".local" / "state") / "skreg",
            root=Path(root) if root else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryConfig:
    """One registry.

    Attributes:
        name: What the person calls it; the address for one that is not configured.
        registry: Its identity, as its listings state it; ``None`` if only a folder is known.
        base: Where its bytes come from.
        root: Its root certificate, or ``None`` for the usual one.
        namespaces: Bound to it.
        max_age: How old a mirror's listings and CRLs may be; zero for no mirror.
    """

    name: str
    registry: str | None
    base: str
    root: Path | None = None
    namespaces: tuple[str, ...] = ()
    max_age: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All of the configuration.

    Attributes:
        registries: In the order of the file.
        default: Name of the usual one, or ``None``.
        namespace: For pack, or ``None``.
        author: For pack, or ``None``.
    """

    registries: tuple[RegistryConfig, ...] = ()
    default: str | None = None
    namespace: str | None = None
    author: str | None = None

    def choose(self, named: str | None, *, namespace: str | None = None) -> RegistryConfig:
        """Decide which registry is meant.

        Args:
            named: A configured name or an address, from the command line; ``None`` if none was given.
            namespace: The namespace that is asked for, if known.

        Returns:
            The registry.

        Raises:
            ConfigurationError: ``CLI-NAMESPACE-BOUND`` - the namespace belongs to another one;
                ``CLI-NO-REGISTRY`` - none is named, bound, default or embedded.
            NotFoundError: ``CLI-REGISTRY`` - there is none of that name.
        """
        bound = next((entry for entry in self.registries if namespace in entry.namespaces), None)
        chosen = self._named(named) if named else bound or self._usual()
        if bound is not None and chosen.name != bound.name:
            raise ConfigurationError(
                f"namespace {namespace} belongs to registry {bound.name}, not to {chosen.name}",
                code="CLI-NAMESPACE-BOUND",
                hint=f"the configuration binds it, so that nobody else can serve it; --registry {bound.name}",
            )
        return chosen

    def usual(self) -> RegistryConfig | None:
        """Return the registry that is meant when none is named.

        Returns:
            It, or ``None`` if that is not clear.
        """
        try:
            return self._usual()
        except ConfigurationError:
            return None

    def _named(self, named: str) -> RegistryConfig:
        from skillpkg.transport import check_address

        for entry in self.registries:
            if named == entry.name:
                return entry
        if "://" not in named:
            known = ", ".join(entry.name for entry in self.registries)
            raise NotFoundError(
                f"no registry {named!r} is configured",
                code="CLI-REGISTRY",
                hint=f"known: {known}" if known else "give an address: --registry https://...",
            )
        address = check_address(named)
        for entry in self.registries:
            if address in {entry.registry, entry.base}:
                return entry
        return unconfigured(address)

    def _usual(self) -> RegistryConfig:
        if self.default is not None:
            return self._named(self.default)
        if len(self.registries) == 1:
            return self.registries[0]
        from skillpkg.embedded import embedded_registry

        if (address := embedded_registry()) is not None:
            return unconfigured(address)
        raise ConfigurationError(
            "no registry is named", code="CLI-NO-REGISTRY", hint="give --registry URL, or configure a default"
        )


def unconfigured(address: str) -> RegistryConfig:
    """Describe a registry known by its address only.

    Args:
        address: Checked by :func:`skillpkg.transport.check_address`.

    Returns:
        It; a ``file://`` folder does not know its identity before it is read.
    """
    return RegistryConfig(name=address, registry=None if address.startswith("file:") else address, base=address)


def load_config(file: Path) -> Config:
    """Read the configuration.

    Args:
        file: Need not exist.

    Returns:
        The configuration; an empty one without a file.

    Raises:
        ConfigurationError: ``CLI-CONFIG`` - it cannot be read, or breaks a rule.
    """
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_CONFIG_BYTES + 1)
    except FileNotFoundError:
        return Config()
    except OSError as error:
        raise ConfigurationError(f"{file}: {error.strerror}", code="CLI-CONFIG") from error
    try:
        return parse_config(content, folder=file.parent)
    except MalformedError as error:
        raise ConfigurationError(f"{file}: {error.message}", code="CLI-CONFIG", hint=error.hint) from error


def parse_config(content: bytes, *, folder: Path) -> Config:
    """Parse the configuration.

    Args:
        content: TOML.
        folder: What relative paths start from.

    Returns:
        The configuration.

    Raises:
        MalformedError: ``CLI-CONFIG``.
    """
    import tomllib

    if len(content) > MAX_CONFIG_BYTES:
        raise MalformedError(f"larger than {MAX_CONFIG_BYTES} bytes", code="CLI-CONFIG")
    try:
        table = tomllib.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"not TOML: {error}", code="CLI-CONFIG") from error
    _check_keys(table, _TOP_KEYS, where="")
    registries = tuple(_registry(name, entry, folder) for name, entry in table.get("registries", {}).items())
    _check_bindings(registries)
    default = table.get("default")
    if default is not None and default not in {entry.name for entry in registries}:
        raise MalformedError(f"default: no registry {default!r} below", code="CLI-CONFIG")
    return Config(registries=registries, default=default, namespace=table.get("namespace"), author=table.get("author"))


def parse_age(text: str) -> timedelta:
    """Parse an age such as ``30d`` or ``48h``.

    Args:
        text: A number and ``d`` or ``h``.

    Returns:
        The age, at most :data:`MAX_MIRROR_AGE`.

    Raises:
        MalformedError: ``CLI-CONFIG``.
    """
    match = _AGE.fullmatch(text)
    age = None if match is None else timedelta(**{"days" if match[2] == "d" else "hours": int(match[1])})
    if age is None or age > MAX_MIRROR_AGE:
        raise MalformedError(f"expected an age such as 30d or 48h, at most 90d, got {text!r}", code="CLI-CONFIG")
    return age


def _registry(name: str, entry: object, folder: Path) -> RegistryConfig:
    from skillpkg.transport import check_address

    where = f"registries.{name}."
    if not isinstance(entry, dict):
        raise MalformedError(f"registries.{name}: expected a table", code="CLI-CONFIG")
    _check_keys(entry, _REGISTRY_KEYS, where=where)
    if "registry" not in entry:
        raise MalformedError(f"{where}registry is missing", code="CLI-CONFIG")
    namespaces = entry.get("namespaces", [])
    if not all(isinstance(namespace, str) for namespace in namespaces):
        raise MalformedError(f"{where}namespaces: expected strings", code="CLI-CONFIG")
    if entry.get("mirror", False) is not ("max_age" in entry):
        raise MalformedError(f"{where}mirror = true and max_age belong together", code="CLI-CONFIG")
    try:
        registry = check_address(entry["registry"])
        base = check_address(entry.get("base", registry))
    except ConfigurationError as error:
        raise MalformedError(f"{where}{error.message}", code="CLI-CONFIG", hint=error.hint) from error
    return RegistryConfig(
        name=name,
        registry=registry,
        base=base,
        root=folder / entry["root"] if "root" in entry else None,
        namespaces=tuple(namespaces),
        max_age=parse_age(entry["max_age"]) if "max_age" in entry else timedelta(0),
    )


def _check_bindings(registries: tuple[RegistryConfig, ...]) -> None:
    owner: dict[str, str] = {}
    for entry in registries:
        for namespace in entry.namespaces:
            if owner.setdefault(namespace, entry.name) != entry.name:
                raise MalformedError(
                    f"namespace {namespace} is bound to both {owner[namespace]} and {entry.name}", code="CLI-CONFIG"
                )


def _check_keys(table: Mapping[str, object], known: Mapping[str, type], *, where: str) -> None:
    for key, value in table.items():
        if key not in known:
            raise MalformedError(f"unknown key {where}{key}", code="CLI-CONFIG", hint=f"known: {', '.join(known)}")
        if not isinstance(value, known[key]):
            raise MalformedError(f"{where}{key}: expected a {known[key].__name__}", code="CLI-CONFIG")


def _absolute(environ: Mapping[str, str], name: str) -> Path | None:
    value = environ.get(name)
    if not value:
        return None
    if not Path(value).is_absolute():
        raise ConfigurationError(f"{name}: expected an absolute path, got {value!r}", code="CLI-ENVIRONMENT")
    return Path(value)
