"""Requests that are encoded before the measurement, so that the load tool only sends them."""

# Odd, so that its multiples modulo 2⁶⁴ are distinct: consecutive buyers get ids that are far apart.
ID_MULTIPLIER = 0x9E3779B97F4A7C15


def write_enqueues(path, sale, count, first=0, payload=b""):
    """Writes `count` length-prefixed EnqueueRequests of buyers with ids of 16 bytes."""
    head = _field(1, sale.encode()) + b"\x12\x10"
    tail = b"\x18\x01" + (_field(4, payload) if payload else b"")
    head = _varint(len(head) + 16 + len(tail)) + head
    with open(path, "wb") as file:
        for start in range(first, first + count, 65_536):
            numbers = range(start, min(start + 65_536, first + count))
            file.write(b"".join(b"%s%016x%s" % (head, (n * ID_MULTIPLIER) & (2**64 - 1), tail) for n in numbers))
    return path


def _field(tag, content):
    return _varint(tag << 3 | 2) + _varint(len(content)) + content


def _varint(value):
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
