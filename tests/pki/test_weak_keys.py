"""Weak RSA keys, made here as the bad generators made them, and keys that only look a little like them."""

from __future__ import annotations

import secrets
from itertools import count
from math import gcd, lcm, prod

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from pki.csr import parse_csr
from pki.errors import PolicyError
from pki.findings import Finding
from pki.weak_keys import check_modulus, check_shared_primes

HALF = 1536
EXPONENT = 65537
PRIMES = [n for n in range(2, 5000) if all(n % d for d in range(2, int(n**0.5) + 1))]
SMALL = prod(PRIMES)
NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "acme")])


def is_prime(number: int) -> bool:
    """Fermat's test, after the small factors: enough for numbers that nobody chose to deceive."""
    return gcd(number, SMALL) == 1 and all(pow(base, number - 1, number) == 1 for base in (2, 3))


def next_prime(number: int) -> int:
    return next(n for n in count(number | 1, 2) if n % EXPONENT != 1 and is_prime(n))


def random_primes() -> tuple[int, int]:
    numbers = rsa.generate_private_key(public_exponent=EXPONENT, key_size=2 * HALF).private_numbers()
    return numbers.p, numbers.q


def private_key(p: int, q: int, *, r: int = 1, e: int = EXPONENT) -> rsa.RSAPrivateKey:
    """Return the key of primes p, q (and r, taken together with p): a real one, which signs."""
    order = lcm(p - 1, r - 1) if r > 1 else p - 1
    d = pow(e, -1, lcm(order, q - 1))
    numbers = rsa.RSAPrivateNumbers(
        p=p * r,
        q=q,
        d=d,
        dmp1=d % order,
        dmq1=d % (q - 1),
        iqmp=pow(q, -1, p * r),
        public_numbers=rsa.RSAPublicNumbers(e, p * r * q),
    )
    return numbers.private_key(unsafe_skip_rsa_key_validation=r > 1)


def roca_prime() -> int:
    """Return a prime as Infineon's library made it: k M + (65537^a mod M), M the product of the first 126 primes."""
    product = prod(PRIMES[:126])
    while True:
        k = (3 << (HALF - 2) | secrets.randbits(HALF - 2)) // product
        candidate = k * product + pow(EXPONENT, secrets.randbits(200), product)
        if candidate % EXPONENT != 1 and is_prime(candidate):
            return candidate


(P, Q), (R, S) = random_primes(), random_primes()
GOOD = private_key(P, Q)
OTHER = next(e for e in (17, 257, 641, 6700417) if gcd(e, (P - 1) * (Q - 1)) == 1)
WEAK = {
    "KEY-EXPONENT": private_key(P, Q, e=OTHER),
    "KEY-FACTOR": private_key(P, Q, r=65521),
    "KEY-ROCA": private_key(roca_prime(), roca_prime()),
    "KEY-CLOSE-PRIMES": private_key(P, next_prime(P + 2)),
}


def codes(findings: tuple[Finding, ...]) -> list[str]:
    return [finding.rule for finding in findings]


def csr_of(key: rsa.RSAPrivateKey) -> bytes:
    return x509.CertificateSigningRequestBuilder(NAME).sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def test_good_key_has_no_finding_and_is_accepted() -> None:
    assert check_modulus(GOOD.public_key()) == ()
    assert parse_csr(csr_of(GOOD)).public_key == GOOD.public_key()


@pytest.mark.parametrize("code", WEAK)
def test_weak_key_is_found_by_its_own_rule_alone(code: str) -> None:
    assert codes(check_modulus(WEAK[code].public_key())) == [code]


@pytest.mark.parametrize("code", WEAK)
def test_request_with_a_weak_key_is_refused(code: str) -> None:
    assert x509.load_pem_x509_csr(csr_of(WEAK[code])).is_signature_valid
    with pytest.raises(PolicyError) as caught:
        parse_csr(csr_of(WEAK[code]))
    assert caught.value.code == code
    assert "openssl ecparam" in str(caught.value.hint)


def test_all_weaknesses_of_a_key_are_named() -> None:
    square = rsa.RSAPublicNumbers(3, (65521 * P) ** 2).public_key()
    assert codes(check_modulus(square)) == ["KEY-EXPONENT", "KEY-FACTOR", "KEY-CLOSE-PRIMES"]


def test_overlong_exponent_is_not_printed() -> None:
    numbers = rsa.RSAPublicNumbers(2**1024 + 1, P * Q)
    (finding,) = check_modulus(numbers.public_key())
    assert finding.message == "expected exponent 65537 - got one of 1025 bits"


@pytest.mark.parametrize(("factor", "found"), [(3, ["KEY-FACTOR"]), (65521, ["KEY-FACTOR"]), (65537, [])])
def test_factors_below_the_limit_are_found(factor: int, found: list[str]) -> None:
    modulus = rsa.RSAPublicNumbers(EXPONENT, factor * P * Q)
    assert codes(check_modulus(modulus.public_key())) == found


def test_primes_far_apart_are_not_close() -> None:
    assert check_modulus(private_key(P, next_prime(P + (1 << (HALF - 100)))).public_key()) == ()


def test_shared_prime_is_found_whichever_it_is() -> None:
    for other in (P * R, R * P, Q * R):
        assert codes(check_shared_primes(GOOD.public_key(), issued=[R * 7, other, R * 11])) == ["KEY-SHARED-PRIME"]


def test_primes_shared_with_two_others_are_found() -> None:
    """Their product is a multiple of the modulus, of which nothing remains."""
    assert codes(check_shared_primes(GOOD.public_key(), issued=[P * R, Q * R])) == ["KEY-SHARED-PRIME"]


def test_same_key_again_and_other_keys_are_no_weakness() -> None:
    others = [P * Q, R * S, P * Q]
    assert check_shared_primes(GOOD.public_key(), issued=others) == ()
    assert check_shared_primes(GOOD.public_key(), issued=[]) == ()
