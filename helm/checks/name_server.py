"""A name server with one name, for the duration of a command: `python -m checks.name_server COMMAND ARGUMENT...`.

It listens on the address in resolv.conf, so it needs its own network namespace."""

import socket
import struct
import subprocess
import sys
import threading

KNOWN = "front.dns"
ADDRESS = "127.0.0.1"

HEADER = struct.Struct("!HHHHHH")
TYPE_A = 1
# A response, authoritative.
ANSWER = 0x8580
NO_SUCH_NAME = 0x8583


def main():
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((ADDRESS, 53))
    threading.Thread(target=_serve, args=(server,), daemon=True).start()
    sys.exit(subprocess.run(sys.argv[1:], check=False).returncode)


def _serve(server):
    while True:
        query, client = server.recvfrom(512)
        server.sendto(_reply(query), client)


def _reply(query):
    number, *_ = HEADER.unpack_from(query)
    name, end = _name(query, HEADER.size)
    question = query[HEADER.size : end + 4]
    (kind,) = struct.unpack_from("!H", query, end)
    if name != KNOWN:
        return HEADER.pack(number, NO_SUCH_NAME, 1, 0, 0, 0) + question
    if kind != TYPE_A:
        return HEADER.pack(number, ANSWER, 1, 0, 0, 0) + question
    # A pointer to the name in the question, at byte 12.
    record = struct.pack("!HHHIH", 0xC00C, TYPE_A, 1, 1, 4) + socket.inet_aton(ADDRESS)
    return HEADER.pack(number, ANSWER, 1, 1, 0, 0) + question + record


def _name(query, at):
    """The name at this offset, and the offset after it."""
    labels = []
    while length := query[at]:
        labels.append(query[at + 1 : at + 1 + length].decode())
        at += 1 + length
    return ".".join(labels), at + 1


if __name__ == "__main__":
    main()
