"""Whether `make deploy` builds for the processor that its parameters name; functions of another one would die at their start.

It is asked before anything is compiled, so that the answer takes no minutes.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

# Of the parameter in template.yaml.
DEFAULT = "x86_64"
# As SAM takes it, in a list or in one text: Architecture=arm64, or ParameterKey=Architecture,ParameterValue=arm64.
GIVEN = re.compile(r"""(?:^|[\s"'])(?:ParameterKey=Architecture,ParameterValue|Architecture)=["']?([^\s"',]+)""")


def architecture(settings: dict[str, Any], environment: str) -> str:
    """The processor that the parameters of an environment name."""
    parts = settings.get(environment, {})
    parameters = {**parts.get("global", {}).get("parameters", {}), **parts.get("deploy", {}).get("parameters", {})}
    overrides = parameters.get("parameter_overrides", [])
    named = [
        found[1] for one in ([overrides] if isinstance(overrides, str) else overrides) for found in GIVEN.finditer(one)
    ]
    return named[-1] if named else DEFAULT


def problem(file: Path, environment: str, built: str) -> str | None:
    """What keeps this from being deployed, and what helps."""
    if not file.is_file():
        return f"{file} is missing: copy samconfig.toml.example and fill it in"
    try:
        settings = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        return f"{file} cannot be read as TOML: {error}"
    wanted = architecture(settings, environment)
    if wanted != built:
        return (
            f"{file} says Architecture={wanted}, and ARCH={built} would be built, which does not start there: "
            f"`export ARCH={wanted}` for `make build` and `make deploy`, or write Architecture={built}"
        )
    return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--architecture", required=True, help="what is built: ARCH of the Makefile")
    parser.add_argument("--config-file", type=Path, required=True, help="the configuration of SAM")
    parser.add_argument("--config-env", default="default", help="its environment")
    arguments = parser.parse_args()
    said = problem(arguments.config_file, arguments.config_env, arguments.architecture)
    if said:
        print(f"check_architecture: {said}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
