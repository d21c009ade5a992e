"""RSA keys that are known to be weak, although they are long enough: what a bad generator leaves in the modulus.

Rules:
    * ``KEY-EXPONENT``: the exponent is 65537, no other.
    * ``KEY-FACTOR``: no prime below 65536 divides the modulus, as one of a random number or with a flipped bit would.
    * ``KEY-ROCA``: the modulus is not of the form that Infineon's library made (CVE-2017-15361).
    * ``KEY-CLOSE-PRIMES``: Fermat's method does not factor it, as where the second prime was the next one after the
      first (CVE-2022-26320).
    * ``KEY-SHARED-PRIME``: it has no prime in common with another key ("Mining Your Ps and Qs", 2012); the others are
      given by the caller.

Pure and fast: milliseconds a key, 0.1 ms more for each other key. ECDSA keys of our curves have none of this: the
library refuses points that are not on the curve.

Left to others: kinds and sizes of keys (:mod:`pki.keys`). Lists of single known keys, such as those of Debian in 2008:
no library carries them (badkeys downloads its list when it is run).

Example::

    findings = (*check_modulus(key), *check_shared_primes(key, issued=moduli))
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from math import gcd, isqrt, prod

from cryptography.hazmat.primitives.asymmetric import rsa

from pki.findings import Finding
from pki.keys import RSA_EXPONENT

_MAX_SMALL_PRIME = 65536
# The generator took both primes from the powers of 65537 modulo a product of small primes; the modulus is one, too.
# All 38 odd primes up to here divide that product for every length of key; 1 in 2^27 other moduli looks the same.
_MAX_ROCA_PRIME = 167
# Each round covers primes that lie further apart; a random key of 3072 bits would need 2^1500.
_FERMAT_ROUNDS = 100


def check_modulus(key: rsa.RSAPublicKey) -> tuple[Finding, ...]:
    """Return which known weaknesses an RSA key shows by itself; nothing means none."""
    return tuple(_weaknesses(key.public_numbers()))


def check_shared_primes(key: rsa.RSAPublicKey, *, issued: Iterable[int]) -> tuple[Finding, ...]:
    """Return whether an RSA key has a prime in common with one of others; nothing means it has none.

    Args:
        key: The key.
        issued: Moduli of the others. The key's own may be among them: a renewal is no weakness.
    """
    modulus = key.public_numbers().n
    remainder = 1
    for other in issued:
        if other != modulus:
            remainder = remainder * other % modulus
    if gcd(remainder, modulus) == 1:
        return ()
    return (_finding("KEY-SHARED-PRIME", "primes of its own", "one that another key has, too"),)


def _weaknesses(numbers: rsa.RSAPublicNumbers) -> Iterator[Finding]:
    if numbers.e != RSA_EXPONENT:
        # Exponents may be as long as moduli.
        got = str(numbers.e) if numbers.e < RSA_EXPONENT else f"one of {numbers.e.bit_length()} bits"
        yield _finding("KEY-EXPONENT", f"exponent {RSA_EXPONENT}", got)
    if gcd(_small_primes_product(), numbers.n) != 1:
        yield _finding("KEY-FACTOR", f"no factor below {_MAX_SMALL_PRIME}", "one")
    if _is_roca(numbers.n):
        yield _finding("KEY-ROCA", "random primes", "the form of CVE-2017-15361")
    if _is_factored_by_fermat(numbers.n):
        yield _finding("KEY-CLOSE-PRIMES", "primes far apart", "two close together")


def _is_roca(modulus: int) -> bool:
    return all(modulus % prime in powers for prime, powers in _roca_powers())


def _is_factored_by_fermat(modulus: int) -> bool:
    """Tell whether modulus = a^2 - b^2 with a near its square root: p and q are a + b and a - b."""
    root = isqrt(modulus)
    root += root * root < modulus
    squares = (a * a - modulus for a in range(root, root + _FERMAT_ROUNDS))
    return any(isqrt(square) ** 2 == square for square in squares)


@cache
def _small_primes_product() -> int:
    return prod(_primes(_MAX_SMALL_PRIME))


@cache
def _roca_powers() -> tuple[tuple[int, frozenset[int]], ...]:
    odd = (prime for prime in _primes(_MAX_ROCA_PRIME + 1) if prime > 2)  # noqa: PLR2004 - 2 is the even prime
    return tuple((prime, frozenset(pow(RSA_EXPONENT, k, prime) for k in range(prime))) for prime in odd)


def _primes(limit: int) -> list[int]:
    """Return the primes below ``limit``, by Eratosthenes' sieve."""
    candidates = bytearray(b"\x00\x00") + bytearray(b"\x01") * (limit - 2)
    for number in range(2, isqrt(limit) + 1):
        if candidates[number]:
            candidates[number * number :: number] = bytes(len(range(number * number, limit, number)))
    return [number for number, is_prime in enumerate(candidates) if is_prime]


def _finding(rule: str, expected: str, got: str) -> Finding:
    return Finding(rule=rule, field="subjectPublicKeyInfo", message=f"expected {expected} - got {got}")
