#!/usr/bin/env bash
# Runs the arguments as a command while nobody else builds in the cache folder: a second `make`, in
# this clone or another, waits. Where it is interrupted or the disk is full, the last line says so.
set -euo pipefail
source "$(dirname "$0")/env.sh"

# shellcheck disable=SC2329 # the trap calls it
interrupted() {
    printf '\nInterrupted. The same command goes on where this one stopped.\n' >&2
    exit 130
}
trap interrupted INT TERM HUP

# What the command starts has the lock too, so that nothing of it works on when make was killed.
exec 9>>"$cache/lock"
if ! flock --nonblock 9; then
    say "Another make is at work in $cache: waiting until it has ended"
    flock 9
fi
rm -f "$LOGS"/*.log

# Who ran out of room often leaves some, as what was half written is removed.
disk_is_full() {
    # By a pipe: a signal to bash while it reads a $() is a syntax error in the trap.
    free_megabytes | (read -r free && [ "$free" -lt 200 ]) ||
        grep --quiet --no-messages "No space left on device" "$LOGS"/*.log
}

status=0
"$@" || status=$?
if [ "$status" != 0 ] && disk_is_full; then
    fail "the disk of $cache is full: free some room there, then call again; it goes on where it stopped"
fi
exit "$status"
