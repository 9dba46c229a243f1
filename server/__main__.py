"""The command `tidegate-server`: serves, or checks profiles when its first word is `lint`.

Knows nothing of either. Profiles can be checked where what serving needs is not installed.
"""

import sys

from tidegate.operating.grpc_lines import quote_no_peers
from tidegate.server.garbage import spare_start


def main() -> None:
    """Do what the command line asks for, and end the process with its exit code."""
    if sys.argv[1:2] == ["lint"]:
        from tidegate.server import lint_command

        raise SystemExit(lint_command.run(sys.argv[2:]))
    spare_start()
    # gRPC reads the variable when it is imported.
    quote_no_peers()
    from tidegate.server import serve_command

    serve_command.run(sys.argv[1:])


if __name__ == "__main__":
    main()
