"""Where work runs: this process, or Ray workers in a Prefect flow; its services and progress."""
