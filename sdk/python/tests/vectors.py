"""Reads the golden vectors of the protocol (wire/testdata/vectors/README.md)."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[3] / "wire" / "testdata" / "vectors"


@dataclass
class Vector:
    name: str = ""
    expect: str = ""
    payload: bytes = b""
    fields: list[tuple[str, Any]] = field(default_factory=list)

    def get(self, name: str, default: Any = None) -> Any:
        return next((v for k, v in self.fields if k == name), default)


def _value(text: str) -> Any:
    if text in ("true", "false"):
        return text == "true"
    if text.startswith('"') and text.endswith('"'):
        return ast.literal_eval(text)
    return text  # digits or hexadecimal: the field decides


def read(message: str) -> list[Vector]:
    vectors: list[Vector] = []
    current = Vector()
    for line in (FOLDER / f"{message}.txt").read_text().splitlines() + [""]:
        if line.startswith("#"):
            continue
        if not line.strip():
            if current.name:
                vectors.append(current)
            current = Vector()
            continue
        head, _, rest = line.partition(" ")
        if head == "name:":
            current.name = rest
        elif head == "expect:":
            current.expect = rest
        elif head == "hex:":
            current.payload = bytes.fromhex(rest)
        elif head.endswith(":"):
            continue
        elif rest.startswith("= "):
            current.fields.append((head, _value(rest[2:])))
    return vectors
