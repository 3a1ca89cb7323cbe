#!/usr/bin/env bash
# Runs the arguments as a command while nobody else builds in the cache folder: a second `make`, in
# this clone or another, waits. Where it fails because the disk is full, the last line says so.
set -euo pipefail
source "$(dirname "$0")/env.sh"

# What the command starts has the lock too, so that nothing of it works on when make was killed.
exec 9>"$cache/lock"
if ! flock --nonblock 9; then
    say "Another make is at work in $cache: waiting until it has ended"
    flock 9
fi

status=0
"$@" || status=$?
if [ "$status" != 0 ] && [ "$(free_megabytes)" -lt 200 ]; then
    fail "the disk of $cache is full: free some room there, then call again; it goes on where it stopped"
fi
exit "$status"
