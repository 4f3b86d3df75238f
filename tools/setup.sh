#!/bin/bash
# Sets up everything that runs, checks or tests leadmasterd, and nothing twice.
#
#   tools/setup.sh run      the program: Python packages, Node packages, a browser
#   tools/setup.sh service  the same for a service, whose user sees no home folder: refuses a Python or Node from there
#   tools/setup.sh check    what the checks need: the same with the development packages, without a browser
#   tools/setup.sh test     all of it, and (as root on Debian or Ubuntu) a real systemd, a screen and a second browser
#
# It expects python3 (3.11 or newer), node (20 or newer) and npm. What a step is done for is written to .setup/, so a
# second run only compares; `make clean` forgets it. What the tools print goes to .setup/setup.log and is shown when a
# step fails.
set -euo pipefail

usage() { sed -n '4,7s/^# *//p' "$0" >&2; exit 64; }
case ${1-} in run | service | check | test) want=$1 ;; *) usage ;; esac

cd "$(dirname "$0")/.."
root=$PWD
# What a service's user is to read must not depend on root's own habits.
[ "$want" != service ] || umask 022
mkdir -p .setup
log=.setup/setup.log

# Two makes at once wait for each other instead of writing the same folders.
if command -v flock >/dev/null; then
  exec 9>.setup/lock
  flock 9
fi
: >"$log"

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

# step SENTENCE COMMAND...: one calm line, and the command's own words only when it fails.
step() {
  say "$1"
  shift
  if ! "$@" >>"$log" 2>&1 9>&-; then
    tail -n 25 "$log" >&2
    fail "that failed; all of its output is in $root/$log"
  fi
}

# A stamp holds the fingerprint of what a step was done for.
fingerprint() { { printf '%s\n' "$root" "$@"; cat; } | sha256sum | cut -d' ' -f1; }
done_for() { [ -f ".setup/$1" ] && [ "$(cat ".setup/$1")" = "$2" ]; }
remember() { printf '%s\n' "$2" >".setup/$1"; }

is_root() { [ "$(id -u)" = 0 ]; }
on_apt() { command -v apt-get >/dev/null; }
# shellcheck source=/dev/null
distribution() { (. /etc/os-release 2>/dev/null && printf '%s' "${ID-}") || true; }

apt_install_now() (
  export DEBIAN_FRONTEND=noninteractive
  local install=(apt-get install -y --no-install-recommends "$@")
  # Package lists that are missing or old are fetched only when the first try fails.
  "${install[@]}" || { apt-get update && "${install[@]}"; }
)
apt_install() { step "installing $* with apt-get" apt_install_now "$@"; }

# --- What only a person can bring ---------------------------------------------------------------------------------------

missing=()
need() { missing+=("$*"); }

# A Python that was upgraded under the environment leaves an interpreter that finds none of its packages.
venv_works() { .venv/bin/python -I -c 'import importlib.util as u, sys; sys.exit(not u.find_spec("pip"))' 2>/dev/null; }

python=${PYTHON:-python3}
# Debian ships ensurepip in a package of its own, and venv without it makes half an environment.
has_ensurepip() { "$python" -c 'import ensurepip' 2>/dev/null; }

look_for_python() {
  if venv_works; then
    return
  fi
  local version
  if ! version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null); then
    need "cannot run $python: install Python 3.11 or newer"
  elif ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    need "$python is Python $version: leadmasterd needs 3.11 or newer (another one can be named with PYTHON=…)"
  elif ! has_ensurepip && ! { is_root && on_apt; }; then
    need "$python cannot make a virtual environment: install python3-venv (on Debian: sudo apt-get install python3-venv)"
  fi
}

# Node 20 is out of support since April 2026, so a newer one is taken before it, under any of these names: the same that
# the daemon looks for (leadmasterd/listener/programs.py).
nodes=(node node-24 node24 nodejs-24 node-22 node22 nodejs-22)
node=

node_major() {
  local version
  version=$("$1" --version 2>/dev/null) && [[ $version =~ ^v([0-9]+)\. ]] && printf '%s' "${BASH_REMATCH[1]}"
}

look_for_node() {
  local name path major
  for name in "${nodes[@]}"; do
    path=$(command -v "$name") || continue
    node=${node:-$path}
    major=$(node_major "$path") || continue
    if [ "$major" -ge 22 ]; then
      node=$path
      break
    fi
  done
  if [ -z "$node" ] || ! "$node" --version >/dev/null 2>&1; then
    need "cannot run node: install Node.js 22 or newer"
  elif ! major=$(node_major "$node") || [ "$major" -lt 20 ]; then
    need "$node is $("$node" --version): leadmasterd needs Node.js 20 or newer (nodejs.org or NodeSource have packages for Debian)"
  elif ! command -v npm >/dev/null; then
    need "cannot find npm: install it beside Node.js"
  fi
}

# The unit hides every home folder (ProtectHome=), and the service's user could not read root's anyway.
in_a_home() { case $1 in /root/* | /home/* | /run/user/*) return 0 ;; *) return 1 ;; esac }

look_for_homes() {
  local base real
  in_a_home "$root/" && need "this checkout is in a home folder ($root), which the service can't read: put it in /opt/leadmasterd"
  base=$("$python" -c 'import sys; print(sys.base_prefix + "/")' 2>/dev/null) || base=
  if venv_works; then
    base=$(.venv/bin/python -I -c 'import sys; print(sys.base_prefix + "/")')
    ! in_a_home "$base" || need "the Python of .venv is in a home folder (${base%/}), which the service can't read:" \
      "remove .venv and run this with PYTHON=/usr/bin/python3"
  elif in_a_home "$base"; then
    need "$python is in a home folder (${base%/}), which the service can't read: run this with PYTHON=/usr/bin/python3"
  fi
  real=$(readlink -f "${node:-/}")
  ! in_a_home "$real" || need "node is in a home folder ($real), which the service can't read:" \
    "install it for the whole machine (docs/operations.md)"
}

# Ubuntu's chromium is a snap: it runs confined and cannot open a profile under our state directory.
is_snap() {
  local file
  file=$(readlink -f "$1") || return 1
  case $file in /snap/* | */snapd/* | /usr/bin/snap) return 0 ;; esac
  head -c 2000 "$file" 2>/dev/null | tr -d '\0' | grep -q -e '/snap/bin/' -e 'snap install'
}

browsers=${PUPPETEER_CACHE_DIR:-$root/.browser}

has_a_browser_of() { # DOWNLOAD NAME...: on PATH by one of these names, or as puppeteer downloads it
  local download=$1 name path
  shift
  for name in "$@"; do
    path=$(command -v "$name") || continue
    is_snap "$path" || return 0
  done
  for path in "$browsers/$download"/*/"$download"-linux64/"$download"; do
    [ ! -x "$path" ] || return 0
  done
  return 1
}

# Without windows a browser takes a quarter less memory.
has_headless_shell() { has_a_browser_of chrome-headless-shell chromium-headless-shell chrome-headless-shell; }
has_windows() { has_a_browser_of chrome chromium chromium-browser google-chrome-stable google-chrome; }

has_browser() {
  if [ -n "${LEADMASTERD_LISTENER__BROWSER-}" ]; then
    [ -x "$LEADMASTERD_LISTENER__BROWSER" ]
    return
  fi
  has_headless_shell || has_windows
}

# Debian has a browser in a package; elsewhere one is downloaded.
browser_is_a_package() { on_apt && [ "$(distribution)" != ubuntu ]; }

look_for_browser() {
  if has_browser; then
    return
  fi
  if [ -n "${LEADMASTERD_LISTENER__BROWSER-}" ]; then
    need "LEADMASTERD_LISTENER__BROWSER names $LEADMASTERD_LISTENER__BROWSER, which cannot be run"
  elif browser_is_a_package && ! is_root; then
    need "cannot find a browser: install one with  sudo apt-get install chromium-headless-shell" \
      "(or name one with LEADMASTERD_LISTENER__BROWSER=/path/to/it)"
  fi
}

# --- What this script brings --------------------------------------------------------------------------------------------

pip_install() {
  # PIP_USER: a pip configuration with `user = true` would refuse every virtual environment.
  PIP_USER=0 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 .venv/bin/python -m pip install "$@"
}

python_packages() { # run | dev
  local lock=requirements.lock
  [ "$1" = run ] || lock=requirements-dev.lock
  local now
  now=$(cat "$lock" pyproject.toml | fingerprint python)
  if ! venv_works; then
    rm -f .setup/python-*
    has_ensurepip || apt_install python3-venv
    step "making a virtual environment in .venv" "$python" -m venv --clear .venv
  fi
  if done_for "python-$1" "$now"; then
    return
  fi
  unset PYTHONPATH PYTHONHOME
  step "installing the Python packages of $lock" pip_install --require-hashes -r "$lock"
  step "installing leadmasterd itself" pip_install --no-deps --no-build-isolation --editable .
  remember "python-$1" "$now"
  # The development packages hold those of the run.
  [ "$1" = run ] || remember python-run "$(cat requirements.lock pyproject.toml | fingerprint python)"
}

npm_ci() (
  export PUPPETEER_SKIP_DOWNLOAD=1 npm_config_update_notifier=false
  # npm wants to write below the home directory; a service user often has none.
  [ -w "${HOME:-/nonexistent}" ] || export npm_config_cache="$root/.setup/npm-cache"
  # npm runs on the `node` of PATH, whatever it is.
  mkdir -p .setup/bin && ln -sfn "$node" .setup/bin/node
  PATH=$root/.setup/bin:$PATH
  cd node_listener && npm ci --no-audit --no-fund --loglevel=error "$@"
)

node_packages() { # run | dev
  local now
  now=$(cat node_listener/package.json node_listener/package-lock.json node_listener/.npmrc | fingerprint node)
  if [ -d node_listener/node_modules ] && done_for "node-$1" "$now"; then
    return
  fi
  rm -f .setup/node-*
  if [ "$1" = run ]; then
    step "installing the Node packages" npm_ci --omit=dev
  else
    step "installing the Node packages, with those for development" npm_ci --include=dev
    remember node-dev "$now"
  fi
  remember node-run "$now"
}

download_chrome_now() (
  export PUPPETEER_CACHE_DIR="$browsers"
  libraries=()
  # --install-deps has apt-get install the libraries that Chrome links to.
  if is_root && on_apt; then
    apt-get update
    libraries=(--install-deps)
  fi
  node_listener/node_modules/.bin/puppeteer browsers install chrome "${libraries[@]}"
)

knows_package() { apt-cache show "$1" >/dev/null 2>&1; }

# Beside a browser that will do it is no must: once in vain is enough.
headless_shell_beside() {
  [ ! -e .setup/no-headless-shell ] || return 0
  say "installing chromium-headless-shell with apt-get, which takes less memory"
  if ! apt_install_now chromium-headless-shell >>"$log" 2>&1 9>&-; then
    say "that failed; the browser that is here will do"
    : >.setup/no-headless-shell
  fi
}

browser() {
  if [ -n "${LEADMASTERD_LISTENER__BROWSER-}" ] || has_headless_shell; then
    return
  fi
  if browser_is_a_package && is_root; then
    has_browser || knows_package chromium || step "fetching the lists of packages" apt-get update
    if ! knows_package chromium-headless-shell; then
      has_browser || apt_install chromium
    elif has_browser; then
      headless_shell_beside
    else
      apt_install chromium-headless-shell
    fi
  elif ! has_browser; then
    step "no browser that can be used: downloading Chrome (about 180 MB) to $browsers" download_chrome_now
  fi
  has_browser || fail "cannot find the browser just installed; name it with LEADMASTERD_LISTENER__BROWSER=/path/to/it"
}

# For the tests that boot a real systemd or open a window. Without these they skip themselves and say why.
system_packages() {
  if ! is_root || ! on_apt; then
    return
  fi
  local packages=()
  [ -x /lib/systemd/systemd ] || packages+=(systemd)
  command -v ip >/dev/null || packages+=(iproute2)
  command -v unshare >/dev/null || packages+=(util-linux)
  command -v Xvfb >/dev/null || packages+=(xvfb)
  has_windows || ! browser_is_a_package || packages+=(chromium)
  if [ ${#packages[@]} -gt 0 ]; then
    apt_install "${packages[@]}"
  fi
}

look_for_python
look_for_node
[ "$want" = check ] || look_for_browser
[ "$want" != service ] || look_for_homes
if [ ${#missing[@]} -gt 0 ]; then
  printf 'setup: %s\n' "${missing[@]}" >&2
  exit 1
fi

kind=dev
case $want in run | service) kind=run ;; esac
node_packages "$kind"
python_packages "$kind"
[ "$want" = check ] || browser
[ "$want" != test ] || system_packages
