"""The Pulumi program: ``cd infra && uv sync --extra dev && pulumi up``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pulumi

# Pulumi starts this folder as a program, and puts it first on the path, not the checkout that it belongs to.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from infra.cloud import open_cloud
from infra.settings import Settings
from infra.stack import build


def main() -> None:
    """Read the settings, declare everything, export what people need."""
    # pulumi.Config reads known keys only; unknown ones must be refused.
    settings = Settings.load(pulumi.runtime.config.CONFIG.get(), os.environ)
    for name, value in build(settings, open_cloud(settings)).items():
        pulumi.export(name, value)


if __name__ == "__main__":
    main()
