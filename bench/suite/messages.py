"""Encoded requests, so that the load tool has nothing to make while it measures."""

# Odd, so that multiples of it are all different below 2⁶⁴: buyers who follow each other do not have names that do.
SPREAD = 0x9E3779B97F4A7C15


def write_enqueues(path, sale, count, first=0, payload=b""):
    """EnqueueRequests of so many buyers with names of 16 bytes, each with its length in front."""
    head = _field(1, sale.encode()) + b"\x12\x10"
    tail = b"\x18\x01" + (_field(4, payload) if payload else b"")
    head = _varint(len(head) + 16 + len(tail)) + head
    with open(path, "wb") as file:
        for start in range(first, first + count, 65_536):
            numbers = range(start, min(start + 65_536, first + count))
            file.write(b"".join(b"%s%016x%s" % (head, (n * SPREAD) & (2**64 - 1), tail) for n in numbers))
    return path


def _field(number, content):
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value):
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
