"""The README's chapter on MySQL HA as a program: its commands are run in the guests as they are written there."""

import os
import re

README = os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../../README.md")
TITLE = "MySQL HA in ten minutes"


def _section(title):
    with open(README, encoding="utf-8") as file:
        text = file.read()
    return re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## )", text, re.MULTILINE | re.DOTALL).group(1)


def drbd_conf():
    """The sample of /etc/drbd.conf."""
    block = re.search(r"^    resource r0 \{\n.*?^    \}\n", _section("Use it"), re.MULTILINE | re.DOTALL).group(0)
    return "\n".join(line[4:] for line in block.splitlines())


def steps():
    """[(number of the step, "both", "alice" or "bob", its commands)], in their order. A block of commands belongs to the machine
    that the paragraph before it names at its end: "On both:"."""
    found, number, where, commands = [], 0, None, []
    for line in [*_section(TITLE).splitlines(), ""]:
        if line.startswith(" " * 7) and where:
            commands.append(line.strip())
            continue
        if commands and line.strip():
            found.append((number, where, commands))
            where, commands = None, []
        begins = re.match(r"(\d)\. ", line)
        number = int(begins.group(1)) if begins else number
        names = re.search(r"\bOn (both|alice|bob):$", line)
        where = names.group(1) if names else where
    return found
