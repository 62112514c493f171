"""Settings out of the environment, in which others write too."""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "PNEUMOSCOPE_"

# Kubernetes gives a container those of each service of its namespace, under the service's name:
# a service called pneumoscope, or pneumoscope-node, has them begin as the settings do.
# https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
_LINK_VALUE = re.compile(r"(tcp|udp|sctp)://\S+:\d+")
_LINK_NAME = re.compile(
    r".*_SERVICE_(HOST|PORT(_\w+)?)|.*_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?"
)
# Of whoever signs in to a PACS or to a FHIR server, or signs notices: costly to import.
CREDENTIALS = (
    *(f"{PREFIX}DICOMWEB_{name}" for name in ("USERNAME", "PASSWORD", "TOKEN")),
    f"{PREFIX}FHIR_TOKEN",
    f"{PREFIX}WEBHOOK_SECRET",
)


class EnvironmentSettings(BaseSettings):
    """Settings for which an empty variable, or one of a service link, counts as unset."""

    model_config = SettingsConfigDict(env_ignore_empty=True)

    @model_validator(mode="before")
    @classmethod
    def _without_service_links(cls, values: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in values.items() if not _is_link(value)}


def names(kind: type[BaseSettings]) -> list[str]:
    """The environment variables of a class of settings."""
    prefix = kind.model_config["env_prefix"]
    return [f"{prefix}{name}".upper() for name in kind.model_fields]


def listed(kind: type[BaseSettings]) -> str:
    """A class of settings for a command's help: each variable, its default and what it is."""
    lines = [
        f"  {name}  [{_default(field)}]\n      {field.description}"
        for name, field in zip(names(kind), kind.model_fields.values(), strict=True)
    ]
    # Click keeps the lines of a paragraph that begins so.
    return "\b\nEnvironment variables [default]:\n" + "\n".join(lines)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if isinstance(field.default, Path):
        return "the package's own folder"
    return "" if field.default in (None, ()) else str(field.default)


def unknown(environment: Mapping[str, str], known: Iterable[str]) -> str | None:
    """What is wrong with a variable that begins as a setting does and is none, in a sentence.

    Args:
        environment: of the process.
        known: the variables that are read.
    """
    known = {*known, *CREDENTIALS}
    for name, value in sorted(environment.items()):
        upper = name.upper()
        if (
            upper.startswith(PREFIX)
            and upper not in known
            and not _LINK_NAME.fullmatch(upper)
            and not _is_link(value)
        ):
            # Without what all of them have in common.
            rest = {setting.removeprefix(PREFIX) for setting in known}
            meant = get_close_matches(upper.removeprefix(PREFIX), rest, 1)
            return f"{name} is no setting." + "".join(
                f" Did you mean {PREFIX}{setting}?" for setting in meant
            )
    return None


def _is_link(value: Any) -> bool:
    return isinstance(value, str) and _LINK_VALUE.fullmatch(value) is not None
