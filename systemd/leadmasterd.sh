#!/bin/sh
# Install as /usr/local/bin/leadmasterd: the command of the installed service, on the service's settings, from any folder.
# Who may not read its state is told the line to type instead.
exec /opt/leadmasterd/.venv/bin/leadmasterd --config /etc/leadmasterd/config.toml "$@"
