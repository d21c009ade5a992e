"""``/v1/tokens``: the tokens of the caller's account and namespace; making one for less, and taking one back."""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus

from flask import Blueprint, Response, jsonify, request

from pki.errors import MalformedError, ToolkitError
from registry.identity import Action, bearer_token
from registry.tokens import TokenRecord, derive_token, list_tokens, revoke_token
from registry.web.bodies import read_body
from registry.web.services import services
from skillpkg.strictjson import parse_strict_json

blueprint = Blueprint("tokens", __name__, url_prefix="/v1/tokens")

MAX_BODY = 1024
MAX_DAYS = 365


@blueprint.get("")
def show() -> Response:
    """Show what is known of the tokens; never a token itself."""
    used = services()
    with used.connect() as connection:
        identity = used.identify(connection)
        found = list_tokens(connection, identity, at=used.clock())
    return _private(jsonify({"tokens": [_describe(record) for record in found]}))


@blueprint.post("")
def make() -> Response:
    """Make a token and show it, for the only time."""
    used = services()
    with used.connect() as connection:
        identity = used.identify(connection)
    actions, days = _read_wish(read_body(types=frozenset({"application/json"}), limit=MAX_BODY))
    expires = used.clock() + timedelta(days=days)
    with used.connect() as connection:
        made = derive_token(connection, identity, _presented(), actions=actions, expires=expires)
    response = jsonify({"id": made.id, "token": made.token, "expires_at": expires.isoformat()})
    response.status_code = HTTPStatus.CREATED
    return _private(response)


@blueprint.delete("/<token_id>")
def revoke(token_id: str) -> Response:
    """Take a token back; all that were made from it go with it."""
    used = services()
    with used.connect() as connection:
        revoke_token(connection, used.identify(connection), _presented(), token_id)
    return Response(status=HTTPStatus.NO_CONTENT)


def _presented() -> str:
    return bearer_token(request.headers.get("Authorization")) or ""


def _read_wish(body: bytes) -> tuple[frozenset[Action], int]:
    try:
        document = parse_strict_json(body, limit=MAX_BODY)
    except ToolkitError as error:
        raise _malformed(error.message) from error
    if not isinstance(document, dict) or document.keys() != {"actions", "days"}:
        raise _malformed("another document")
    actions, days = document["actions"], document["days"]
    if not isinstance(days, int) or isinstance(days, bool) or not 1 <= days <= MAX_DAYS:
        raise _malformed(f"days {days!r:.20}")
    known = {action.value for action in Action}
    if not isinstance(actions, list) or not actions or not all(isinstance(a, str) and a in known for a in actions):
        raise _malformed("other actions")
    return frozenset(map(Action, actions)), days


def _describe(record: TokenRecord) -> dict[str, object]:
    return {
        "id": record.id,
        "namespace": record.namespace,
        "actions": list(record.actions),
        "created_at": record.created_at.isoformat(),
        "expires_at": record.expires_at.isoformat(),
        "parent": record.parent,
    }


def _private(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response


def _malformed(got: str) -> MalformedError:
    return MalformedError(
        f'body - expected {{"actions": [...], "days": 1 to {MAX_DAYS}}} - got {got}',
        code="REG-BODY",
        hint=f"actions are {', '.join(sorted(Action))}",
    )
