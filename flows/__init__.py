"""The order of things: Prefect flows, Ray fan-out, the command line, contact sheets."""
