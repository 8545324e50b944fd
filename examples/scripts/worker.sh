#!/bin/bash
# Process the messages of a topic, one after the other, and acknowledge each.
#
#   DASF_URL=http://127.0.0.1:8000/graphql/ DASF_KEY=... ./worker.sh weather ./process
#
# Each message goes to the standard input of the command, as JSON. If the command fails, the
# worker ends, and the message is not acknowledged. What is not acknowledged comes again, so that
# the worker just connects anew when it, the network or the server breaks.

set -uo pipefail
if (($# < 2)); then
  echo "usage: worker.sh TOPIC COMMAND [ARGUMENT]..." >&2
  exit 2
fi
. "$(dirname "$0")/curl_lib.sh" || exit 2
topic=$1
shift

subscription='subscription ($topic: String!) {
  messages(topic: $topic) { messageId text data cursor }
}'
acknowledgement='mutation ($topic: String!, $messageId: UUID!) {
  acknowledgeMessage(topic: $topic, messageId: $messageId) { status }
}'

request=$(jq --null-input --compact-output --arg query "$subscription" --arg topic "$topic" \
  '{$query, variables: {$topic}}')

work() {
  local line result variables
  while IFS= read -r line || [[ $line ]]; do
    # Server-sent events: the line with the result, or all there is where it is refused.
    result=${line#data: }
    [[ $result == {* ]] || continue
    if jq --exit-status 'has("errors")' <<<"$result" >/dev/null; then
      jq --raw-output '.errors[].message' <<<"$result" >&2
      # Whoever may not, or asks for what is not there, need not try again.
      jq --exit-status 'any(.errors[]; .extensions.code == ("BAD_INPUT", "UNAUTHENTICATED",
        "NOT_FOUND", "FORBIDDEN"))' <<<"$result" >/dev/null && return 2
      continue
    fi
    jq --compact-output .data.messages <<<"$result" | "$@" || return 1
    variables=$(jq --arg topic "$topic" '{$topic, messageId: .data.messages.messageId}' \
      <<<"$result")
    graphql "$acknowledgement" "$variables" >/dev/null || return 0 # it comes again
  done
}

curl=
trap 'kill "$curl" 2>/dev/null' EXIT
trap 'exit 143' TERM
trap 'exit 0' INT
while true; do
  exec {stream}< <(CALL=exec call --no-buffer --header "Accept: text/event-stream" --data "$request")
  curl=$!
  work "$@" <&"$stream"
  code=$?
  exec {stream}<&-
  kill "$curl" 2>/dev/null
  ((code == 0)) || exit "$code"
  sleep 1
done
