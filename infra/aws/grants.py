"""Permissions: what each sentence means in IAM and in the network.

====================  ================================================================================================
read an area          ``s3:GetObject`` on its keys; ``s3:ListBucket``, without which S3 answers 403 for what is missing
write an area         ``s3:PutObject`` on its keys. Nobody gets a right to delete, or to lift a lock
sign with a key       KMS: ``kms:Sign`` with that key and one algorithm; CloudHSM: the way to the cluster
connect to something  the network lets it through, on one port
====================  ================================================================================================
"""

from __future__ import annotations

from pulumi import Output
from pulumi_aws import iam

from infra.aws.database import PORT, AwsDatabase
from infra.aws.identity import AwsIdentity
from infra.aws.keys import HSM_PORTS, AwsSigningKeys
from infra.aws.network import HTTPS, let_in, let_through
from infra.aws.place import own
from infra.aws.policies import document, statement
from infra.aws.services import AwsService
from infra.aws.storage import AwsStorage
from infra.errors import InfraError
from infra.interfaces import Area, Grantable, Key, Verb


def grant(who: AwsIdentity, verb: Verb, what: Grantable) -> None:
    """Allow something; arguments and errors as :meth:`infra.cloud.Cloud.grant`."""
    match verb, what:
        case Verb.READ, Area():
            _read(who, what)
        case Verb.WRITE, Area():
            _write(who, what)
        case Verb.SIGN, Key():
            _sign(who, what)
        case Verb.CONNECT, AwsDatabase():
            let_through(f"{who.name}-database", who.group, what.group, PORT, who.child)
        case Verb.CONNECT, AwsService() if what.port is not None:
            let_through(f"{who.name}-{what.name}", who.group, what.identity.group, what.port, who.child)
        case _:
            raise InfraError(
                f"permission - expected a sentence - got {who.name} may {verb} {type(what).__name__}", code="INF-GRANT"
            )


def _read(who: AwsIdentity, area: Area) -> None:
    bucket = own(area.storage, AwsStorage).bucket
    _policy(
        who,
        f"read-{_word(area.prefix)}",
        statement(["s3:GetObject"], [Output.concat(bucket.arn, f"/{area.prefix}*")]),
        statement(["s3:ListBucket"], [bucket.arn]),
    )


def _write(who: AwsIdentity, area: Area) -> None:
    bucket = own(area.storage, AwsStorage).bucket
    if not area.prefix:
        raise InfraError(f"permission - expected a part of the store - got {who.name} may write all", code="INF-GRANT")
    _policy(
        who,
        f"write-{_word(area.prefix)}",
        statement(["s3:PutObject"], [Output.concat(bucket.arn, f"/{area.prefix}*")]),
    )


def _sign(who: AwsIdentity, key: Key) -> None:
    keys = own(key.keys, AwsSigningKeys)
    if keys.cluster is not None:
        first, last = HSM_PORTS
        # One way does for all keys of one program: users of the modules, not addresses, tell keys apart.
        if not who.reaches_hsm:
            who.reaches_hsm = True
            let_in(f"{who.name}-hsm", who.group.id, keys.cluster.security_group_id, first, who.child, up_to=last)
        return
    made = keys.key(key.name)
    _policy(
        who,
        f"sign-{key.name}",
        statement(
            ["kms:Sign"],
            [made.arn],
            condition={"StringEquals": {"kms:SigningAlgorithm": keys.algorithm(key.name)}},
        ),
        statement(["kms:GetPublicKey", "kms:DescribeKey"], [made.arn]),
    )
    if not who.reaches_kms:
        who.reaches_kms = True
        let_through(f"{who.name}-kms", who.group, who.network.key_endpoint, HTTPS, who.child)


def _policy(who: AwsIdentity, name: str, *statements: dict[str, object]) -> None:
    iam.RolePolicy(f"{who.name}-{name}", role=who.role.id, policy=document(*statements), opts=who.child)


def _word(prefix: str) -> str:
    return prefix.strip("./").replace("/", "-") or "all"
