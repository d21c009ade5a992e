"""Signatures with one fault each, as files: what is judged, and what is expected.

Grammar of a file, named after its fault::

    fault: CLASS: what
    position: where
    expect: code of the refusal, or accepted
    at: YYYY-MM-DDTHH:MM:SSZ
    domain: the trust domain

    PEM blocks: CERTIFICATE (the root), X509 CRL (any number), CMS (the signature, in the end)

The blocks are labelled PEM around bytes that need not be DER. Made by ``python -m tests.vectors.generate``, which
issues everything anew: ECDSA signatures are random, so that no two runs make the same files.
"""
