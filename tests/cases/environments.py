"""Environments that factories, service accounts and other servers leave."""

NOBODY = "127.0.0.1:9"
HOSTILE = {
    "http_proxy": f"http://{NOBODY}",
    "HTTPS_PROXY": f"http://{NOBODY}",
    "ALL_PROXY": f"socks5://{NOBODY}",
    "all_proxy": f"socks5://{NOBODY}",
    "HOME": "/dev/null",
    "PREFECT_SERVER_API_AUTH_STRING": "admin:secret",
    "PREFECT_SERVER_API_BASE_PATH": "/prefect",
    "PREFECT_MESSAGING_BROKER": "prefect_redis.messaging",
    "PREFECT_LOGGING_LEVEL": "no such level",
    "RAY_ADDRESS": NOBODY,
    "RAY_AUTH_MODE": "token",
    "SSL_CERT_FILE": "/no/such/file",
    "PYTHONPATH": ".",
}

# Files of other programs, or for another server, in the folder where a command is typed.
FILES = {
    ".env": "PREFECT_LOGGING_LEVEL=no such level\nPREFECT_SERVER_API_AUTH_STRING=admin:secret\n"
    "PREFECT_API_AUTH_STRING=admin:secret\nPREFECT_HOME=/dev/null\nDATABASE_URL=x\n",
    "prefect.toml": '[logging]\nlevel = "no such level"\n[server.api]\nbase_path = "/prefect"\n',
    "pyproject.toml": '[tool.prefect.logging]\nlevel = "none"\n[tool.prefect.client]\n'
    "max_retries = -3\n",
}
