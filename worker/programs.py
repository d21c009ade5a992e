"""The three programs, put together from settings: connections, keys, handlers, loop.

Rules:
    * Everything that can be wrong with settings, keys or bundle is found out before the first job.
    * Tests start the same programs with a ``reached`` of their own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from registry.blobs import open_store
from registry.database import connect
from worker.anchor import load_bundle
from worker.authority import IssuingAuthority
from worker.certificates import CertificateIssuing
from worker.crls import CrlPublisher
from worker.keyring import open_sign_keys, open_stamp_keys
from worker.listing_leaf import ListingLeaf
from worker.listings import ListingPublisher
from worker.loop import Handler, StopSignal, run
from worker.points import Reached, log_point
from worker.queue import LEASE, JobQueue
from worker.revocations import Revocations
from worker.scanners.clamav import ClamdScanner
from worker.scanners.clamd_connection import ClamdAddress
from worker.sealing import Sealing
from worker.settings import SignSettings, StampSettings, VetSettings
from worker.sign import Signing
from worker.stamp import SerialNumbers, Stamper, StampServer
from worker.timestamps import request_token
from worker.vet import Vetting

POLL_SECONDS = 0.1
"""How often ``stamp`` looks at its stop signal."""


def run_vet(
    settings: VetSettings,
    *,
    clock: Callable[[], datetime],
    once: bool,
    stop: StopSignal,
    reached: Reached = log_point,
    lease: timedelta = LEASE,
) -> int:
    """Run ``vet``.

    Args:
        settings: Its settings.
        clock: Now.
        once: Until nothing is due.
        stop: Until this is set.
        reached: Told when a named point is reached.
        lease: How long a claim holds without a heartbeat.

    Returns:
        How many attempts failed.

    Raises:
        ToolkitError: settings, bundle or database are not as they must be.
    """
    bundle = load_bundle(settings.store.bundle)
    store = open_store(settings.store.store_url)
    opener = partial(connect, settings.store.database_url)
    scanner = ClamdScanner(
        ClamdAddress.parse(settings.clamd), max_age=settings.clamd_max_age, timeout=settings.clamd_timeout
    )
    vetting = Vetting(connect=opener, scanner=scanner, clock=clock, reached=reached)
    sealing = Sealing(connect=opener, store=store, trust=bundle.trust, clock=clock, reached=reached)
    handlers = {
        "vet": Handler(run=vetting.run, stuck=vetting.stuck),
        "seal": Handler(run=sealing.run, stuck=sealing.stuck),
    }
    with JobQueue(opener, worker="vet", lease=lease) as queue:
        return run(queue, handlers, once=once, stop=stop)


def run_sign(
    settings: SignSettings,
    *,
    clock: Callable[[], datetime],
    once: bool,
    stop: StopSignal,
    reached: Reached = log_point,
    lease: timedelta = LEASE,
    kinds: tuple[str, ...] | None = None,
) -> int:
    """Run ``sign``; result, errors and most arguments as :func:`run_vet`.

    Args:
        settings: Its settings.
        clock: Now.
        once: Until nothing is due.
        stop: Until this is set.
        reached: Told when a named point is reached.
        lease: How long a claim holds without a heartbeat.
        kinds: Only jobs of these kinds; all of them unless given.
    """
    bundle = load_bundle(settings.store.bundle)
    store = open_store(settings.store.store_url)
    opener = partial(connect, settings.store.database_url)
    with (
        open_sign_keys(settings, domain=bundle.trust_domain) as keys,
        JobQueue(opener, worker="sign", lease=lease, kinds=kinds) as queue,
    ):
        authority = IssuingAuthority(keys=keys, bundle=bundle, urls=settings.store.urls, shards=settings.store.shards)
        signing = Signing(
            connect=opener,
            store=store,
            authority=authority,
            stamp=partial(request_token, settings.stamp_url),
            clock=clock,
            reached=reached,
        )
        crls = CrlPublisher(connect=opener, store=store, authority=authority, clock=clock, reached=reached)
        listings = ListingPublisher(
            connect=opener,
            store=store,
            authority=authority,
            leaf=ListingLeaf(connect=opener, authority=authority),
            registry=settings.store.registry,
            clock=clock,
            reached=reached,
        )
        issuing = CertificateIssuing(connect=opener, authority=authority, clock=clock)
        revocations = Revocations(connect=opener, authority=authority, clock=clock)
        crls.request_missing()
        handlers = {
            "sign": Handler(run=signing.run, stuck=signing.stuck),
            "certificate": Handler(run=issuing.run),
            "order": Handler(run=revocations.run_order),
            "revocation": Handler(run=revocations.run_revocation),
            "crl": Handler(run=crls.run),
            "listing": Handler(run=listings.run),
        }
        return run(queue, handlers, once=once, stop=stop)


def run_stamp(settings: StampSettings, *, clock: Callable[[], datetime], stop: StopSignal) -> None:
    """Run ``stamp`` until ``stop`` is set.

    Raises:
        ToolkitError: settings or keys are not as they must be.
    """
    with open_stamp_keys(settings) as keys:
        serials = SerialNumbers(partial(connect, settings.database_url))
        stamper = Stamper(keys=keys, policy=settings.policy, serials=serials, clock=clock)
        with StampServer((settings.host, settings.port), stamper) as server:
            thread = threading.Thread(target=server.serve_forever, args=(POLL_SECONDS,), name="stamp")
            thread.start()
            try:
                stop.wait()
            finally:
                server.shutdown()
                thread.join()
                serials.close()
