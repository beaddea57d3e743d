#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A web process that listens well or badly: late, on loopback, on another port, not for long."""
import argparse
import os
import socket
import time

parser = argparse.ArgumentParser()
parser.add_argument("--address", default="0.0.0.0")
parser.add_argument("--port", type=int, default=os.environ.get("PORT"))
parser.add_argument("--after", type=float, default=0, help="seconds before it listens")
parser.add_argument("--for", dest="life", type=float, help="seconds until it exits with 3")
options = parser.parse_args()

time.sleep(options.after)
with socket.create_server((options.address, options.port), reuse_port=False) as server:
    print(f"listening on {options.address}:{options.port}", flush=True)
    server.settimeout(options.life)
    while True:
        try:
            connection, _ = server.accept()
        except TimeoutError:
            raise SystemExit(3)
        with connection:
            connection.settimeout(5)
            try:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
                                   b"Content-Length: 3\r\n\r\nok\n")
            except OSError:
                pass
