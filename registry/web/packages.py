"""``GET /v1/packages/...`` and taking versions back: ``yank``, ``unyank``.

What these say is for people looking around; what counts is the signed listing.
"""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from pki.errors import MalformedError, NotFoundError
from registry.catalog import PublishedVersion, find_version, published_versions, set_status
from registry.identity import Action
from registry.web.services import services
from skillpkg.names import Namespace, PackageName, Version

blueprint = Blueprint("packages", __name__, url_prefix="/v1/packages")


@blueprint.get("/<namespace>/<name>")
def show_package(namespace: str, name: str) -> Response:
    """Show a package's versions, the oldest first."""
    _require_names(namespace, name)
    with services().connect() as connection:
        versions = published_versions(connection, namespace, name)
    if not versions:
        raise NotFoundError(f"package {namespace[:40]}/{name[:64]} - expected a published one", code="REG-NO-PACKAGE")
    return jsonify({"namespace": namespace, "name": name, "versions": [_describe(version) for version in versions]})


@blueprint.get("/<namespace>/<name>/<version>")
def show_version(namespace: str, name: str, version: str) -> Response:
    """Show one version."""
    _require_names(namespace, name, version)
    with services().connect() as connection:
        return jsonify(_describe(find_version(connection, namespace, name, version)))


@blueprint.post("/<namespace>/<name>/<version>/yank")
def yank(namespace: str, name: str, version: str) -> Response:
    """Take a version back: nobody gets it any more without having it in a lock file."""
    return _change(namespace, name, version, "yanked")


@blueprint.post("/<namespace>/<name>/<version>/unyank")
def unyank(namespace: str, name: str, version: str) -> Response:
    """Undo :func:`yank`."""
    return _change(namespace, name, version, "live")


def _change(namespace: str, name: str, version: str, status: str) -> Response:
    used = services()
    with used.connect() as connection:
        identity = used.identify(connection)
        identity.require(namespace, Action.YANK)
        _require_names(namespace, name, version)
        found = find_version(connection, namespace, name, version)
        set_status(connection, found, status, actor=identity.account_id)
        return jsonify(_describe(find_version(connection, namespace, name, version)))


def _require_names(namespace: str, name: str, version: str | None = None) -> None:
    """Answer for what cannot be a package's name as for one that nobody published, without asking the database."""
    try:
        Namespace(namespace)
        PackageName(name)
        if version is not None:
            Version(version)
    except MalformedError as error:
        raise NotFoundError(
            f"package - expected a published one - got {error.message}", code="REG-NO-PACKAGE"
        ) from error


def _describe(version: PublishedVersion) -> dict[str, object]:
    return {
        "namespace": version.namespace,
        "name": version.name,
        "version": version.version,
        "sha256": version.sha256,
        "size": version.size,
        "tier": version.tier.value,
        "signed_at": version.gen_time.isoformat(),
        "status": version.status,
    }
