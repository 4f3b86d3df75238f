#!/bin/bash
# Boots a real systemd as PID 1 of its own pid, mount, uts, ipc, cgroup and network namespaces, on a throw-away overlay
# of this machine's root, and runs commands in it. Takes half a second; nothing outside STATE and one cgroup is touched.
#
#   run-real-systemd.sh start STATE [SOURCE:TARGET]...   boot; each SOURCE is seen at TARGET, read-only
#   run-real-systemd.sh exec  STATE COMMAND...           run COMMAND inside, as root, outside any unit
#   run-real-systemd.sh exec-online STATE COMMAND...     the same with this machine's network, to fetch packages
#   run-real-systemd.sh stop  STATE                      power off, and kill what is left after 15 s
#
# Exit status 77: this machine can't (not root, no systemd, no namespaces, no overlay, no cgroup2), and why.
# Limits: MemoryMax= and TasksMax= are accepted but enforced only where cgroup2 has those controllers.
set -euo pipefail

cannot() { echo "$*" >&2; exit 77; }
usage() { sed -n '5,8s/^# *//p' "$0" >&2; exit 64; }

[ $# -ge 2 ] || usage
command=$1 state=$2
shift 2
clean=(env -i container=other TERM=dumb LANG=en_US.UTF-8 LC_CTYPE=C.UTF-8 SYSTEMD_PAGER='' SYSTEMD_COLORS=0
  PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)

run_inside() {
  local init
  init=$(cat "$state/init.pid" 2>/dev/null) || init=none
  if ! [ -d "/proc/$init" ]; then
    echo "nothing runs in $state" >&2
    return 69
  fi
  nsenter -t "$init" -m -u -i ${network--n} -p -C -- "${clean[@]}" "$@"
}

# Runs in the new namespaces, becomes systemd. Arguments: STATE [SOURCE:TARGET]...
boot() {
  local state=$1 bind device unit
  shift
  mount --make-rprivate /
  mount -t tmpfs -o mode=755,size=75% machine "$state/machine"
  cd "$state/machine"
  mkdir up work root
  # 78 tells start() that it is the machine and not the boot: some containers refuse an overlay on their own root.
  mount -t overlay overlay -o "lowerdir=/,upperdir=$PWD/up,workdir=$PWD/work" root || exit 78
  cd root
  mkdir -p proc sys dev run tmp
  # /proc/sys and /sys are read-only: systemd-sysctl inside would set the kernel's values for the whole machine.
  mount -t proc -o nosuid,nodev,noexec proc proc || exit 78
  mount --bind proc/sys proc/sys
  mount -o remount,bind,ro proc/sys
  mount -t sysfs -o ro,nosuid,nodev,noexec sysfs sys || exit 78
  # Only cgroup2, so that systemd sees a machine without the older hierarchies, whatever this one has.
  mount -t cgroup2 -o nsdelegate,memory_recursiveprot cgroup2 sys/fs/cgroup 2>/dev/null ||
    mount -t cgroup2 cgroup2 sys/fs/cgroup || exit 78
  mount -t tmpfs -o mode=755,nosuid tmpfs dev
  for device in null zero full random urandom tty; do
    : >"dev/$device"
    mount --bind "/dev/$device" "dev/$device"
  done
  mkdir dev/pts dev/shm
  mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5,nosuid,noexec devpts dev/pts
  ln -s pts/ptmx dev/ptmx
  ln -s /proc/self/fd dev/fd
  ln -s fd/0 dev/stdin
  ln -s fd/1 dev/stdout
  ln -s fd/2 dev/stderr
  mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs dev/shm
  mount -t tmpfs -o mode=755,nosuid,nodev tmpfs run
  mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs tmp
  for bind in "$@"; do
    mkdir -p ".${bind##*:}"
    mount --bind "${bind%:*}" ".${bind##*:}"
    mount -o remount,bind,ro ".${bind##*:}"
  done
  # No unit of the machine's own but what systemd needs: quick, and the same everywhere.
  mkdir -p etc/systemd/system
  for unit in systemd-udevd.service systemd-udev-trigger.service systemd-udevd-control.socket \
    systemd-udevd-kernel.socket systemd-random-seed.service systemd-pstore.service systemd-timesyncd.service \
    systemd-networkd.service systemd-resolved.service systemd-firstboot.service systemd-binfmt.service \
    systemd-sysctl.service systemd-modules-load.service; do
    ln -sf /dev/null "etc/systemd/system/$unit"
  done
  printf '%s\n' '[Unit]' 'Description=what the tests need' 'Requires=basic.target' 'Wants=dbus.socket' \
    'After=basic.target dbus.socket' 'AllowIsolate=yes' >etc/systemd/system/tests.target
  : >etc/fstab
  tr -d - <"/proc/sys/kernel/random/uuid" >etc/machine-id
  echo tests >etc/hostname
  ip link set lo up
  mkdir -p .old
  pivot_root . .old
  cd /
  umount -l /.old
  rmdir /.old 2>/dev/null || true
  # PID 1 of a container does not do this itself, and credentials given to a unit would stay unreadable without it.
  mount --make-rshared /
  exec "${clean[@]}" /lib/systemd/systemd --log-level=info --log-target=journal --show-status=false --unit=tests.target
}

start() {
  [ "$(id -u)" = 0 ] || cannot "only root can boot a systemd in namespaces"
  [ -x /lib/systemd/systemd ] || cannot "systemd is not installed"
  local tool
  for tool in unshare nsenter pivot_root ip; do
    command -v "$tool" >/dev/null || cannot "$tool is not installed (util-linux, iproute2)"
  done
  local unshare=(unshare --pid --fork --mount --uts --ipc --cgroup --net --kill-child) refusal
  refusal=$("${unshare[@]}" true 2>&1) || cannot "this machine gives no namespaces: $refusal"

  [ ! -e "$state/init.pid" ] || { echo "something was started in $state already" >&2; exit 64; }
  mkdir -p "$state/machine"
  local cgroups
  cgroups=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
  if [ -z "$cgroups" ]; then
    cgroups=$state/cgroups
    mkdir "$cgroups"
    mount -t cgroup2 cgroup2 "$cgroups" 2>/dev/null || cannot "this machine has no cgroup2 and lets none be mounted"
  fi
  local cgroup=$cgroups/leadmasterd-tests-$$ controller
  mkdir "$cgroup" 2>/dev/null || cannot "no cgroup can be made in $cgroups"
  echo "$cgroup" >"$state/cgroup"
  for controller in cpu memory pids io; do
    if grep -qw "$controller" "$cgroups/cgroup.controllers"; then
      echo "+$controller" >"$cgroups/cgroup.subtree_control" 2>/dev/null || true
    fi
  done

  (
    echo "$BASHPID" >"$cgroup/cgroup.procs"
    exec setsid "${unshare[@]}" bash "$0" boot "$state" "$@"
  ) </dev/null >"$state/console.log" 2>&1 &
  local outer=$! init='' status
  echo "$outer" >"$state/unshare.pid"
  for _ in $(seq 400); do
    sleep 0.05
    if ! [ -d "/proc/$outer" ]; then
      status=0
      wait "$outer" || status=$?
      clean_up
      [ "$status" != 78 ] || cannot "this machine refuses a mount: $(tail -n 1 "$state/console.log")"
      echo "systemd ended with status $status while it booted:" >&2
      cat "$state/console.log" >&2
      exit 70
    fi
    init=$(cut -d' ' -f1 "/proc/$outer/task/$outer/children" 2>/dev/null) || true
    if [ -z "$init" ] || [ "$(cat "/proc/$init/comm" 2>/dev/null)" != systemd ]; then
      continue
    fi
    echo "$init" >"$state/init.pid"
    case $(run_inside systemctl is-system-running 2>/dev/null) in
      running | degraded) return ;;
    esac
  done
  echo "systemd did not finish booting in 20 s; still waiting for:" >&2
  run_inside systemctl list-jobs >&2 || true
  stop
  exit 70
}

clean_up() {
  local cgroup
  cgroup=$(cat "$state/cgroup" 2>/dev/null) || return 0
  [ ! -d "$cgroup" ] || find "$cgroup" -depth -type d -exec rmdir {} \; 2>/dev/null || true
  ! mountpoint -q "$state/cgroups" || umount "$state/cgroups"
}

stop() {
  local outer
  outer=$(cat "$state/unshare.pid" 2>/dev/null) || return 0
  run_inside systemctl poweroff 2>/dev/null || true
  for _ in $(seq 150); do
    [ -d "/proc/$outer" ] || break
    sleep 0.1
  done
  # unshare --fork ignores SIGTERM; --kill-child takes everything inside along.
  if [ -d "/proc/$outer" ]; then kill -KILL "$outer" || true; fi
  sleep 0.1
  clean_up
  rm -f "$state/init.pid" "$state/unshare.pid"
}

case $command in
  start) start "$@" ;;
  exec) run_inside "$@" ;;
  exec-online) network= run_inside "$@" ;;
  stop) stop ;;
  boot) boot "$state" "$@" ;;
  *) usage ;;
esac
