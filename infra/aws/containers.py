"""The containers of a task, as ECS wants them: JSON, with the names of its API.

Rules:
    * No root, no capability, no writing but to ``/tmp`` and, once, to the files' folder.
    * Secrets are given to a first container alone, which writes them as files and ends; the program starts after it and
      has none in its environment.
    * Images are named by digest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi import Input, Output

from infra.interfaces import ServiceArgs
from infra.programs import FILES

USER = "65532:65532"
PROGRAM = "program"
FILES_COMMAND = ("python", "/opt/skreg/share/place_files.py")
STOP_SECONDS = 60
"""Time to finish after SIGTERM; more than the programs take for a request or a job's step."""


def containers(
    args: ServiceArgs,
    *,
    image: Input[str],
    secret: Input[str] | None,
    secret_files: tuple[str, ...],
    log_group: Input[str],
    region: str,
) -> Output[str]:
    """Return the definitions of a service's containers.

    Args:
        args: The service.
        image: Its image, with digest.
        secret: ARN of the secret with its files.
        secret_files: Names of those files.
        log_group: Where its logs go.
        region: Of the logs.
    """
    logs = {
        "logDriver": "awslogs",
        "options": {"awslogs-group": log_group, "awslogs-region": region, "awslogs-stream-prefix": "task"},
    }
    program = {
        **_base(PROGRAM, image, args.command, logs),
        "essential": True,
        # boto3 asks for it, to find the bucket's endpoint and no other.
        "environment": _pairs({**args.environment, "AWS_DEFAULT_REGION": region}),
        "mountPoints": [_mount("tmp", "/tmp", read_only=False)],  # noqa: S108 - a volume of this task alone
        "stopTimeout": STOP_SECONDS,
    }
    if args.port is not None:
        program["portMappings"] = [{"containerPort": args.port, "protocol": "tcp"}]
    if args.health is not None:
        program["healthCheck"] = {
            "command": ["CMD", *args.health],
            "interval": 30,
            "timeout": 5,
            "retries": 3,
            "startPeriod": 120,
        }
    if secret is None:
        return pulumi.Output.json_dumps([program])
    program["mountPoints"].append(_mount("files", FILES, read_only=True))
    program["dependsOn"] = [{"containerName": "files", "condition": "SUCCESS"}]
    files = {
        **_base("files", image, FILES_COMMAND, logs),
        "essential": False,
        **_sources(secret, secret_files),
        "mountPoints": [_mount("files", FILES, read_only=False)],
    }
    return pulumi.Output.json_dumps([files, program])


def _sources(secret: Input[str], secret_files: tuple[str, ...]) -> dict[str, Any]:
    """Environment and secrets of the first container: which file's content is in which variable."""
    names = {path: f"FILE_{number}" for number, path in enumerate(secret_files)}
    return {
        "environment": _pairs({"SKREG_FILES": json.dumps(names), "SKREG_FILES_FOLDER": FILES}),
        "secrets": [{"name": name, "valueFrom": Output.concat(secret, f":{path}::")} for path, name in names.items()],
    }


def _base(name: str, image: Input[str], command: tuple[str, ...], logs: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "image": image,
        "command": list(command),
        "user": USER,
        "privileged": False,
        "readonlyRootFilesystem": True,
        "linuxParameters": {"capabilities": {"drop": ["ALL"]}, "initProcessEnabled": True},
        "logConfiguration": logs,
    }


def _pairs(environment: Mapping[str, Input[str]]) -> list[dict[str, Input[str]]]:
    return [{"name": name, "value": value} for name, value in sorted(environment.items())]


def _mount(volume: str, path: str, *, read_only: bool) -> dict[str, Any]:
    return {"sourceVolume": volume, "containerPath": path, "readOnly": read_only}
