"""The bank: real defects cut out of stills, as PNG files and one Parquet table."""

from flawcast.generators.defects.bank.adding import Added, add_marked, add_pictures
from flawcast.generators.defects.bank.outlining import Box, Stroke, outline
from flawcast.generators.defects.bank.stills import Stills
from flawcast.generators.defects.bank.store import BANK_VERSION, Bank, BankItem

__all__ = [
    "BANK_VERSION",
    "Added",
    "Bank",
    "BankItem",
    "Box",
    "Stills",
    "Stroke",
    "add_marked",
    "add_pictures",
    "outline",
]
