#!/usr/bin/env python3
"""The lint scripts find what they are for: each is run on small trees, good ones and broken ones."""
import hashlib
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
SKIPPED = 77

HEADER = "/* hex.h: digits. */\n#ifndef BASE_HEX_H\n#define BASE_HEX_H\n#endif\n"
FUNCTION = "static void f(void)\n{\n%s}\n"
TESTED = {"src/base/hex.c": "int x;\n", "tests/unit/base/test_hex.c": "int y;\n"}
SCHEMA = "CREATE TABLE a (b);\n"
SCHEMA_LINE = hashlib.sha256(SCHEMA.encode()).hexdigest() + "  0001.sql\n"
STORE = "src/store/schema/"

# Script, files of a tree, and what the script must say; None: nothing, all is well.
CASES = [
    ("layers", {"src/bls/a.c": "#include <blst.h>\n"}, None),
    ("layers", {"src/bls/a.c": '#include "base/hex.h"\n', "src/base/hex.h": HEADER}, None),
    ("layers", {"src/base/a.c": '#include "bls/b.h"\n', "src/bls/b.h": ""},
     'src/base/a.c:1: layer base may not include "bls/b.h"'),
    ("layers", {"src/store/a.c": '\n#include "eth/ssz.h"\n', "src/eth/ssz.h": ""},
     'src/store/a.c:2: layer store may not include "eth/ssz.h"'),
    ("layers", {"src/store/a.c": '#include "eth/types.h"\n', "src/eth/types.h": ""}, None),
    ("layers", {"src/base/a.c": '#include "hex.h"\n', "src/base/hex.h": ""}, "is no header below src/"),
    ("layers", {"src/base/a.c": '#include "made.h"\n', "src/base/meson.build": "output: 'made.h',"}, None),
    ("layers", {"src/eth/a.c": '#include "made.h"\n', "src/base/meson.build": "output: 'made.h',"},
     "is no header below src/"),
    ("layers", {"src/base/a.c": "#include <base/hex.h>\n", "src/base/hex.h": ""}, "is ours"),
    ("layers", {"src/eth/a.c": "#include <blst.h>\n"}, "<blst.h> is for src/bls/ alone"),
    ("layers", {"src/base/hex.c": "# include <jansson.h>\n"}, "<jansson.h> is for src/base/json.c"),
    ("layers", {"src/app/a.c": "#include <event2/event.h>\n"}, "is for src/net/ alone"),
    ("layers", {"src/app/a.c": "#include <sqlite3.h>\n"}, "is for src/store/ alone"),
    ("layers", {"src/attic/a.c": ""}, "layer attic is not in the table"),

    ("banned", {"src/eth/a.c": "int x; /* strcpy(a, b) goto */\nconst char *s = \"goto system(x)\";\n"}, None),
    ("banned", {"src/eth/a.c": "x->time(3); y.exit(0); my_time(1); timer(2);\n"}, None),
    ("banned", {"src/eth/a.c": "x = strcpy(a, b);\n"}, "src/eth/a.c:1: strcpy()"),
    ("banned", {"src/eth/a.c": "x = malloc(3);\n"}, "malloc()"),
    ("banned", {"src/base/a.c": "x = malloc(3);\n"}, None),
    ("banned", {"src/eth/a.c": "exit(1);\n"}, "exit()"),
    ("banned", {"src/app/a.c": "exit(1);\n"}, None),
    ("banned", {"src/eth/a.c": "\n goto out;\n"}, "src/eth/a.c:2: goto"),
    ("banned", {"src/eth/a.c": "memcmp(a->secret, b, 32)\n"}, "memcmp() of a secret"),
    ("banned", {"src/eth/a.c": "memcmp(a->root, b, 32)\n"}, None),
    ("banned", {"src/eth/a.c": "system(x); /* allowed: a test of the test */\n"}, None),

    ("mirror", TESTED | {"src/base/hex.h": HEADER}, None),
    ("mirror", {"src/base/hex.c": "int x;\n"}, "has no tests/unit/base/test_hex.c"),
    ("mirror", {"tests/unit/base/test_gone.c": "int x;\n"}, "tests src/base/gone, which is not there"),
    ("mirror", {"src/base/hex.h": HEADER.replace("hex.h:", "hex:")}, "begins with its purpose"),
    ("mirror", {"src/base/hex.h": HEADER.replace("BASE_HEX_H", "HEX_H")}, "no include guard BASE_HEX_H"),
    ("mirror", {"src/base/hex.h": HEADER + "int x;\n"}, "no include guard BASE_HEX_H"),
    ("mirror", {"src/base/hex.h": HEADER.replace("#endif", "\n" * 145 + "#endif")}, None),
    ("mirror", {"src/base/hex.h": HEADER.replace("#endif", "\n" * 148 + "#endif")}, "more than 150"),
    ("mirror", TESTED | {"src/base/hex.c": "\n" * 600}, None),
    ("mirror", TESTED | {"src/base/hex.c": "\n" * 601}, "has 601 lines, more than 600"),
    ("mirror", TESTED | {"src/base/hex.c": FUNCTION % ("    x();\n" * 68)}, None),
    ("mirror", TESTED | {"src/base/hex.c": FUNCTION % ("    x();\n" * 69)}, "a function of 71 lines"),

    ("architecture", {}, None),
    ("architecture", {"ARCHITECTURE.md": "`src/base/hex.c` and src/base, `not/a/path`\n", **TESTED}, None),
    ("architecture", {"ARCHITECTURE.md": "`src/base/hex.c:1` `src/base/*.c`\n", **TESTED}, None),
    ("architecture", {"ARCHITECTURE.md": "`src/base/gone.c`\n", **TESTED}, "`src/base/gone.c` is not there"),
    ("architecture", {"README.md": "`docs/x.md`\n", "docs/y.md": ""}, "`docs/x.md` is not there"),
    ("architecture", {"docs/a/b.md": "\n`tools/gone.sh`\n", "tools/x": ""}, "docs/a/b.md:2: `tools/gone.sh`"),
    ("architecture", {"ARCHITECTURE.md": "nothing\n", **TESTED}, "does not name src/base"),

    ("text", {"a.md": "fine — really\n", "Makefile": "a:\n\tb\n"}, None),
    ("text", {"a.md": "trailing \n"}, "a.md:1: space"),
    ("text", {"a.md": "dos\r\n"}, "a.md:1: space"),
    ("text", {"a.md": "tab\there\n"}, "a.md:1: a tab"),
    ("text", {"a.md": "no end"}, "does not end with"),
    ("text", {"a.md": "x\n\n"}, "ends with an empty line"),
    ("text", {"a.md": b"\xff\n"}, "is not UTF-8"),
    ("text", {"a.md": "see /ho" + "me/me\n"}, "a path of one machine"),
    ("text", {"a.md": "from deb." + "debian.org\n"}, "a package registry's host"),
    ("text", {"a.md": "TO" + "DO: more\n"}, "something unfinished"),
    ("text", {"a.md": "Co-auth" + "ored-by: x\n"}, "who did the work"),
    ("text", {"tests/fuzz/corpus/json/a": "no end, tab\t"}, None),

    ("schema", {}, None),
    ("schema", {STORE + "0001.sql": SCHEMA, STORE + "RELEASED": SCHEMA_LINE}, None),
    ("schema", {STORE + "0001.sql": SCHEMA}, "RELEASED: is not there"),
    ("schema", {STORE + "0001.sql": SCHEMA + "\n", STORE + "RELEASED": SCHEMA_LINE}, "has changed"),
    ("schema", {STORE + "RELEASED": SCHEMA_LINE}, "was released and is not there"),
    ("schema", {STORE + "0001.sql": SCHEMA, STORE + "RELEASED": "x\n"}, 'is not "<hash>  <file>"'),
    ("schema", {STORE + "0001.sql": SCHEMA, STORE + "RELEASED": SCHEMA_LINE * 2}, "names 0001.sql again"),

    ("format", {"src/base/a.c": "int x;\n", "a.sh": "#!/bin/sh\necho \"$1\"\n", "a.py": "x = 1\n"}, None),
    ("format", {"src/base/a.c": "int  x;\n"}, "clang-format-violations"),
    ("format", {"a.sh": "#!/bin/sh\necho $1\n"}, "SC2086"),
    ("format", {"b": "#!/usr/bin/env bash\necho $1\n"}, "SC2086"),
    ("format", {"a.py": "x = \n"}, "does not compile"),
]


def run(script: str, tree: dict) -> tuple[int, str]:
    with tempfile.TemporaryDirectory() as folder:
        for name, content in tree.items():
            path = pathlib.Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        done = subprocess.run([sys.executable, str(HERE / f"{script}.py")], text=True, check=False,
                              env={**os.environ, "CHAMBER_LINT_ROOT": folder},
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return done.returncode, done.stdout


def main() -> int:
    wrong = 0
    for script, tree, wanted in CASES:
        code, output = run(script, tree)
        good = code in (0, SKIPPED) if wanted is None else code == 1 and wanted in output
        if not good:
            wrong += 1
            print(f"{script} on {list(tree)}: wanted {wanted or 'nothing'}, got {code}:\n{output}")
    print(f"{len(CASES)} trees, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
