#!/bin/sh
# stage.sh NAME COMMAND…: run the command, then say on stderr how it ended and how long it took.
name=$1 && shift
began_s=$(date +%s)
"$@" && status=0 || status=$?
took_s=$(($(date +%s) - began_s))
[ "$status" -eq 0 ] && verdict=ok || verdict=FAILED
printf '[%4d s] %s: %s\n' "$took_s" "$name" "$verdict" >&2
exit "$status"
