"""Object storage that speaks S3: moto's server, on a port of this machine."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import quote

import boto3
import requests
from moto.server import ThreadedMotoServer
from pyarrow import fs

REGION = "us-east-1"


@dataclass(frozen=True)
class Storage:
    """A server, and the keys that it knows."""

    endpoint: str
    key: str
    secret: str

    def uri(self, path: str, key: str | None = None, secret: str | None = None) -> str:
        """A URI that says all of the connection, with the right keys or others."""
        signed = ":".join(quote(word, safe="") for word in (key or self.key, secret or self.secret))
        host = self.endpoint.removeprefix("http://")
        return f"s3://{signed}@{path}?endpoint_override={host}&scheme=http&region={REGION}"

    @property
    def environment(self) -> dict[str, str]:
        """The same, as the cloud's own tools read it."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_DEFAULT_REGION": REGION,
        }

    def put(self, files: Mapping[str, bytes]) -> None:
        """Write objects by `BUCKET/KEY`, and make their buckets."""
        system = fs.S3FileSystem(
            access_key=self.key,
            secret_key=self.secret,
            endpoint_override=self.endpoint,
            region=REGION,
            allow_bucket_creation=True,
        )
        for path, content in files.items():
            system.create_dir(path.partition("/")[0])
            with system.open_output_stream(path) as file:
                file.write(content)


@contextmanager
def serving() -> Iterator[Storage]:
    """A server that checks signatures."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    try:
        iam = boto3.client(
            "iam",
            endpoint_url=endpoint,
            region_name=REGION,
            aws_access_key_id="first",
            aws_secret_access_key="first",  # noqa: S106 - moto lets the first requests pass.
        )
        iam.create_user(UserName="reader")
        allowed = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
        iam.put_user_policy(UserName="reader", PolicyName="all", PolicyDocument=policy)
        made = iam.create_access_key(UserName="reader")["AccessKey"]
        _check_signatures_after(endpoint, "0")
        yield Storage(endpoint, made["AccessKeyId"], made["SecretAccessKey"])
    finally:
        # The next server is of this process too, and knows what this one knew.
        _check_signatures_after(endpoint, "inf")
        requests.post(f"{endpoint}/moto-api/reset", timeout=10).raise_for_status()
        server.stop()


def _check_signatures_after(endpoint: str, requests_first: str) -> None:
    asked = f"{endpoint}/moto-api/reset-auth"
    requests.post(asked, data=requests_first, timeout=10).raise_for_status()
