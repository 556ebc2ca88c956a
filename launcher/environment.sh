# Prepares what Viaduct's commands run in. Sourced by ./viaduct, ./test and .ci/run; defines functions only.
#
# The manager's Python environment lies in the state directory, one per lock file, named by the lock's
# hash: a changed lock makes a new one, an unchanged lock costs nothing.

viaduct_fail() { # CODE SENTENCE REMEDY
    printf 'error %s: %s\n' "$1" "$2" >&2
    [ -z "${3:-}" ] || printf '  what to do: %s\n' "$3" >&2
    exit 1
}

viaduct_say() { printf 'viaduct: %s\n' "$*" >&2; }

# The system whose packages are looked at and installed; tests name another one.
viaduct_root=/

# Installs Debian packages that are missing. Daemons that come with them are neither started on this machine
# nor at its next boot: the lab runs its own, in its own namespaces.
viaduct_packages() { # REASON PACKAGE...
    local reason=$1 missing=() package log status=0
    shift
    for package in "$@"; do
        [ "$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null)" = "install ok installed" ] || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    [ "$(id -u)" = 0 ] || viaduct_fail MACHINE-001 "Debian packages are missing (${missing[*]}) and only root can install them." \
        "Run as root, or: apt-get install ${missing[*]}"
    command -v apt-get >/dev/null || viaduct_fail MACHINE-002 "This machine has no apt-get." "Install by hand: ${missing[*]}"
    viaduct_say "installing ${missing[*]} ($reason)"
    log=$(mktemp)
    viaduct_install "$log" "${missing[@]}" || status=$?
    if [ $status -gt 128 ]; then
        rm -f "$log"
        exit $status
    elif [ $status -ne 0 ]; then
        tail -n 15 "$log" >&2
        viaduct_fail MACHINE-003 "apt-get could not install ${missing[*]}; its last lines are above (all: $log)." \
            "Check that the machine's Debian mirror answers (apt-get update) and that the disk is not full, then run the same command again."
    fi
    rm -f "$log"
}

# Runs apt-get, and keeps daemons from starting, now and at boot, however it ends. Fails as apt-get does.
viaduct_install() ( # LOG PACKAGE...
    log=$1
    shift
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    before=$(viaduct_units)
    trap 'viaduct_guard_off; viaduct_disable_new "$before" "$log"' EXIT
    viaduct_guard_on
    export DEBIAN_FRONTEND=noninteractive
    apt-get install -y -q --no-install-recommends "$@" >"$log" 2>&1 </dev/null && exit
    apt-get update -q >>"$log" 2>&1 </dev/null &&
        apt-get install -y -q --no-install-recommends "$@" >>"$log" 2>&1 </dev/null
)

# Unless the machine has a policy of its own, keeps packages from starting their daemons.
viaduct_guard_on() {
    local policy=${viaduct_root%/}/usr/sbin/policy-rc.d
    [ ! -e "$policy" ] || return 0
    printf '#!/bin/sh\n# Viaduct is installing packages: their daemons are not to start.\nexit 101\n' >"$policy"
    chmod 755 "$policy"
}

# Takes our policy away, also one that a killed run left; another's stays.
viaduct_guard_off() {
    local policy=${viaduct_root%/}/usr/sbin/policy-rc.d
    ! grep -qs '^# Viaduct is installing packages' "$policy" || rm -f "$policy"
}

# Names of systemd's unit files, one a line: all, or those in a state. Asks the disk, not a running systemd.
viaduct_units() { # [STATE]
    command -v systemctl >/dev/null || return 0
    { systemctl --root="$viaduct_root" list-unit-files --no-legend --no-pager ${1:+"--state=$1"} 2>/dev/null || true; } |
        cut -d ' ' -f 1 | sort
}

# Disables the units that are enabled now and were not even there before: packages enable their daemons.
viaduct_disable_new() { # UNITS-BEFORE LOG
    local units=()
    mapfile -t units < <(comm -13 <(printf '%s\n' "$1") <(viaduct_units enabled))
    # Without any unit before, systemd itself may have just come: what it enabled is not ours to judge.
    [ -n "$1" ] && [ ${#units[@]} -gt 0 ] || return 0
    if systemctl --root="$viaduct_root" disable "${units[@]}" >>"$2" 2>&1; then
        viaduct_say "${units[*]}: will not start at boot either ('systemctl enable' would change that)"
    else
        viaduct_say "${units[*]}: could not be disabled, so they will start at the next boot ('systemctl disable' prevents it)"
    fi
}

# Prints the system's Python, 3.11 or later.
viaduct_python() {
    local python
    for python in python3 python3.13 python3.12 python3.11; do
        if command -v "$python" >/dev/null && "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$python"
            return
        fi
    done
    return 1
}

# uv takes no notice of pip's configuration: hand it on. Sets UV_* unless they are set already.
viaduct_uv_settings() { # PYTHON-WITH-PIP
    local key value
    while IFS='=' read -r key value; do
        value=${value#\'}; value=${value%\'}
        case ${key##*.} in
            index-url) : "${UV_DEFAULT_INDEX:=$value}"; export UV_DEFAULT_INDEX ;;
            cert) : "${SSL_CERT_FILE:=$value}"; export SSL_CERT_FILE ;;
        esac
    done < <("$1" -m pip config list 2>/dev/null)
}

# Makes the environment of requirements/NAME.lock if it is not there; prints its folder.
viaduct_environment() { # NAME STATE HOME
    local name=$1 state=$2 home=$3 lock hash target python log
    lock=$home/requirements/$name.lock
    hash=$(cat "$lock" "$home/requirements/bootstrap.lock" | sha256sum | cut -c1-12)
    target=$state/venv/$name-$hash
    if [ -e "$target/.complete" ]; then
        printf '%s\n' "$target"
        return
    fi
    python=$(viaduct_python) || { viaduct_packages "Viaduct is written in it" python3 >&2; python=$(viaduct_python); } ||
        viaduct_fail MACHINE-004 "Python 3.11 or later is missing." "Install it (Debian 12 and later: apt-get install python3)."
    "$python" -c 'import venv, ensurepip' 2>/dev/null || viaduct_packages "to make Viaduct's own Python environment" python3-venv
    viaduct_writable "$state"
    log=$state/log/environment.log
    viaduct_say "preparing the Python environment '$name' in $state/venv"
    rm -rf "$target"
    viaduct_room "$state"
    if ! { "$python" -m venv "$target" && viaduct_uv_settings "$target/bin/python" &&
        "$target/bin/python" -m pip install -q --disable-pip-version-check --require-hashes -r "$home/requirements/bootstrap.lock" &&
        "$target/bin/uv" pip install -q --python "$target/bin/python" --require-hashes -r "$lock"; } >"$log" 2>&1 </dev/null; then
        rm -rf "$target"
        tail -n 15 "$log" >&2
        viaduct_fail MACHINE-005 "The Python packages of requirements/$name.lock could not be installed; the last lines are above (all: $log)." \
            "Check that the machine's Python package index answers (pip config list) and that the disk is not full, then run the same command again."
    fi
    touch "$target/.complete"
    printf '%s\n' "$target"
}

# Makes the state directory, for its owner only.
viaduct_writable() { # STATE
    local reason
    if reason=$({ mkdir -p "$1/venv" "$1/log" && chmod 700 "$1"; } 2>&1) && [ -w "$1/venv" ] && [ -w "$1/log" ]; then
        return
    fi
    reason=${reason##*: }
    viaduct_fail STATE-001 "The state directory $1 cannot be made or written (${reason:-read-only or not permitted})." \
        "Run as root, or choose another one: VIADUCT_STATE=DIR or --state DIR."
}

# A Python environment takes at most this much, in KiB.
viaduct_room_needed=409600

# Fails while there is too little space for a Python environment: pip would leave half of one.
viaduct_room() { # STATE
    local free
    free=$(df -Pk "$1" | awk 'NR == 2 { print $4 }')
    [ "${free:-0}" -ge $viaduct_room_needed ] ||
        viaduct_fail STATE-002 "The disk of $1 is full: $((free / 1024)) MiB are free, Viaduct's Python environment needs $((viaduct_room_needed / 1024))." \
            "Free some space there, or choose another state directory: VIADUCT_STATE=DIR or --state DIR."
}

# The state directory: --state DIR (or --state=DIR) among the arguments, else VIADUCT_STATE, else the default.
viaduct_state() { # ARGUMENTS...
    local previous='' argument
    for argument in "$@"; do
        case $argument in --state=*) printf '%s\n' "${argument#--state=}"; return ;; esac
        [ "$previous" != --state ] || { printf '%s\n' "$argument"; return; }
        previous=$argument
    done
    printf '%s\n' "${VIADUCT_STATE:-/var/lib/viaduct}"
}
