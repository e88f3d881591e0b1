"""Puts the tools of a finished build into the wheel, under hybrid/bin.

HYBRID_BUILD names the build folder; the default is the checkout's.
"""

import os
import sysconfig
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NEEDED = ["hybrid-compile", "hybrid-run", "libhybrid-runtime.so"]
WHERE_BUILT = ["libhybrid-server.so"]


class Tools(BuildHookInterface):
    def initialize(self, version, build_data):
        default = Path(self.root).parent / "build"
        folder = Path(os.environ.get("HYBRID_BUILD", default)) / "bin"
        missing = [name for name in NEEDED if not (folder / name).exists()]
        if missing:
            raise FileNotFoundError(
                f"{folder} has no {', '.join(missing)}; run make build first, or set "
                "HYBRID_BUILD"
            )
        names = NEEDED + [name for name in WHERE_BUILT if (folder / name).exists()]
        for name in names:
            file = (folder / name).resolve()
            build_data["force_include"][str(file)] = f"hybrid/bin/{name}"
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["pure_python"] = False
        # Any Python: the library is reached through ctypes.
        build_data["tag"] = f"py3-none-{platform}"
