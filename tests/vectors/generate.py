"""Makes the vectors anew: one for every fault of the differential test, and one without a fault.

Example::

    python -m tests.vectors.generate
"""

from __future__ import annotations

from random import Random

from tests.pki.authority import DOMAIN
from tests.pki.differential import judges
from tests.pki.differential.run import FAULTS, STAGE
from tests.pki.differential.scene import AT, OF_TIME, Position, Scene
from tests.vectors.vector import ACCEPTED, FOLDER, Vector

SEED = 2026


def generate() -> None:
    """Write every vector, and remove those of faults that are no more."""
    vectors = [_vector("none", "nowhere", STAGE.scene(individual=False, stamped=True))]
    for name, fault in FAULTS.items():
        # Where others look, too: a root is trusted for being the root.
        position = next((where for where in fault.positions if where is not Position.ROOT), Position.ROOT)
        scene = STAGE.scene(individual=False, stamped=position in OF_TIME)
        fault.apply(scene, position, Random(f"{SEED} {name}"))  # noqa: S311 - repeatable, it guards nothing
        vectors.append(_vector(name, position, scene))
    for old in FOLDER.glob("*.txt"):
        old.unlink()
    for vector in vectors:
        vector.path.write_text(vector.encode(), encoding="ascii")


def _vector(fault: str, position: str, scene: Scene) -> Vector:
    cms = scene.signature()
    return Vector(
        fault=fault,
        position=position,
        expect=judges.ours(scene, cms) or ACCEPTED,
        at=AT,
        domain=DOMAIN,
        root=scene.parts[Position.ROOT],
        crls=scene.crls(),
        cms=cms,
    )


if __name__ == "__main__":
    generate()
