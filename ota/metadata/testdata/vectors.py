#!/usr/bin/python3
"""Makes the images of this folder with the vendors' own tools.

    vectors.py ESPTOOL MCUBOOT UF2

ESPTOOL is a checkout of espressif/esptool at v4.8.1, MCUBOOT one of mcu-tools/mcuboot at v2.4.0, and
UF2 one of microsoft/uf2 at 90e9741. It also needs GNU objcopy. Signatures and encryption are random, so
a second run makes other bytes; what the images state stays the same.
"""
import os
import struct
import subprocess
import sys

ESPTOOL, MCUBOOT, UF2 = sys.argv[1:4]
HERE = os.path.dirname(os.path.abspath(__file__))


def run(*command):
    subprocess.run([str(c) for c in command], check=True, stdout=subprocess.DEVNULL, cwd=HERE)


def python(tool, *arguments):
    run(sys.executable, tool, *arguments)


def description():
    """An esp_app_desc_t (ESP-IDF, components/esp_app_format/include/esp_app_desc.h)."""
    return struct.pack("<II8x32s32s16s16s32s32sHHB3x72x", 0xABCD5432, 3, b"v1.4.0-2-g0123abc", b"lamp",
                       b"10:11:12", b"Nov 28 2026", b"v5.3.1", bytes(32), 0, 65535, 16)


def elf(sections, entry):
    """A 32-bit RISC-V executable with these sections: (name, address, bytes)."""
    names = b"\0" + b"".join(name.encode() + b"\0" for name, _, _ in sections) + b".shstrtab\0"
    at = 52 + 32 * len(sections)
    programs, body, headers = b"", b"", bytes(40)
    for name, address, data in sections:
        programs += struct.pack("<8I", 1, at, address, address, len(data), len(data), 5, 4)
        headers += struct.pack("<10I", names.index(name.encode()), 1, 2 | 4 * ("text" in name), address, at, len(data), 0, 0, 4, 0)
        body, at = body + data, at + len(data)
    headers += struct.pack("<10I", names.index(b".shstrtab"), 3, 0, 0, at, len(names), 0, 0, 1, 0)
    return struct.pack("<4sBBB9xHHIIIIIHHHHHH", b"\x7fELF", 1, 1, 1, 2, 0xF3, 1, entry, 52, at + len(names), 0,
                       52, 32, len(sections), 40, len(sections) + 2, len(sections) + 1) + programs + body + names + headers


def esp_idf():
    esptool, espsecure = os.path.join(ESPTOOL, "esptool.py"), os.path.join(ESPTOOL, "espsecure.py")
    with open(os.path.join(HERE, "lamp.elf"), "wb") as file:
        file.write(elf([(".flash.appdesc", 0x3C000020, description()), (".iram0.text", 0x40380000, bytes(range(64)))], 0x40380000))
    python(esptool, "--chip", "esp32c3", "elf2image", "--elf-sha256-offset", "0xb0", "--min-rev-full", 3, "-o", "esp32c3.bin", "lamp.elf")
    python(esptool, "--chip", "esp32c3", "elf2image", "--dont-append-digest", "-o", "esp32c3-no-digest.bin", "lamp.elf")
    python(esptool, "--chip", "esp32c3", "merge_bin", "--format", "uf2", "-o", "esp32c3.uf2", "0x10000", "esp32c3.bin")
    python(espsecure, "generate_signing_key", "--version", "2", "--scheme", "ecdsa256", "key.pem")
    python(espsecure, "sign_data", "--version", "2", "--keyfile", "key.pem", "--output", "esp32c3-signed.bin", "esp32c3.bin")
    os.remove(os.path.join(HERE, "key.pem"))
    os.remove(os.path.join(HERE, "lamp.elf"))


def mcuboot():
    imgtool = os.path.join(MCUBOOT, "scripts", "imgtool.py")
    with open(os.path.join(HERE, "lamp.bin"), "wb") as file:
        file.write(bytes(range(200)))
    for name, options in {
        "mcuboot.bin": ["--key", "root-ec-p256.pem", "--version", "1.4.2+7", "--security-counter", 5, "--dependencies", "(1, 2.0.1+0)"],
        "mcuboot-unsigned.bin": ["--version", "7.0.0"],
        "mcuboot-sha512.bin": ["--version", "0.0.0+0", "--sha", "512"],
        "mcuboot-pure.bin": ["--key", "root-ed25519.pem", "--pure", "--version", "1.0.0"],
        "mcuboot-encrypted.bin": ["--key", "root-ec-p256.pem", "--encrypt", "enc-ec256-pub.pem", "--version", "2.0.0"],
        "mcuboot-padded.bin": ["--key", "root-rsa-2048.pem", "--version", "1.4.2", "--pad", "--overwrite-only", "--slot-size", 1024, "--security-counter", "auto"],
    }.items():
        options = [os.path.join(MCUBOOT, o) if str(o).endswith(".pem") else o for o in options]
        python(imgtool, "sign", "--header-size", 32, "--pad-header", "--slot-size", 4096, "--align", 4, *options, "lamp.bin", name)


def uf2():
    python(os.path.join(UF2, "utils", "uf2conv.py"), "--convert", "--family", "NRF52840", "--base", "0x26000", "--output", "nrf52840.uf2", "lamp.bin")


def text():
    run("objcopy", "-I", "binary", "-O", "ihex", "lamp.bin", "lamp.hex")
    run("objcopy", "-I", "binary", "-O", "srec", "lamp.bin", "lamp.srec")
    os.remove(os.path.join(HERE, "lamp.bin"))


esp_idf()
mcuboot()
uf2()
text()
