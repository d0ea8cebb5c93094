#!/bin/sh
# Runs the official MCP conformance suite against `gantz dev`: both eras of the protocol, then the tasks.
#
#     load-tests/mcp-conformance/run.sh [FOLDER]
#
# Needs npm; the suite and the Node that it asks for are fetched, pinned. Results go to FOLDER, a new one if not given.
# Ends with 0 if nothing failed but what `baseline.yml` lists with its reason.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$(mktemp -d)}
mkdir -p "$out"
gantz=${GANTZ:-$here/../../target/debug/gantz}

"$gantz" --manifest "$here/gantz.yaml" --data-dir "$out/data" dev --port 0 >"$out/dev.log" 2>&1 &
server=$!
trap 'kill "$server" 2>/dev/null; wait "$server" 2>/dev/null || true' EXIT

tries=0
until url=$(sed -n 's/.* on \(http:[^ ]*\).*/\1/p' "$out/dev.log" | grep .); do
    tries=$((tries + 1))
    [ "$tries" -lt 300 ] || { cat "$out/dev.log" >&2; exit 1; }
    sleep 0.1
done

# Of the era with sessions it is looked whether they are there.
{ cat "$here/baseline.yml"; echo "  - server-sse-multiple-streams"; } >"$out/legacy.yml"

suite() {
    expected=$1
    shift
    npx -y -p node@22 -p @modelcontextprotocol/conformance@0.2.0-alpha.12 -- \
        conformance server --url "$url/mcp" --expected-failures "$expected" "$@"
}

failed=0
suite "$here/baseline.yml" --requirements 2026-07-28 -o "$out/2026-07-28" || failed=1
suite "$out/legacy.yml" --requirements 2025-11-25 -o "$out/2025-11-25" || failed=1
suite "$here/baseline.yml" --suite pending -o "$out/tasks" || failed=1
echo "results are in $out"
exit "$failed"
