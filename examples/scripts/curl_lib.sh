# How to call the broker with curl: sourced by the scripts beside it.
# DASF_URL (http:// or https://) and DASF_KEY say where the broker is, and who calls. Needs jq.

: "${DASF_URL:?say where the broker is, like http://127.0.0.1:8000/graphql/}"

# call OPTION...: with CALL=exec, curl takes the place of the shell, so that it can be ended.
# The key goes through a file descriptor: a command's arguments can be read by other users.
call() {
  ${CALL:-} curl --silent --show-error --header "Content-Type: application/json" \
    --header @<(printf 'Authorization: Bearer %s\n' "${DASF_KEY:-}") "$@" "$DASF_URL"
}

# graphql DOCUMENT VARIABLES: print the data. Fails if there is an error, and says which.
graphql() {
  local answer
  answer=$(jq --null-input --compact-output --arg query "$1" --argjson variables "$2" \
    '{$query, $variables}' | call --data @-) || return 2
  jq --exit-status 'has("errors") | not' <<<"$answer" >/dev/null || {
    jq --raw-output '.errors[].message' <<<"$answer" >&2
    return 2
  }
  jq --compact-output .data <<<"$answer"
}
