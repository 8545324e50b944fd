#!/bin/bash
# Publish the lines of a JSON Lines file, one message each.
#
#   DASF_URL=http://127.0.0.1:8000/graphql/ DASF_KEY=... ./bulk_publish.sh weather readings.jsonl
#
# A message's id is made of the topic, the line's number and what it says. So the same file may
# be sent again after a failure: what is there already is not published twice.

set -uo pipefail
if (($# != 2)); then
  echo "usage: bulk_publish.sh TOPIC FILE" >&2
  exit 2
fi
. "$(dirname "$0")/curl_lib.sh" || exit 2
topic=$1
file=$2
batch=100 # the broker takes 500
total=$(wc --lines <"$file") || exit 2

mutation='mutation ($inputs: [PublishMessageInput!]!) {
  publishMessages(inputs: $inputs) { results { messageId status error { message } } }
}'

# Print the lines as messages, one a line.
messages() {
  local number=0 line hash
  while IFS= read -r line || [[ $line ]]; do
    hash=$(sha256sum <<<"$topic $((number++)) $line")
    id="${hash:0:8}-${hash:8:4}-8${hash:13:3}-8${hash:17:3}-${hash:20:12}"
    jq --compact-output --arg topic "$topic" --arg messageId "$id" \
      '{$topic, $messageId, data: .}' <<<"$line" || return 2
  done <"$file"
}

code=0
done=0
while mapfile -t -n "$batch" lines && ((${#lines[@]})); do
  answer=$(graphql "$mutation" "$(printf '%s\n' "${lines[@]}" | jq --slurp '{inputs: .}')") || exit 2
  refusals=$(jq --raw-output '.publishMessages.results[] | select(.error)
    | "\(.messageId): \(.error.message)"' <<<"$answer")
  if [[ $refusals ]]; then
    echo "$refusals" >&2
    code=1
  fi
  ((done += ${#lines[@]}))
  if [[ -t 2 ]]; then
    bar=$(printf '%*s' $((30 * done / total)) '')
    printf '\r[%-30s] %d/%d' "${bar// /#}" "$done" "$total" >&2
  fi
done < <(messages)
[[ -t 2 ]] && echo >&2
echo "$done sent"
exit "$code"
