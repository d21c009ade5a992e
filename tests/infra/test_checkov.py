"""What a linter of cloud deployments finds: nothing but what is accepted here, each with its reason."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from infra.recorded import Resource
from tests.infra.deployments import deployed
from tests.infra.terraform_plan import terraform_plan
from tests.real import require_real

ROOT = Path(__file__).resolve().parents[2]

ACCEPTED = {
    "CKV2_AWS_23": "an alias to CloudFront, of which the check knows no VPC origins",
    "CKV2_AWS_30": "statements are logged; the check does not follow a parameter group by its name",
    "CKV2_AWS_31": "the web ACL keeps samples; a full log would need a key of its own in another region",
    "CKV2_AWS_47": "no Java here, so no Log4j",
    "CKV2_AWS_5": "the operator's group belongs to tasks that are started by hand",
    "CKV2_AWS_57": "operators change the files when certificates or PINs change; RDS changes its own password",
    "CKV2_AWS_62": "nobody waits for events of the buckets",
    "CKV_AWS_144": "not replicated: versions are locked, and everything can be published again",
    "CKV_AWS_145": "what lies there is public, or a log that S3 and the load balancer write",
    "CKV_AWS_157": "the small profile has no standby",
    "CKV_AWS_161": "programs log in with passwords of their roles, which come as files",
    "CKV_AWS_192": "no Java here, so no Log4j",
    "CKV_AWS_259": "whether subdomains speak TLS, and are preloaded, is for the owner of the domain to say",
    "CKV_AWS_305": "the root belongs to the registry, not to the bucket",
    "CKV_AWS_310": "one store: there is nothing to fail over to",
    "CKV_AWS_332": "the platform's version is named, as everything is",
    "CKV_AWS_34": "/pki answers in plain http: RFC 5280 wants CRLs to be found without TLS",
    "CKV_AWS_374": "open to every country",
    "CKV_AWS_86": "not logged yet",
}
"""Checks that may fail, and why."""


def checkov() -> str:
    """Where the linter is."""
    found = shutil.which("checkov", path=str(ROOT / ".venv-checkov" / "bin")) or shutil.which("checkov")
    require_real("checkov", found is not None)
    assert found is not None
    return found


def findings(resources: Sequence[Resource], folder: Path) -> tuple[set[str], dict[str, Any]]:
    """The checks that failed, and the summary."""
    plan = folder / "plan.json"
    plan.write_text(json.dumps(terraform_plan(resources)))
    words = ["--framework", "terraform_plan", "--skip-download", "--compact", "--quiet", "-o", "json"]
    done = subprocess.run(
        [checkov(), "-f", str(plan), *words],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "LOG_LEVEL": "ERROR"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode in {0, 1}, done.stderr[-2000:]
    report = json.loads(done.stdout)
    return {one["check_id"] for one in report["results"]["failed_checks"]}, report["summary"]


def test_linter_finds_only_what_is_accepted(tmp_path: Path) -> None:
    resources = [one for one in deployed().resources if one.type.startswith("aws:")]
    failed, summary = findings(resources, tmp_path)
    assert failed == set(ACCEPTED)
    assert summary["resource_count"] == len(resources)
    assert summary["parsing_errors"] == 0
    assert summary["passed"] > 500


def test_planted_faults_are_found(tmp_path: Path) -> None:
    changes: dict[tuple[str, str], dict[str, Any]] = {
        ("Instance", "skreg"): {"storageEncrypted": False, "publiclyAccessible": True, "deletionProtection": False},
        ("BucketPublicAccessBlock", "skreg-store"): {"blockPublicAcls": False},
        ("LoadBalancer", "skreg-registry"): {"dropInvalidHeaderFields": False},
        ("Listener", "skreg-registry"): {"sslPolicy": "ELBSecurityPolicy-2016-08"},
        ("Repository", "skreg-programs"): {"imageTagMutability": "MUTABLE"},
        ("Distribution", "skreg"): {"viewerCertificate": {"minimumProtocolVersion": "TLSv1"}},
    }
    resources = [
        replace(one, inputs={**one.inputs, **changes.get((one.type.rsplit(":", maxsplit=1)[-1], one.name), {})})
        for one in deployed().resources
    ]
    failed, _ = findings(resources, tmp_path)
    wanted = {"CKV_AWS_16", "CKV_AWS_17", "CKV_AWS_293", "CKV_AWS_53", "CKV_AWS_131", "CKV_AWS_103", "CKV_AWS_51"}
    assert wanted | {"CKV_AWS_174"} <= failed - set(ACCEPTED)
