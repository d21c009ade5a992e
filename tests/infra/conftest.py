"""What every test here needs: Pulumi. Without it none is collected; ``./dev test`` brings it for these tests alone."""

from __future__ import annotations

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("pulumi") and find_spec("pulumi_aws") else ["*"]
