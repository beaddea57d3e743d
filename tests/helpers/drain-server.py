#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""drain-server.py https|tcp DIR [CERT KEY] - receives what a drain sends, and can be told to be bad.

It listens on a port of 127.0.0.1 that it writes to DIR/port, and appends each message it has taken
to DIR/messages, without its length.  Of HTTPS each request is a line of DIR/requests: status, count
of messages, and headers.  DIR/mode says how it behaves, and is read for each request or
connection: ok, the number of a status, hang (says nothing), close (hangs up in the middle).
"""
import http.server
import os
import select
import socket
import socketserver
import ssl
import sys
import time

KIND, DIR = sys.argv[1:3]


def mode():
    try:
        with open(f"{DIR}/mode", encoding="utf-8") as file:
            return file.read().strip()
    except FileNotFoundError:
        return "ok"


def add(name, data):
    with open(f"{DIR}/{name}", "ab") as file:
        file.write(data)


def frames(data):
    """Messages with their lengths before them; what is left of an unfinished one."""
    found = []
    while b" " in data[:12]:
        length, rest = data.split(b" ", 1)
        if len(rest) < int(length):
            break
        found.append(rest[:int(length)])
        data = rest[int(length):]
    return found, data


class Https(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        messages, rest = frames(body)
        how = mode()
        if how == "hang":
            time.sleep(30)
        if how in ("hang", "close"):
            self.close_connection = True
            return
        status = 204 if how == "ok" else int(how)
        header = " ".join(f"{name}={self.headers[name]}" for name in (
            "Content-Type", "Logplex-Msg-Count", "Logplex-Frame-Id", "Logplex-Drain-Token",
            "User-Agent", "Authorization"))
        add("requests", f"{status} {len(messages)} {len(rest)} {self.path} {header}\n".encode())
        if status == 204:
            add("messages", b"".join(messages))
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


class Tcp(socketserver.BaseRequestHandler):
    def handle(self):
        data = b""
        while mode() == "hang":
            time.sleep(0.05)
        # what comes after it has been told to be good is not for the bad
        while mode() == "close" and not select.select([self.request], [], [], 0.05)[0]:
            pass
        if mode() == "close":
            # a part of a message, and then an end that loses the rest
            self.request.recv(100)
            self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            return
        while True:
            more = self.request.recv(65536)
            if not more:
                return
            messages, data = frames(data + more)
            add("messages", b"".join(m + b"\n" for m in messages))


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass


class Small(Server):
    """What it has not read it has a known room for."""

    def server_bind(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        super().server_bind()


server = (Server if KIND == "https" else Small)(("127.0.0.1", 0), Https if KIND == "https" else Tcp)
if len(sys.argv) > 3:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[3], sys.argv[4])
    server.socket = context.wrap_socket(server.socket, server_side=True,
                                        do_handshake_on_connect=False)
add("port.new", str(server.server_address[1]).encode())
os.rename(f"{DIR}/port.new", f"{DIR}/port")
server.serve_forever()
