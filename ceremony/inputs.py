"""Everything a ceremony starts from, read from disk: the plan, earlier ceremonies, certificate requests.

Rules:
    * Paths in a plan are relative to the plan.

Example::

    inputs = load_inputs(Path("root.yaml"), at=at)
    inputs.plan.kind
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ceremony.continuity import check_continuity
from ceremony.plan import Plan
from ceremony.plan_file import parse_plan
from ceremony.previous import Previous, before_root, load_previous
from ceremony.strictyaml import MAX_YAML_BYTES
from pki.csr import MAX_CSR_SIZE, VerifiedCsr, parse_csr
from pki.errors import MalformedError, NotFoundError


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What a ceremony starts from.

    Attributes:
        plan: What is to be done.
        previous: Earlier ceremonies, verified.
        requests: Certificate requests, by the certificate's name.
    """

    plan: Plan
    previous: Previous
    requests: Mapping[str, VerifiedCsr]


def load_inputs(file: Path, *, at: datetime) -> Inputs:
    """Read a plan and what it names.

    Args:
        file: The plan.
        at: The moment.

    Raises:
        MalformedError: plan or request are not of their form (CER-*, CSR-*).
        NotFoundError: a file is missing (CER-FILE, CER-INCOMPLETE).
        TrustError: an earlier ceremony does not verify (CER-*).
        PolicyError: the plan does not agree with earlier ceremonies (CER-*).
    """
    plan = parse_plan(read_file(file, MAX_YAML_BYTES))
    base = file.parent
    root = plan.task.root
    previous = before_root(root) if root is not None else load_previous([base / path for path in plan.task.previous])
    requests = {
        item.name: parse_csr(read_file(base / item.request, MAX_CSR_SIZE))
        for item in plan.task.certificates
        if item.request is not None
    }
    check_continuity(plan, previous, requests, at=at)
    return Inputs(plan=plan, previous=previous, requests=requests)


def read_file(path: Path, limit: int) -> bytes:
    """Return a file's content.

    Args:
        path: Where.
        limit: In bytes.

    Raises:
        NotFoundError: it cannot be read (CER-FILE).
        MalformedError: it is longer (CER-FILE).
    """
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise NotFoundError(f"{path} cannot be read: {error.strerror}", code="CER-FILE") from error
    if len(data) > limit:
        raise MalformedError(f"{path} - expected at most {limit} bytes - got more", code="CER-FILE")
    return data
