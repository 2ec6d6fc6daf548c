import tempfile
import unittest
from pathlib import Path

from ..messages import write_enqueues


class Messages(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "messages"

    def test_a_request_is_encoded_as_protobuf_has_it(self):
        write_enqueues(self.path, "phone", 1, first=1, payload=b"xy")
        expected = b"\x0a\x05phone" + b"\x12\x10" + b"9e3779b97f4a7c15" + b"\x18\x01" + b"\x22\x02xy"
        self.assertEqual(self.path.read_bytes(), bytes([len(expected)]) + expected)

    def test_a_long_payload_has_a_long_length(self):
        write_enqueues(self.path, "s", 1, payload=bytes(1024))
        encoded = self.path.read_bytes()
        length = encoded[0] & 0x7F | encoded[1] << 7
        self.assertEqual(length, len(encoded) - 2)
        self.assertIn(b"\x22\x80\x08", encoded)

    def test_every_buyer_has_a_name_of_its_own(self):
        write_enqueues(self.path, "phone", 70_000)
        size = len(self.path.read_bytes()) // 70_000
        encoded = self.path.read_bytes()
        requests = {encoded[at : at + size] for at in range(0, len(encoded), size)}
        self.assertEqual(len(requests), 70_000)
