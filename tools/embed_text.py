#!/usr/bin/env python3
"""Writes a C header that holds a text file as a string.

usage: embed_text.py <text file> <header> <name of the string>
"""
import pathlib
import sys

ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"'})


def main() -> None:
    source, header, name = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
    lines = [f'    "{line.translate(ESCAPES)}\\n"' for line in source.read_text("ascii").splitlines()]
    header.write_text(f"/* {source.name}, as it is in the source tree. */\n"
                      f"static const char {name}[] =\n" + "\n".join(lines) + ";\n", "ascii")


main()
