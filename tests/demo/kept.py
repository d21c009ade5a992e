"""What ``--keep DIR`` leaves for people with stock tools: everything public, nothing secret.

::

    root.pem  bundle.pem                root; root and the three intermediates
    ceremony/                           the ceremonies' folders
    packages/NAME.skill .sig            accepted packages
    crls/*.crl                          CRLs from before the revocations, PEM, so that they can be appended to root.pem
    listings/NAME.cms                   listings from before the revocations
    tsa/NAME.tst NAME.signature         timestamp tokens, and what they are over
    refused/                            what was refused
    crls-now/*.crl                      CRLs from after the revocations
    demo.json                           the steps
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pki.cms import parse_signature
from tests.demo.stage import Stage
from tests.demo.story import Story, StoryError


class Kept:
    """A folder that is filled while the story goes on."""

    def __init__(self, folder: Path) -> None:
        """Make the folder, which must be empty or new."""
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise StoryError(f"{folder} is not empty")
        self.folder = folder
        for name in ("ceremony", "packages", "crls", "crls-now", "listings", "tsa", "refused"):
            (folder / name).mkdir()

    def keep_ceremonies(self, stage: Stage, root: Path, intermediates: list[Path]) -> None:
        """Copy root, intermediates and the ceremonies' folders."""
        shutil.copy(root, self.folder / "root.pem")
        (self.folder / "bundle.pem").write_bytes(b"".join(path.read_bytes() for path in [root, *intermediates]))
        for folder in sorted(path for path in stage.ceremonies.iterdir() if path.is_dir()):
            shutil.copytree(folder, self.folder / "ceremony" / folder.name)

    def keep_crls(self, stage: Stage, name: str) -> None:
        """Copy the CRLs that are current now, as PEM, into the folder ``name``."""
        for path in sorted((stage.store / "pki" / "crl").glob("*/*.crl")):
            crl = x509.load_der_x509_crl(path.read_bytes())
            target = self.folder / name / f"{path.parent.name[:12]}-{path.stem}.crl"
            target.write_bytes(crl.public_bytes(Encoding.PEM))

    def keep_package(self, package: Path, signature: Path, name: str, *, folder: str = "packages") -> None:
        """Copy a package, its signature, and its timestamp token with what it is over."""
        shutil.copy(package, self.folder / folder / f"{name}.skill")
        shutil.copy(signature, self.folder / folder / f"{name}.sig")
        parsed = parse_signature(signature.read_bytes())
        if folder == "packages" and parsed.token is not None:
            (self.folder / "tsa" / f"{name}.tst").write_bytes(parsed.token)
            (self.folder / "tsa" / f"{name}.signature").write_bytes(parsed.signature_value)

    def keep_refused(self, path: Path, name: str | None = None) -> None:
        """Copy something that was refused."""
        shutil.copy(path, self.folder / "refused" / (name or path.name))

    def keep_listings(self, stage: Stage) -> None:
        """Copy the listings that are current now."""
        for path in sorted((stage.store / "index").glob("*/*")):
            if path.is_file():
                shutil.copy(path, self.folder / "listings" / f"{path.parent.name}-{path.name}.cms")

    def keep_report(self, story: Story) -> None:
        """Write ``demo.json``."""
        (self.folder / "demo.json").write_text(json.dumps(story.report(), indent=2) + "\n")
