import ast
import sys
from pathlib import Path

import irem_core

ALLOWED = {"torch", "torch_geometric", "safetensors", "jaxtyping", "irem_core"}
ALLOWED |= {"networkx", "scipy"}  # graphs of which are converted; imported where that is done


def test_the_core_imports_only_what_it_is_made_of():
    for path in Path(irem_core.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                top = name.partition(".")[0]
                assert top in ALLOWED | sys.stdlib_module_names, f"{path} imports {name}"
