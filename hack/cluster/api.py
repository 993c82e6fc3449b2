"""The few calls that setting up a cluster makes to its API server, with the admin's certificate.

No client library: the cluster must come up before anything that is not in the standard library may be needed.
"""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hack.cluster.certs import Authority, Pair


class Api:
    """One API server (or any component that serves HTTPS with the cluster's certificates)."""

    def __init__(self, server: str, authority: Authority, client: Pair) -> None:
        self._server = server
        context = ssl.create_default_context(cafile=str(authority.pair.certificate))
        context.load_cert_chain(client.certificate, client.key)
        # The machine's proxy settings are for the way out; this address is on the machine.
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )

    def get(self, path: str) -> dict[str, Any] | None:
        """Gets an object; None where there is none yet.

        Raises:
            OSError: no answer, or a refusal other than 404.
        """
        try:
            with self._opener.open(self._server + path, timeout=5) as reply:
                return dict(json.load(reply))
        except urllib.error.HTTPError as error:
            with error:
                if error.code != 404:
                    raise
            return None

    def answers(self, path: str) -> bool:
        """Says whether a health endpoint says that all is well."""
        try:
            with self._opener.open(self._server + path, timeout=5) as reply:
                return bool(reply.status == 200)
        except urllib.error.HTTPError as error:
            error.close()
            return False
        except OSError:
            return False

    def create(self, path: str, body: dict[str, Any]) -> None:
        """Creates an object in a collection; one that exists already is left as it is."""
        request = urllib.request.Request(
            self._server + path,
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
            method="POST",
        )
        try:
            with self._opener.open(request, timeout=5):
                return
        except urllib.error.HTTPError as error:
            with error:
                if error.code != 409:
                    raise


def http_ok(url: str) -> bool:
    """Says whether a plain HTTP endpoint of this machine answers 200."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=2) as reply:
            return bool(reply.status == 200)
    except urllib.error.HTTPError as error:
        error.close()
        return False
    except OSError:
        return False
