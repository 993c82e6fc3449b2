"""Keeps files in a bucket of an S3 server.

Place in the data's way: station 9. The only module of the trainer that speaks S3, and the one that turns a server's
answers into the user's mistakes. It never deletes an object.
"""

from __future__ import annotations

import contextlib
import io
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import boto3
from boto3.exceptions import S3UploadFailedError
from botocore.config import Config
from botocore.exceptions import ClientError

from trainyard_api.model_source import S3Location
from trainyard_api.termination import TerminationReason
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.storage.storage import StoredObject

_NO_BUCKET: Final = frozenset({"NoSuchBucket"})
_ATTEMPTS: Final = 5
"""How often a request is tried, within seconds: whoever waits for its answer can do nothing else."""
_UPLOAD_ATTEMPTS: Final = 30
"""The same of an upload: about four minutes where nobody listens, half an hour where nobody answers."""
_NO_KEY: Final = frozenset({"NoSuchKey", "404"})
_UNKNOWN_KEY: Final = frozenset({"XAdminUserNotFound"})
"""How servers call an access key that they don't know, where they don't answer 401 or 403."""
_EXISTS: Final = frozenset({"PreconditionFailed", "412", "ConditionalRequestConflict"})


@dataclass(frozen=True, slots=True)
class Credentials:
    """Holds an access key; `repr` doesn't show it."""

    access_key: str
    secret_key: str

    def __repr__(self) -> str:
        return "Credentials(...)"


@dataclass(frozen=True, slots=True)
class Fields:
    """Holds the paths of the manifest's fields that an error of this storage names."""

    bucket: str
    secret: str

    @classmethod
    def below(cls, path: str) -> Fields:
        """Names the fields of the S3 location at a path, as `spec.checkpoints.storage.s3`."""
        return cls(f"{path}.bucket", f"{path}.secretRef.name")


class S3Storage:
    """Keeps files in a bucket. Its root is the bucket's, whatever prefix the location has.

    Credentials come from the caller alone, never from the environment or the machine's own files. Every upload carries
    its SHA-256, which the server verifies.
    """

    def __init__(self, location: S3Location, credentials: Credentials, fields: Fields) -> None:
        self._location = location
        self._fields = fields
        self._bucket = location.bucket
        self._proven = False
        """Whether an upload has been taken: what is refused later was changed meanwhile, and isn't the manifest's."""
        session = boto3.session.Session(
            aws_access_key_id=credentials.access_key,
            aws_secret_access_key=credentials.secret_key,
            region_name=location.region,
        )
        self._client, self._uploads = (self._connected(session, attempts) for attempts in (_ATTEMPTS, _UPLOAD_ATTEMPTS))

    def _connected(self, session: boto3.session.Session, attempts: int) -> Any:
        endpoint = self._location.endpoint
        return session.client(
            "s3",
            endpoint_url=endpoint,
            config=Config(
                signature_version="s3v4",
                # Servers other than AWS rarely resolve the bucket as a host name.
                s3={"addressing_style": "path" if endpoint else "auto"},
                retries={"mode": "standard", "max_attempts": attempts},
                connect_timeout=10,
                read_timeout=60,
            ),
        )

    def check(self, *, write: bool) -> None:
        """Lists one key; to try the right to write, begin a multipart upload and drop it, which makes no object."""
        prefix = f"{self._location.prefix}/" if self._location.prefix else ""
        with self._translated():
            self._client.list_objects_v2(Bucket=self._bucket, Prefix=prefix, MaxKeys=1)
            if write:
                probe = {"Bucket": self._bucket, "Key": f"{prefix}write-check-{secrets.token_hex(8)}"}
                upload = self._client.create_multipart_upload(**probe)
                self._client.abort_multipart_upload(**probe, UploadId=upload["UploadId"])

    def uri(self, key: str) -> str:
        """Gives `s3://<bucket>/<key>`."""
        return f"s3://{self._bucket}/{key}"

    def key_of(self, uri: str) -> str | None:
        """Gives the key in this bucket."""
        return uri.removeprefix(self.uri("")) if uri.startswith(self.uri("")) else None

    def put(self, key: str, content: bytes | BinaryIO) -> None:
        """Uploads, in parts and in parallel where the file is large."""
        source = io.BytesIO(content) if isinstance(content, bytes) else content
        with self._translated():
            self._uploads.upload_fileobj(source, self._bucket, key, ExtraArgs={"ChecksumAlgorithm": "SHA256"})
        self._proven = True

    def put_if_absent(self, key: str, content: bytes) -> bool:
        """Puts with `If-None-Match: *`."""
        with self._translated():
            try:
                self._uploads.put_object(
                    Bucket=self._bucket, Key=key, Body=content, IfNoneMatch="*", ChecksumAlgorithm="SHA256"
                )
            except ClientError as error:
                if _code(error) in _EXISTS:
                    return False
                raise
        return True

    def get(self, key: str) -> bytes:
        """Reads in one request; the library checks the stored checksum."""
        with self._translated():
            reply = self._client.get_object(Bucket=self._bucket, Key=key)
            with reply["Body"] as body:
                content: bytes = body.read()
        return content

    def download(self, key: str, into: Path) -> None:
        """Downloads, in parts and in parallel where the file is large."""
        with self._translated():
            self._client.download_file(self._bucket, key, str(into))

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Lists page by page."""
        with self._translated():
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix):
                for entry in page.get("Contents", []):
                    yield StoredObject(entry["Key"], entry["Size"], entry["LastModified"])

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()
        self._uploads.close()

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        """Turns the server's answers into the product's words; everything else passes."""
        try:
            yield
        except S3UploadFailedError as error:
            if isinstance(error.__context__, ClientError):
                raise self._translate(error.__context__) from error
            raise
        except ClientError as error:
            raise self._translate(error) from error

    def _translate(self, error: ClientError) -> Exception:
        code = _code(error)
        if code in _NO_KEY:
            return FileNotFoundError(f"s3://{self._bucket}: there is no such key")
        refused = self._refusal(code, error)
        if refused is not None and self._proven:
            # Another attempt reads the Secret anew.
            return PermissionError(str(refused))
        return refused or error

    def _refusal(self, code: str, error: ClientError) -> RefusedError | None:
        if code in _NO_BUCKET:
            where = self._location.endpoint or "AWS"
            return RefusedError(
                TerminationReason.STORAGE_UNAVAILABLE,
                f"the bucket must exist at {where}",
                field_path=self._fields.bucket,
                value=self._bucket,
            )
        if code in _UNKNOWN_KEY or error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") in {401, 403}:
            return RefusedError(
                TerminationReason.STORAGE_UNAVAILABLE,
                f"the Secret's keys must be valid and allowed to list, read and write bucket {self._bucket!r} "
                f"(the server said {code} to {error.operation_name})",
                field_path=self._fields.secret,
                value=self._location.secret_ref.name,
            )
        return None


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
