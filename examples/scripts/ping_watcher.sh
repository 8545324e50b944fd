#!/bin/bash
# Ask whether the consumers of topics are there; for cron and for monitoring.
#
#   DASF_URL=http://127.0.0.1:8000/graphql/ DASF_KEY=... ./ping_watcher.sh weather sensors
#
# Exit code: 0 all are online, 1 some are not, 2 the broker could not be asked. PATIENCE is how
# many seconds to wait for an answer (5).

set -uo pipefail
if (($# == 0)); then
  echo "usage: ping_watcher.sh TOPIC..." >&2
  exit 2
fi
. "$(dirname "$0")/curl_lib.sh" || exit 2

status_of() {
  graphql 'query ($topic: String!) { topic(slug: $topic) { availability { status } } }' \
    "$1" | jq --raw-output .topic.availability.status
}

code=0
for topic; do
  variables=$(jq --null-input --arg topic "$topic" '{$topic}')
  graphql 'mutation ($topic: String!) { pingTopic(topic: $topic) { pingedAt } }' \
    "$variables" >/dev/null || exit 2
  end=$((SECONDS + ${PATIENCE:-5}))
  until [[ $(status_of "$variables") == ONLINE ]]; do
    if ((SECONDS >= end)); then
      echo "$topic: offline"
      code=1
      continue 2
    fi
    sleep 0.25
  done
  echo "$topic: online"
done
exit "$code"
