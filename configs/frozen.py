"""The base of all settings."""

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """Frozen values by name; unknown names are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")
