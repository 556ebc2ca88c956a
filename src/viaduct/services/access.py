"""How people and tools reach a cloud: ``clouds.yaml``, the CA file, variables for a shell."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import yaml

from viaduct.errors import CloudError
from viaduct.model.cloud import Cloud
from viaduct.services.files import write_private

CLOUDS_FILE = "clouds.yaml"
CA_FILE = "ca.pem"


def endpoint(cloud: Cloud) -> str:
    """The public identity endpoint."""
    return f"https://{cloud.spec.public_address}:5000/v3"


def write_files(directory: Path, cloud: Cloud) -> None:
    """Write ``clouds.yaml`` and ``ca.pem`` of the cloud into its directory."""
    write_private(directory / CA_FILE, cloud.trust.cloud_ca_pem)
    document = {
        "clouds": {
            cloud.spec.name: {
                "auth": {
                    "auth_url": endpoint(cloud),
                    "username": "admin",
                    "password": cloud.secret("admin_password"),
                    "project_name": "admin",
                    "user_domain_name": "Default",
                    "project_domain_name": "Default",
                },
                "region_name": cloud.spec.region,
                "interface": "public",
                "identity_api_version": 3,
                "cacert": str(directory / CA_FILE),
            }
        }
    }
    write_private(directory / CLOUDS_FILE, yaml.safe_dump(document, sort_keys=False))


def variables(directory: Path, cloud: str) -> dict[str, str]:
    """Environment variables that point standard OpenStack tools at the cloud; none is a secret.

    Raises :class:`CloudError` when the cloud was not deployed as far as that.
    """
    path = directory / CLOUDS_FILE
    if not path.is_file():
        raise CloudError(f"The cloud '{cloud}' is not deployed yet.", "Run './viaduct up' first.")
    return {"OS_CLIENT_CONFIG_FILE": str(path), "OS_CLOUD": cloud}


def exports(values: dict[str, str]) -> str:
    """The variables as lines for a POSIX shell. Others that tools would prefer are unset."""
    unset = ("OS_AUTH_URL", "OS_USERNAME", "OS_PASSWORD", "OS_PROJECT_NAME", "OS_TOKEN", "OS_CACERT")
    lines = [f"unset {' '.join(unset)}"]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in values.items()]
    return "\n".join(lines)


def client_command(arguments: tuple[str, ...]) -> list[str]:
    """The upstream command-line client's argument vector; the client calls itself by ``argv[0]``."""
    start = "import sys; sys.argv[0] = 'openstack'; from openstackclient.shell import main; sys.exit(main())"
    return [sys.executable, "-c", start, *arguments]
