#!/usr/bin/env python3
"""Writes test/vectors.h from the golden vectors in wire/testdata/vectors.

With --check it compares instead, and fails if the header is not current.
"""
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
VECTORS = HERE.parents[2] / "wire" / "testdata" / "vectors"
HEADER = HERE / "vectors.h"

# A device neither sends nor receives the others.
MESSAGES = ["welcome", "offer", "chunk", "stop", "hello", "want", "report", "alert"]


def records(message):
    for record in (VECTORS / f"{message}.txt").read_text().split("\n\n"):
        head, fields = {}, []
        for line in record.strip().split("\n"):
            word, _, rest = line.partition(" ")
            if word.endswith(":"):
                head[word[:-1]] = rest
            elif line and not line.startswith("#"):
                fields.append(line)
        if "name" in head:
            yield head, fields


def quoted(text):
    out = ""
    for byte in text.encode():
        char = chr(byte)
        if char in '"\\':
            out += "\\" + char
        elif char == "\n":
            out += "\\n"
        elif 32 <= byte < 127:
            out += char
        else:
            out += f"\\{byte:03o}"
    return '"' + out + '"'


def header():
    lines = [
        "/* Written by vectors.py from wire/testdata/vectors. Do not edit. */",
        "enum { VECTOR_OK, VECTOR_DECODE, VECTOR_REFUSED };",
        "",
        "static const struct vector {",
        "    const char *message, *name;",
        "    int expect;",
        "    size_t size;",
        "    const char *bytes, *fields;",
        "} vectors[] = {",
    ]
    for message in MESSAGES:
        for head, fields in records(message):
            data = bytes.fromhex(head["hex"])
            expect = "VECTOR_" + head["expect"].split()[0].upper()
            text = "".join(f"\\x{byte:02x}" for byte in data)
            pieces = [text[i : i + 4 * 30] for i in range(0, len(text), 4 * 30)] or [""]
            joined = "\n     ".join(f'"{piece}"' for piece in pieces)
            wanted = quoted("\n".join(fields))
            parts = [wanted[1:-1][i : i + 2000] for i in range(0, len(wanted) - 2, 2000)] or [""]
            if any(part.endswith("\\") for part in parts):
                parts = [wanted[1:-1]]
            lines.append(
                f'    {{"{message}", "{head["name"]}", {expect}, {len(data)},\n     {joined},\n     '
                + "\n     ".join(f'"{part}"' for part in parts)
                + "},"
            )
    lines += ["};", ""]
    return "\n".join(lines)


def main():
    want = header()
    if "--check" in sys.argv[1:]:
        if not HEADER.exists() or HEADER.read_text() != want:
            sys.exit("test/vectors.h is not current: run test/vectors.py")
        return
    HEADER.write_text(want)


main()
