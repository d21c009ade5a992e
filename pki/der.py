"""The Distinguished Encoding Rules (X.690 10), as much as CMS and RFC 3161 need: reading strictly, writing exactly.

Grammar::

    element = tag length content        low tag numbers only
    length  = octet below 80h           short form
            / 81h..84h octets           long form, only where the short one cannot hold it, without leading zeros

Rules:
    * An element that ends outside its container, and bytes left over after the last, are refused.
    * The caller names the code and the structure, so that errors speak about what was being read.

Left to others: which elements a structure has.

Example::

    reader = Reader(der, code="TSP-FORM", what="timestamp query").enter(SEQUENCE)
    version = reader.integer()
"""

from __future__ import annotations

from dataclasses import dataclass

from pki.errors import MalformedError

BOOLEAN = 0x01
INTEGER = 0x02
BIT_STRING = 0x03
OCTET_STRING = 0x04
NULL = 0x05
OBJECT_IDENTIFIER = 0x06
UTF8_STRING = 0x0C
UTC_TIME = 0x17
GENERALIZED_TIME = 0x18
SEQUENCE = 0x30
SET = 0x31

_CONTEXT = 0x80
_CONSTRUCTED = 0x20
_HIGH_TAG = 0x1F
_LONG_FORM = 0x80
# Nothing here is larger than 16 MiB; a longer length is an attack.
_MAX_LENGTH_OCTETS = 4
# Serial numbers (RFC 5280 4.1.2.2) and nonces; bounds the arithmetic, and the digits of error messages.
MAX_INTEGER_BITS = 160
TRUE = bytes((BOOLEAN, 1, 0xFF))


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """One element.

    Attributes:
        tag: The identifier octet.
        content: Its contents.
        encoded: The whole element, tag and length included.
    """

    tag: int
    content: bytes
    encoded: bytes


def context(number: int, *, constructed: bool = True) -> int:
    """Return the identifier octet of a context-specific tag."""
    return _CONTEXT | (_CONSTRUCTED if constructed else 0) | number


def encode(tag: int, *parts: bytes) -> bytes:
    """Return an element with the concatenation of ``parts`` as its contents."""
    content = b"".join(parts)
    length = len(content)
    if length < _LONG_FORM:
        return bytes((tag, length)) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8)
    return bytes((tag, _LONG_FORM | len(octets))) + octets + content


def encode_integer(value: int) -> bytes:
    """Return a non-negative INTEGER."""
    return encode(INTEGER, value.to_bytes(value.bit_length() // 8 + 1))


def encode_set_of(*elements: bytes, tag: int = SET) -> bytes:
    """Return a SET OF: its elements in ascending order of their encodings (X.690 11.6)."""
    return encode(tag, *sorted(elements))


class Reader:
    """Reads elements one after the other.

    Args:
        data: Where they stand.
        code: Code of the errors raised.
        what: Name of the structure, for errors.
    """

    __slots__ = ("_at", "_code", "_data", "_what")

    def __init__(self, data: bytes, *, code: str, what: str) -> None:
        self._data = data
        self._at = 0
        self._code = code
        self._what = what

    def peek(self) -> int | None:
        """Return the tag of the next element, or ``None`` at the end."""
        return self._data[self._at] if self._at < len(self._data) else None

    def take(self, tag: int) -> Element:
        """Return the next element, which must have this tag.

        Raises:
            MalformedError: it has not, or is not DER.
        """
        start = self._at
        if self.peek() is None or self._data[start] != tag or tag & _HIGH_TAG == _HIGH_TAG:
            raise self.malformed(f"an element with tag {tag:#04x}", f"{self.peek()!r}")
        begin, length = self._length(start + 1)
        end = begin + length
        if end > len(self._data):
            raise self.malformed(f"{length} octets", f"{len(self._data) - begin}")
        self._at = end
        return Element(tag=tag, content=self._data[begin:end], encoded=self._data[start:end])

    def enter(self, tag: int) -> Reader:
        """Return a reader of the contents of the next element, which must have this tag.

        Raises:
            MalformedError: it has not, or is not DER.
        """
        return self.within(self.take(tag))

    def within(self, element: Element) -> Reader:
        """Return a reader of the contents of an element taken before."""
        return Reader(element.content, code=self._code, what=self._what)

    def integer(self) -> int:
        """Return the next element, a non-negative INTEGER of at most 160 bits in its shortest form.

        Raises:
            MalformedError: it is none.
        """
        element = self.take(INTEGER)
        value = int.from_bytes(element.content, signed=True) if element.content else -1
        if value < 0 or value.bit_length() > MAX_INTEGER_BITS or encode_integer(value) != element.encoded:
            raise self.malformed(
                f"a non-negative INTEGER of at most {MAX_INTEGER_BITS} bits in DER", element.encoded[:40].hex()
            )
        return value

    def rest(self) -> bytes:
        """Return everything that was not taken yet."""
        rest, self._at = self._data[self._at :], len(self._data)
        return rest

    def end(self) -> None:
        """Check that nothing is left.

        Raises:
            MalformedError: something is.
        """
        if self._at != len(self._data):
            raise self.malformed("the end", f"{len(self._data) - self._at} more octets")

    def malformed(self, expected: str, got: str) -> MalformedError:
        """Return the error that this structure is not as expected."""
        return MalformedError(f"{self._what} - expected {expected} - got {got}", code=self._code)

    def _length(self, at: int) -> tuple[int, int]:
        """Return where the contents begin, and how long they are."""
        if at >= len(self._data):
            raise self.malformed("a length", "the end")
        first = self._data[at]
        if first < _LONG_FORM:
            return at + 1, first
        count = first & ~_LONG_FORM
        octets = self._data[at + 1 : at + 1 + count]
        length = int.from_bytes(octets)
        if not 1 <= count <= _MAX_LENGTH_OCTETS or len(octets) != count or octets[0] == 0 or length < _LONG_FORM:
            raise self.malformed("a definite length in its shortest form", self._data[at : at + 6].hex())
        return at + 1 + count, length
