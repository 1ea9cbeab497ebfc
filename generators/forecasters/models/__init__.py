"""The forecasters, one file each; the registry looks here."""
