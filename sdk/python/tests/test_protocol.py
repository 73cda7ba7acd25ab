"""The codec against the protocol's golden vectors."""

import unittest
from typing import Any, Callable

from muster_device import protocol as p

from . import vectors

DECODERS: dict[str, Callable[[bytes], Any]] = {
    "welcome": p.decode_welcome,
    "offer": p.decode_offer,
    "chunk": p.decode_chunk,
    "stop": p.decode_stop,
    "attached": p.decode_attached,
}


def shown(value: Any, want: Any) -> Any:
    """A decoded value in the vector's spelling."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(want, str) and not isinstance(value, (str, bool)):
        return str(value)
    return value


class Vectors(unittest.TestCase):
    def test_what_is_allowed_decodes_to_its_fields(self) -> None:
        seen = 0
        for message, decode in DECODERS.items():
            for v in vectors.read(message):
                if v.expect.startswith("refused"):
                    continue
                with self.subTest(f"{message}/{v.name}"):
                    got = decode(v.payload)
                    if message == "attached":
                        self.assertEqual([f'{i} {r}' for i, r in got], [w.replace('"', "") for _, w in v.fields])
                        seen += 1
                        continue
                    for name, want in v.fields:
                        self.assertEqual(shown(getattr(got, name), want), want, name)
                        seen += 1
        self.assertGreater(seen, 100)

    def test_what_is_not_allowed_is_rejected(self) -> None:
        seen = 0
        for message, decode in DECODERS.items():
            for v in vectors.read(message):
                if not v.expect.startswith("refused"):
                    continue
                seen += 1
                with self.subTest(f"{message}/{v.name}"):
                    with self.assertRaises(p.Malformed):
                        decode(v.payload)
        self.assertGreater(seen, 30)

    def test_what_is_sent_is_encoded_as_in_the_vectors(self) -> None:
        for v in vectors.read("want"):
            if v.expect != "ok":
                continue
            with self.subTest(v.name):
                chunk = v.get("chunk")
                want = p.Want(bytes.fromhex(v.get("image")), int(v.get("first")), int(v.get("count")), int(chunk) if chunk else None)
                self.assertEqual(p.encode_want(want), v.payload)
        for v in vectors.read("chunk"):
            if v.expect == "ok":
                with self.subTest(v.name):
                    self.assertEqual(p.encode_chunk(p.decode_chunk(v.payload)), v.payload)


class Versions(unittest.TestCase):
    def test_seven_is_seven_in_every_spelling(self) -> None:
        for a, b, same in ((7, "7", True), (7, "7.0.0", True), ("1.4.0", "1.4.0", True), (7, 8, False), ("1.4.0-rc.1", "1.4.0", False), ("1.10.0", "1.1.0", False)):
            with self.subTest(f"{a} {b}"):
                self.assertEqual(p.same_version(a, b), same)


if __name__ == "__main__":
    unittest.main()
