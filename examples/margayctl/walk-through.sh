#!/usr/bin/env bash
# A walk through margayctl, against an etcd and a directory:
#
#   ETCD_ENDPOINTS=http://127.0.0.1:2379 DIRECTORY=/tmp/shop examples/margayctl/walk-through.sh
#
# The etcd should be empty, the directory must not exist. MARGAYCTL names the program, if it is not on the PATH.
# Prints each command and what it says; walk-through.txt is what is to be seen.
set -u
cd "$(dirname "$0")" || exit 1
: "${ETCD_ENDPOINTS:?name an etcd: ETCD_ENDPOINTS=http://127.0.0.1:2379}"
: "${DIRECTORY:?name a directory to make: DIRECTORY=/tmp/shop}"
export DATASTORE_TYPE=etcdv3

# Runs a command line as it is shown, with the directory by the name that is shown.
run() {
  local expected=$1
  shift
  local word line='$'
  for word in "$@"; do
    case $word in *[!A-Za-z0-9_./:=,@+-]*) word="'$word'" ;; esac
    line+=" $word"
  done
  printf '%s\n' "$line" | sed "s|$DIRECTORY|/var/lib/shop|g"
  local program=$1
  shift
  [ "$program" = margayctl ] && program=${MARGAYCTL:-margayctl}
  local output code
  output=$("$program" "$@" 2>&1)
  code=$?
  printf '%s%s\n' "$output" "${output:+$'\n'}" | sed "s|$DIRECTORY|/var/lib/shop|g"
  if [ "$code" -ne "$expected" ]; then
    printf 'exit code %s, expected %s\n' "$code" "$expected"
    exit 1
  fi
}

run 0 margayctl apply -f information.yaml
run 0 margayctl validate -f policy.yaml
run 0 margayctl apply -f policy.yaml --dry-run=server
run 0 margayctl apply -f policy.yaml
run 0 margayctl get networkpolicy -n shop -o wide
run 1 margayctl apply -f mistake.yaml
run 0 margayctl ipam show
run 0 margayctl get ippools -o custom-columns=NAME,CIDR,BLOCK:.spec.blockSize

run 1 margayctl diff -f frontend.yaml
run 0 margayctl apply -f frontend.yaml
run 0 margayctl diff -f frontend.yaml

run 0 margayctl patch np/backend -n shop -p '{"spec": {"order": 400}}'
run 0 margayctl patch np/backend -n shop --type json -p '[{"op": "add", "path": "/spec/ingress/0/destination/ports/-", "value": 8081}]'
run 1 margayctl patch ippool pool-1 -p '{"spec": {"natOutgoin": true}}'
run 0 margayctl get np/backend -n shop -o yaml --export

run 0 margayctl label ns shop team=shop --overwrite
run 0 margayctl label ns shop stage=test
run 0 margayctl get ns shop -o jsonpath='{.metadata.labels}'

run 1 margayctl datastore migrate export
run 0 margayctl datastore migrate lock
run 0 margayctl datastore migrate export --to "file://$DIRECTORY" --dry-run
run 0 margayctl datastore migrate export --to "file://$DIRECTORY"
run 0 margayctl datastore migrate check --with "file://$DIRECTORY"
run 0 margayctl --datastore "file://$DIRECTORY" datastore migrate unlock
run 0 find "$DIRECTORY" -name '*.yaml' -not -path '*/.margay/*' -exec ls {} +
run 0 margayctl --datastore "file://$DIRECTORY" delete np -n shop backend

run 0 margayctl delete np -n shop frontend backend
run 0 margayctl --datastore "file://$DIRECTORY" datastore migrate lock
run 0 margayctl datastore migrate import --from "file://$DIRECTORY"
run 0 margayctl datastore migrate unlock
run 0 margayctl get np -A
run 0 margayctl delete -f policy.yaml --skip-not-exists
