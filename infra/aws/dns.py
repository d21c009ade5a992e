"""Route 53 and ACM: the registry's certificates, and where its name points.

Rules:
    * Two certificates for one name: CloudFront takes them from one region only, the load balancer from its own.
    * Both are proved by one DNS record, and renewed without anybody's doing while it stands.
"""

from __future__ import annotations

import pulumi
from pulumi import Output
from pulumi_aws import acm, route53

from infra.aws.place import GLOBAL_REGION, Place, own
from infra.edge import Cdn, DnsTls, DnsTlsArgs, DnsTlsOutputs

RECORD_SECONDS = 300


class AwsDnsTls(DnsTls):
    """Certificates and records."""

    def __init__(self, name: str, args: DnsTlsArgs, *, place: Place, opts: pulumi.ResourceOptions) -> None:
        """Make the certificates.

        Args:
            name: Their name.
            args: What is wanted.
            place: Where the load balancer is.
            opts: Pulumi's options.
        """
        super().__init__("aws", name, opts)
        self._name, self.domain = name, args.domain
        self._child = pulumi.ResourceOptions(parent=self)
        invoke = pulumi.InvokeOptions(provider=place.provider)
        self._zone = route53.get_zone(name=args.zone, private_zone=False, opts=invoke).zone_id
        self.cdn = self._certificate("cdn", GLOBAL_REGION)
        self.regional = self._certificate("alb", place.region)
        option = self.cdn.domain_validation_options[0]
        record = route53.Record(
            f"{name}-proof",
            zone_id=self._zone,
            name=option.resource_record_name.apply(str),
            type=option.resource_record_type.apply(str),
            records=[option.resource_record_value.apply(str)],
            ttl=RECORD_SECONDS,
            opts=self._child,
        )
        self.cdn_certificate = self._proved("cdn", self.cdn, record, GLOBAL_REGION)
        self.regional_certificate = self._proved("alb", self.regional, record, place.region)
        self.finish()

    @property
    def outputs(self) -> DnsTlsOutputs:
        """What others may know."""
        return DnsTlsOutputs(domain=Output.from_input(self.domain))

    def point_to(self, cdn: Cdn) -> None:
        """Let the name lead to the CDN, for old and new addresses."""
        from infra.aws.cdn import AwsCdn

        distribution = own(cdn, AwsCdn).distribution
        for kind in ("A", "AAAA"):
            route53.Record(
                f"{self._name}-{kind.lower()}",
                zone_id=self._zone,
                name=self.domain,
                type=kind,
                aliases=[
                    route53.RecordAliasArgs(
                        name=distribution.domain_name,
                        zone_id=distribution.hosted_zone_id,
                        evaluate_target_health=False,
                    )
                ],
                opts=self._child,
            )

    def _certificate(self, use: str, region: str) -> acm.Certificate:
        return acm.Certificate(
            f"{self._name}-{use}",
            domain_name=self.domain,
            validation_method="DNS",
            key_algorithm="EC_prime256v1",
            region=region,
            opts=self._child,
        )

    def _proved(self, use: str, certificate: acm.Certificate, record: route53.Record, region: str) -> Output[str]:
        """The certificate's ARN, once it is valid."""
        proved = acm.CertificateValidation(
            f"{self._name}-{use}",
            certificate_arn=certificate.arn,
            validation_record_fqdns=[record.fqdn],
            region=region,
            opts=self._child,
        )
        return proved.certificate_arn
