"""Every name of a public class stands for one thing."""

import ast
from collections import defaultdict
from pathlib import Path

import imgmem


def test_no_public_class_name_occurs_in_two_modules():
    homes = defaultdict(list)
    for module in Path(imgmem.__file__).parent.rglob("*.py"):
        for node in ast.parse(module.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].append(module.stem)
    assert {name: modules for name, modules in homes.items() if len(modules) > 1} == {}
