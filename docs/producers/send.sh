#!/bin/sh
# send.sh REFERENCE PHONE AMOUNT: airtime for one phone, by the jobs stream, with redis-cli 7.
# The password of the Redis user is in REDISCLI_AUTH.
set -eu
redis-cli -e -h "$AIRTIME_HOST" -p "$AIRTIME_PORT" --user "$AIRTIME_USER" \
  XADD '{tuma}:jobs' '*' \
  job "{\"reference\":\"$1\",\"recipients\":[{\"phone_number\":\"$2\",\"amount\":\"$3\"}]}"
