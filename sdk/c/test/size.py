#!/usr/bin/env python3
"""Prints what muster.c takes on a Cortex-M, and fails if it is more than promised.

Code is text and constants of muster.o, compiled with -Os. RAM is sizeof(muster_t). Stack is
the deepest chain of calls, from the compiler's own call graph; functions of the port, which
are the application's, and of the C library are not in it.
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
CC = os.environ.get("ARM_CC", "arm-none-eabi-gcc")
SIZE, NM = (CC.replace("gcc", tool) for tool in ("size", "nm"))
LIMITS = {"code": 4608, "RAM": 512, "stack": 400}
CPUS = ["cortex-m0plus", "cortex-m4"]
LIBRARY = {"memcmp", "memcpy", "memset", "strlen"}


def output(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def deepest(graph):
    """The stack of the deepest chain in a VCG graph of -fcallgraph-info=su."""
    stack = {}
    for title, label in re.findall(r'node: \{ title: "([^"]+)" label: "([^"]*)"', graph):
        size = re.search(r"(\d+) bytes \((\w+)", label)
        if size and size.group(2) != "static":
            sys.exit(f"{title}: its stack is {size.group(2)}")
        stack[title] = int(size.group(1)) if size else 0
    calls = {}
    for source, target in re.findall(r'edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"', graph):
        calls.setdefault(source, set()).add(target)

    def depth(function, above):
        if function in above:
            sys.exit("recursion: " + " ".join(above + [function]))
        below = [depth(callee, above + [function]) for callee in calls.get(function, ())]
        return stack.get(function, 0) + max(below, default=0)

    return max(depth(function, []) for function in stack)


def measure(cpu, folder):
    flags = [f"-mcpu={cpu}", "-mthumb", "-Os", "-std=c99", "-Wall", "-Wextra", "-Werror", f"-I{ROOT}"]
    obj = folder / "muster.o"
    subprocess.run([CC, *flags, "-fcallgraph-info=su", "-c", str(ROOT / "muster.c"), "-o", str(obj)], check=True)
    probe = folder / "probe.c"
    probe.write_text('#include "muster.h"\nchar probe[sizeof(muster_t)];\n')
    subprocess.run([CC, *flags, "-c", str(probe), "-o", str(folder / "probe.o")], check=True)
    text, data, bss = map(int, output(SIZE, str(obj)).splitlines()[1].split()[:3])
    if data or bss:
        sys.exit(f"muster.o has {data} + {bss} bytes of variables")
    needs = {line.split()[-1] for line in output(NM, "-u", str(obj)).splitlines()} - LIBRARY
    if needs:
        sys.exit("muster.o needs " + " ".join(sorted(needs)))
    ram = int(output(NM, "-S", str(folder / "probe.o")).split()[1], 16)
    stack = deepest((folder / "muster.ci").read_text())
    return {"code": text, "RAM": ram, "stack": stack}


def main():
    over = []
    print("| bytes | " + " | ".join(LIMITS) + " |\n|---|" + "---|" * len(LIMITS))
    for cpu in CPUS:
        with tempfile.TemporaryDirectory() as folder:
            got = measure(cpu, pathlib.Path(folder))
        print(f"| {cpu} | " + " | ".join(str(got[what]) for what in LIMITS) + " |")
        over += [f"{cpu}: {what}: {got[what]} bytes, at most {LIMITS[what]}" for what in LIMITS if got[what] > LIMITS[what]]
    print("| at most | " + " | ".join(str(limit) for limit in LIMITS.values()) + " |")
    if over:
        sys.exit("\n".join(over))


main()
