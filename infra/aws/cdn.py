"""CloudFront: the only thing that the internet reaches.

Rules:
    * Static paths come from the bucket, which answers nobody else; everything else goes to the load balancer and is
      never cached. The bucket is never behind ``/``: S3 would list it.
    * Packages never change: a year. Listings and CRLs are asked for again after a minute, and a new version is found at
      once: what is missing is remembered for seconds.
    * ``/pki`` answers in plain http as well: certificates carry such addresses (RFC 5280 4.2.1.13), and what is there
      is signed. Everything else moves to https.
"""

from __future__ import annotations

import pulumi
from pulumi import Output
from pulumi_aws import cloudfront, s3

from infra.aws.dns import AwsDnsTls
from infra.aws.firewall import firewall
from infra.aws.network import HTTPS
from infra.aws.place import own
from infra.aws.registry import AwsRegistryService
from infra.aws.storage import AwsStorage
from infra.edge import Cdn, CdnArgs, CdnOutputs

YEAR = 31_536_000
SHORT = 60
AT_MOST = 300
MISSING_SECONDS = 5

CACHING_DISABLED = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
ALL_VIEWER = "216adef6-5c7f-47e4-b989-5492eafa07d3"
"""Policies that AWS keeps: nothing is cached; all that the client sent is passed on."""

READS = ["GET", "HEAD"]
ALL_METHODS = ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"]
STORE, REGISTRY = "store", "registry"

_FOREVER = cloudfront.ResponseHeadersPolicyCustomHeadersConfigItemArgs(
    header="Cache-Control", value=f"public, max-age={YEAR}, immutable", override=True
)
_SHORTLY = cloudfront.ResponseHeadersPolicyCustomHeadersConfigItemArgs(
    header="Cache-Control", value=f"public, max-age={SHORT}", override=False
)

STATIC = {"/packages/*": True, "/index/*": False, "/pki/*": False, "/.well-known/*": False}
"""Paths of the store, and whether what lies there never changes."""


class AwsCdn(Cdn):
    """The distribution."""

    def __init__(self, name: str, args: CdnArgs, *, opts: pulumi.ResourceOptions) -> None:
        """Make it.

        Args:
            name: Its name.
            args: What is wanted.
            opts: Pulumi's options.
        """
        super().__init__("aws", name, opts)
        self._name = name
        self._child = pulumi.ResourceOptions(parent=self)
        dns, registry = own(args.name, AwsDnsTls), own(args.registry, AwsRegistryService)
        storage = own(args.storage, AwsStorage)
        self._domain = dns.domain
        forever, shortly = self._cache("forever", YEAR, YEAR, YEAR), self._cache("shortly", 0, SHORT, AT_MOST)
        headers = {True: self._headers("forever", _FOREVER), False: self._headers("shortly", _SHORTLY)}
        self.distribution = cloudfront.Distribution(
            name,
            enabled=True,
            comment="skreg",
            aliases=[dns.domain],
            http_version="http2and3",
            is_ipv6_enabled=True,
            price_class="PriceClass_All",
            origins=[self._store_origin(storage.bucket), self._registry_origin(registry)],
            default_cache_behavior=_registry_behaviour(self._headers("registry", None)),
            ordered_cache_behaviors=[
                _store_behaviour(path, forever if keep else shortly, headers[keep]) for path, keep in STATIC.items()
            ],
            custom_error_responses=[
                cloudfront.DistributionCustomErrorResponseArgs(error_code=code, error_caching_min_ttl=MISSING_SECONDS)
                for code in (403, 404)
            ],
            restrictions=cloudfront.DistributionRestrictionsArgs(
                geo_restriction=cloudfront.DistributionRestrictionsGeoRestrictionArgs(restriction_type="none")
            ),
            viewer_certificate=cloudfront.DistributionViewerCertificateArgs(
                acm_certificate_arn=dns.cdn_certificate,
                ssl_support_method="sni-only",
                minimum_protocol_version="TLSv1.2_2021",
            ),
            web_acl_id=firewall(name, args.writes_per_address, self._child).arn,
            opts=self._child,
        )
        self.finish()

    @property
    def outputs(self) -> CdnOutputs:
        """What others may know."""
        return CdnOutputs(base_url=Output.from_input(f"https://{self._domain}"))

    def _store_origin(self, bucket: s3.Bucket) -> cloudfront.DistributionOriginArgs:
        control = cloudfront.OriginAccessControl(
            f"{self._name}-store",
            origin_access_control_origin_type="s3",
            signing_behavior="always",
            signing_protocol="sigv4",
            opts=self._child,
        )
        return cloudfront.DistributionOriginArgs(
            origin_id=STORE,
            domain_name=bucket.bucket_regional_domain_name,
            origin_access_control_id=control.id,
        )

    def _registry_origin(self, registry: AwsRegistryService) -> cloudfront.DistributionOriginArgs:
        # The newest that this setting knows; the load balancer decides what is spoken.
        protocols = cloudfront.VpcOriginVpcOriginEndpointConfigOriginSslProtocolsArgs(items=["TLSv1.2"], quantity=1)
        endpoint = cloudfront.VpcOriginVpcOriginEndpointConfigArgs(
            name=f"{self._name}-registry",
            arn=registry.balancer.arn,
            http_port=80,
            https_port=HTTPS,
            origin_protocol_policy="https-only",
            origin_ssl_protocols=protocols,
        )
        origin = cloudfront.VpcOrigin(
            self._name,
            vpc_origin_endpoint_config=endpoint,
            opts=pulumi.ResourceOptions.merge(self._child, registry.network.cloudfront_ready),
        )
        return cloudfront.DistributionOriginArgs(
            origin_id=REGISTRY,
            domain_name=registry.balancer.dns_name,
            vpc_origin_config=cloudfront.DistributionOriginVpcOriginConfigArgs(
                vpc_origin_id=origin.id, origin_read_timeout=60, origin_keepalive_timeout=5
            ),
        )

    def _cache(self, name: str, least: int, usual: int, most: int) -> Output[str]:
        key = cloudfront.CachePolicyParametersInCacheKeyAndForwardedToOriginArgs(
            cookies_config=cloudfront.CachePolicyParametersInCacheKeyAndForwardedToOriginCookiesConfigArgs(
                cookie_behavior="none"
            ),
            headers_config=cloudfront.CachePolicyParametersInCacheKeyAndForwardedToOriginHeadersConfigArgs(
                header_behavior="none"
            ),
            query_strings_config=cloudfront.CachePolicyParametersInCacheKeyAndForwardedToOriginQueryStringsConfigArgs(
                query_string_behavior="none"
            ),
            enable_accept_encoding_gzip=False,
            enable_accept_encoding_brotli=False,
        )
        policy = cloudfront.CachePolicy(
            f"{self._name}-{name}",
            min_ttl=least,
            default_ttl=usual,
            max_ttl=most,
            parameters_in_cache_key_and_forwarded_to_origin=key,
            opts=self._child,
        )
        return policy.id

    def _headers(
        self, name: str, caching: cloudfront.ResponseHeadersPolicyCustomHeadersConfigItemArgs | None
    ) -> Output[str]:
        """Headers that browsers obey; what the registry answers says itself whether it may be kept."""
        items = None if caching is None else [caching]
        policy = cloudfront.ResponseHeadersPolicy(
            f"{self._name}-{name}",
            security_headers_config=_security_headers(),
            custom_headers_config=None
            if items is None
            else cloudfront.ResponseHeadersPolicyCustomHeadersConfigArgs(items=items),
            opts=self._child,
        )
        return policy.id


def _registry_behaviour(headers: Output[str]) -> cloudfront.DistributionDefaultCacheBehaviorArgs:
    return cloudfront.DistributionDefaultCacheBehaviorArgs(
        target_origin_id=REGISTRY,
        viewer_protocol_policy="redirect-to-https",
        allowed_methods=ALL_METHODS,
        cached_methods=READS,
        compress=True,
        cache_policy_id=CACHING_DISABLED,
        origin_request_policy_id=ALL_VIEWER,
        response_headers_policy_id=headers,
    )


def _store_behaviour(
    path: str, cache: Output[str], headers: Output[str]
) -> cloudfront.DistributionOrderedCacheBehaviorArgs:
    return cloudfront.DistributionOrderedCacheBehaviorArgs(
        path_pattern=path,
        target_origin_id=STORE,
        viewer_protocol_policy="allow-all" if path == "/pki/*" else "redirect-to-https",
        allowed_methods=READS,
        cached_methods=READS,
        compress=False,
        cache_policy_id=cache,
        response_headers_policy_id=headers,
    )


def _security_headers() -> cloudfront.ResponseHeadersPolicySecurityHeadersConfigArgs:
    return cloudfront.ResponseHeadersPolicySecurityHeadersConfigArgs(
        strict_transport_security=(
            cloudfront.ResponseHeadersPolicySecurityHeadersConfigStrictTransportSecurityArgs(
                access_control_max_age_sec=YEAR, include_subdomains=False, preload=False, override=True
            )
        ),
        content_type_options=cloudfront.ResponseHeadersPolicySecurityHeadersConfigContentTypeOptionsArgs(override=True),
        content_security_policy=cloudfront.ResponseHeadersPolicySecurityHeadersConfigContentSecurityPolicyArgs(
            content_security_policy="default-src 'none'; frame-ancestors 'none'", override=True
        ),
        referrer_policy=cloudfront.ResponseHeadersPolicySecurityHeadersConfigReferrerPolicyArgs(
            referrer_policy="no-referrer", override=True
        ),
    )
