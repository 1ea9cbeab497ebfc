"""The command line's options as a request."""

from collections.abc import Sequence
from typing import Any

from flawcast.configs.errors import SettingsError
from flawcast.configs.settings import validated
from flawcast.flows.uplift.request import UpliftRequest


def request_from_options(making: Sequence[str], **values: Any) -> UpliftRequest:
    """Build a request.

    Args:
        making: "NAME=VALUE" pairs: fields of `Making`, or the synthetic share.
        values: Fields of `UpliftRequest`.

    Raises:
        SettingsError: If a name is unknown or a value does not fit.
    """
    pairs = {}
    for item in making:
        name, equals, value = item.partition("=")
        if not equals:
            raise SettingsError(f"making: expected NAME=VALUE, got {item!r}; write it so")
        pairs[name] = value
    share = {"share": pairs.pop("share")} if "share" in pairs else {}
    return validated(UpliftRequest, values | share | {"making": pairs}, "options")
