"""The bank: real defects cut out of stills, as PNG files and one Parquet table."""

from flawcast.generators.defects.bank.adding import Added, add_pictures
from flawcast.generators.defects.bank.store import BANK_VERSION, Bank, BankItem

__all__ = ["BANK_VERSION", "Added", "Bank", "BankItem", "add_pictures"]
