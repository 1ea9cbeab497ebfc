"""Labels and masks that people drew in other programs: files of every kind, read as one record."""
