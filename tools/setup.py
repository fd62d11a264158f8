"""Make everything that `make demo` and `make test` need, from nothing but some Python 3 with venv.

A small virtual environment brings uv, uv brings the Python of .python-version and the locked packages, and npm (from a
wheel, in an environment of its own) brings the page assets. Every step leaves a stamp that names what it was made from,
so a second run does nothing, and a killed one is taken up again. Runs on any Python from 3.8.

    python3 tools/setup.py run|dev
"""

import hashlib
import os
import shutil
import subprocess
import sys
import threading

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOOLS = os.path.join(ROOT, ".tools")
BIN = "Scripts" if os.name == "nt" else "bin"
UV = os.path.join(TOOLS, "uv", BIN, "uv")
NODE = os.path.join(TOOLS, "node", BIN, "python")


class Failed(Exception):
    """A step did not work; the sentence is for the person."""


def main():
    """Set up for running (`run`) or for development (`dev`)."""
    kind = sys.argv[1] if len(sys.argv) > 1 else "run"
    try:
        os.makedirs(os.path.join(TOOLS, "stamps"), exist_ok=True)
        if not os.path.exists(UV):
            forget("uv")
        step("uv", ["requirements-tools.lock"], get_uv)
        faults = []
        assets = threading.Thread(target=guarded, args=(faults, get_assets))
        assets.start()
        try:
            get_packages(kind)
        finally:
            assets.join()
        if faults:
            raise faults[0]
        get_words()
    except (Failed, OSError) as error:
        sys.stderr.write("\n%s\n" % sentence(error))
        return 2
    return 0


def sentence(error):
    """Say what went wrong: our own sentence, or what the system said of a file."""
    if isinstance(error, OSError):
        return "无法读写文件：%s。请检查磁盘空间和权限，然后重新运行 make。" % error
    return str(error)


def guarded(faults, work):
    """Run in a thread and keep what went wrong."""
    try:
        work()
    except (Failed, OSError) as error:
        faults.append(error)


def step(name, sources, work):
    """Do the work unless the stamp says that it was done from these very sources."""
    stamp = os.path.join(TOOLS, "stamps", name)
    digest = hashlib.sha256(ROOT.encode())  # environments hold absolute paths: a moved clone is set up again
    for source in sources:
        with open(os.path.join(ROOT, source), "rb") as file:
            digest.update(file.read())
    made = digest.hexdigest()
    if os.path.exists(stamp):
        with open(stamp) as file:
            if file.read() == made:
                return
    work()
    with open(stamp + ".new", "w") as file:
        file.write(made)
    os.replace(stamp + ".new", stamp)


def forget(name):
    """Drop a stamp whose work is no longer there."""
    path = os.path.join(TOOLS, "stamps", name)
    if os.path.exists(path):
        os.remove(path)


def run(command, what, cwd=ROOT):
    """Run a command; show its output only when it fails."""
    environment = dict(os.environ, PYTHONNOUSERSITE="1")
    for name in ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "UV_PROJECT_ENVIRONMENT", "CONDA_PREFIX"):
        environment.pop(name, None)
    done = subprocess.run(
        command,
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode:
        sys.stderr.write(done.stdout.decode("utf-8", "replace")[-4000:])
        raise Failed(what)


def get_uv():
    """Make the environment that holds uv."""
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        raise Failed(
            "这个 Python 没有 venv。请先安装：sudo apt install python3-venv，然后重新运行 make。"
            " (This Python lacks venv: sudo apt install python3-venv)"
        ) from None
    say("准备工具 (uv)")
    folder = os.path.join(TOOLS, "uv")
    shutil.rmtree(folder, ignore_errors=True)
    run(
        [sys.executable, "-m", "venv", folder],
        "建立虚拟环境失败。若在 Debian 上，请运行 sudo apt install python3-venv 后重试。",
    )
    run(
        [os.path.join(folder, BIN, "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check",
         "--require-hashes", "--only-binary", ":all:", "-r", "requirements-tools.lock"],
        "下载 uv 失败。请检查网络；使用镜像时设置 PIP_INDEX_URL(见 docs/operations.md)。",
    )  # fmt: skip


def get_packages(kind):
    """Make .venv with the locked packages and this project."""
    lock = "requirements-dev.lock" if kind == "dev" else "requirements.lock"
    held = os.path.join(TOOLS, "stamps", "dev")
    sources = [lock, "pyproject.toml", ".python-version"]
    if kind == "run" and os.path.exists(held):
        kind, sources = "dev", ["requirements-dev.lock", *sources[1:]]  # the larger set is there: keep it
        lock = sources[0]
    python = os.path.join(ROOT, ".venv", BIN, "python")

    def work():
        say("安装软件包 (%s)" % lock)
        if not works(python):
            run(
                [UV, "venv", "-q", "--clear", ".venv"],
                "没有找到也没能下载 Python 3.13。请检查网络，或先安装 Python 3.13。",
            )
        run(
            [UV, "pip", "install", "-q", "--require-hashes", "-r", lock],
            "下载软件包失败。请检查网络；使用镜像时设置 UV_DEFAULT_INDEX(见 docs/operations.md)。",
        )
        run([UV, "pip", "install", "-q", "--no-deps", "-e", "."], "安装本项目失败。")

    if not works(python):
        for name in ("run", "dev"):
            forget(name)
    step(kind, sources, work)


def works(python):
    """Tell whether an interpreter is there and runs."""
    if not os.path.exists(python):
        return False
    return (
        subprocess.run([python, "-c", ""], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode
        == 0
    )


def get_assets():
    """Fetch the pages' scripts, styles and fonts with npm, and keep the files that pages use."""
    vendor = os.path.join(ROOT, "src", "gongzhi", "web", "static", "vendor")
    if not os.path.isdir(vendor):
        forget("assets")

    def work():
        say("准备页面资源 (npm)")
        folder = os.path.join(TOOLS, "node")
        if not works(NODE):
            run(
                [UV, "venv", "-q", "--clear", folder],
                "没有找到也没能下载 Python 3.13。请检查网络，或先安装 Python 3.13。",
            )
        run(
            [UV, "pip", "install", "-q", "--python", NODE, "--require-hashes", "-r", "requirements-node.lock"],
            "下载 Node.js 失败。请检查网络；使用镜像时设置 UV_DEFAULT_INDEX(见 docs/operations.md)。",
        )
        place = os.path.join(TOOLS, "assets")
        shutil.rmtree(place, ignore_errors=True)
        os.makedirs(place)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(os.path.join(ROOT, name), place)
        run(
            [
                NODE,
                os.path.join(ROOT, "tools", "npm.py"),
                "ci",
                "--ignore-scripts",
                "--no-audit",
                "--no-fund",
                "--omit=optional",
            ],
            "下载页面资源失败。请检查网络；使用镜像时设置 npm_config_registry(见 docs/operations.md)。",
            cwd=place,
        )
        run([NODE, os.path.join(ROOT, "tools", "assets.py"), place, vendor], "整理页面资源失败。")
        shutil.rmtree(place, ignore_errors=True)

    step("assets", ["package.json", "package-lock.json", "requirements-node.lock", "tools/assets.py"], work)


def get_words():
    """Compile the catalogues of translations."""
    catalogues = []
    for folder, _, names in os.walk(os.path.join(ROOT, "src", "gongzhi", "locale")):
        catalogues += [os.path.relpath(os.path.join(folder, name), ROOT) for name in names if name.endswith(".po")]
    source = os.path.join(
        "src", "gongzhi", "locale", "zh_Hans", "LC_MESSAGES", "django.po"
    )  # only its .mo is ever made
    if not all(os.path.exists(os.path.join(ROOT, name[:-3] + ".mo")) for name in [*catalogues, source]):
        forget("words")

    def work():
        run([os.path.join(ROOT, ".venv", BIN, "python"), "tools/messages.py", "compile"], "整理译文失败。")

    step("words", ["tools/messages.py", *sorted(catalogues)], work)


def say(text):
    """Write a line for the person."""
    sys.stderr.write("· %s\n" % text)
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
