#!/bin/bash
# The clients that people use, against the real server on a volume in memory.
# usage: clients.sh NBD_MEMORY_EXPORT
set -eu -o pipefail

server=$1
for tool in nbdinfo nbdcopy qemu-io qemu-img fio; do
    command -v "$tool" >/dev/null || { echo "skipped: $tool is not installed"; exit 77; }
done
fio --enghelp | grep -qw nbd || { echo "skipped: this fio has no nbd engine"; exit 77; }

folder=$(mktemp -d -t nbd-clients.XXXXXX)
pid=
cleanup() {
    if [ -n "$pid" ]; then
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    fi
    rm -rf "$folder"
}
trap cleanup EXIT

start() {  # start [OPTION...]
    mkfifo "$folder/ready"
    # It dies with this shell, should that be killed at its time limit.
    setpriv --pdeathsig KILL "$server" "$folder/drbd0.nbd" 128 "$@" >"$folder/ready" 2>"$folder/log" &
    pid=$!
    exec 3<"$folder/ready"
    read -r line <&3
    [ "$line" = ready ] || fail "the server did not start"
    rm "$folder/ready"
}

stop() {  # the server itself checks that nothing is left
    kill "$pid"
    wait "$pid" || fail "the server ended with $?: $(cat <&3)"
    pid=
    exec 3<&-
}

fail() {
    echo "FAILED: $*"
    cat "$folder/log"
    exit 1
}

step() { echo "== $*"; }

default="nbd+unix:///?socket=$folder/drbd0.nbd"
named="nbd+unix:///drbd0?socket=$folder/drbd0.nbd"

start
step "nbdinfo: both names, list, capabilities, map"
[ "$(nbdinfo --size "$default")" = $((128 << 20)) ] || fail "size"
[ "$(nbdinfo --size "$named")" = $((128 << 20)) ] || fail "size by name"
nbdinfo --json "$named" >"$folder/info"
python3 - "$folder/info" <<'END' || fail "nbdinfo --json"
import json, sys
info = json.load(open(sys.argv[1]))
export = info['exports'][0]
assert info['protocol'] == 'newstyle-fixed' and info['structured'], info
wanted = {'export-name': 'drbd0', 'description': 'DRBD resource r0 volume 0, minor 0',
          'contexts': ['base:allocation'], 'is_read_only': False, 'block_size_minimum': 512,
          'block_size_preferred': 4096, 'block_size_maximum': 32 << 20}
wanted |= {f'can_{what}': True
           for what in 'cache df fast_zero flush fua multi_conn trim zero'.split()}
assert wanted.items() <= export.items(), export
END
nbdinfo --list "$default" | grep -q 'export="drbd0"' || fail "list"
for what in multi-conn flush fua trim zero fast-zero cache df; do
    nbdinfo --can "$what" "$default" || fail "--can $what"
done
if nbdinfo --is read-only "$default"; then fail "read-only"; fi
nbdinfo --map "$default" | grep -Eq '^ *0 +134217728 +0 +data$' || fail "map"
if nbdinfo --size "nbd+unix:///drbd1?socket=$folder/drbd0.nbd" 2>/dev/null; then fail "stranger"; fi

step "nbdcopy there and back, several connections and modes"
dd if=/dev/urandom of="$folder/image" bs=1M count=128 status=none
sum=$(sha256sum <"$folder/image")
nbdcopy --connections=4 --requests=64 --flush "$folder/image" "$default"
[ "$(nbdcopy "$default" - | sha256sum)" = "$sum" ] || fail "copy back differs"
nbdcopy --synchronous "$default" "$folder/back"
cmp "$folder/image" "$folder/back" || fail "synchronous copy differs"
nbdcopy --connections=4 --request-size=$((8 << 20)) "$default" "$folder/back"
cmp "$folder/image" "$folder/back" || fail "copy in 8 MiB requests differs"

step "qemu-img compare and convert, qemu-io"
qemu-img compare -f raw -F raw "$folder/image" "$default" >/dev/null || fail "compare"
truncate -s 128M "$folder/zero"
qemu-img convert -n -W -m 16 -f raw -O raw "$folder/zero" "$default"
qemu-img compare -f raw -F raw "$folder/zero" "$default" >/dev/null || fail "compare after convert"
qemu-io -f raw -c 'write -P 7 0 64k' -c 'read -P 7 0 64k' -c 'write -f -P 8 64k 4k' \
    -c 'read -P 8 64k 4k' -c 'write -P 9 128k 256k' -c 'write -z 128k 64k' -c 'read -P 0 128k 64k' \
    -c 'write -zu 256k 64k' -c 'read -P 0 256k 64k' -c 'read -P 9 192k 64k' -c 'discard 512k 64k' \
    -c 'aio_write -P 5 1M 16M' -c 'aio_flush' -c 'aio_read -P 5 1M 16M' -c 'aio_flush' \
    -c flush "$default" >"$folder/qemu-io" || fail "qemu-io: $(cat "$folder/qemu-io")"
if grep -iE 'error|failed' "$folder/qemu-io"; then fail "qemu-io"; fi
if qemu-io -f raw -c 'write 128M 4k' "$default" >/dev/null 2>&1; then fail "write past the end"; fi

step "fio: verified mixed load, trims, eight connections"
fio_nbd() {
    fio --ioengine=nbd --uri="$default" --verify_state_save=0 --output="$folder/fio" "$@" || fail "fio $*: $(cat "$folder/fio")"
}
fio_nbd --name=verify --rw=randrw --bssplit=512/10:4k/60:64k/20:1m/10 --iodepth=32 --size=128M \
    --verify=crc32c --verify_fatal=1 --fsync=64
fio_nbd --name=trim --rw=randtrim --bs=64k --iodepth=8 --size=128M
fio_nbd --name=many --numjobs=8 --rw=randrw --bs=4k --iodepth=16 --size=16M --offset_increment=16M \
    --verify=crc32c --verify_fatal=1
stop

step "holes, as nbdinfo and qemu-img see them"
start hole=0 hole=1 hole=5 hole=32767
map=$(nbdinfo --map "$default" | awk '{print $1, $2, $3, $4}')
[ "$map" = "$(printf '%s\n' '0 8192 3 hole,zero' '8192 12288 0 data' '20480 4096 3 hole,zero' '24576 134189056 0 data' \
    '134213632 4096 3 hole,zero')" ] || fail "map of holes: $map"
qemu-img map --output=json -f raw "$default" >"$folder/qemu-map"
python3 - "$folder/qemu-map" <<'END' || fail "qemu-img map: $(cat "$folder/qemu-map")"
import json, sys
runs = [(run['start'], run['length'], run['zero'], run['data']) for run in json.load(open(sys.argv[1]))]
assert runs == [(0, 8192, True, False), (8192, 12288, False, True), (20480, 4096, True, False),
                (24576, 134189056, False, True), (134213632, 4096, True, False)], runs
END
stop

step "what is out of sync, as a map"
start marked=1 marked=2 marked=5 marked=32767
map=$(nbdinfo --map=x-drbd:out-of-sync "$default" | awk '{print $1, $2, $3}')
[ "$map" = "$(printf '%s\n' '0 4096 0' '4096 8192 1' '12288 8192 0' '20480 4096 1' '24576 134189056 0' \
    '134213632 4096 1')" ] || fail "map of what is out of sync: $map"
nbdinfo --map "$default" | grep -Eq '^ *0 +134217728 +0 +data$' || fail "map beside it"
/usr/bin/python3 - "$default" <<'END' || fail "both contexts at once"
import nbd, sys
client = nbd.NBD()
for context in ('base:allocation', 'x-drbd:out-of-sync', 'x-drbd:other'):
    client.add_meta_context(context)
client.connect_uri(sys.argv[1])
assert client.can_meta_context('x-drbd:out-of-sync') and not client.can_meta_context('x-drbd:other')
seen = {}
client.block_status(16384, 0, lambda name, offset, entries, error: seen.update({name: entries}))
assert seen == {'base:allocation': [16384, 0], 'x-drbd:out-of-sync': [4096, 0, 8192, 1, 4096, 0]}, seen
client.shutdown()
END
stop

step "read-only, 4 KiB blocks"
start read-only block=4096
nbdinfo --is read-only "$default" || fail "not read-only"
nbdinfo --json "$default" | grep -q '"block_size_minimum": 4096' || fail "block size"
qemu-img compare -f raw -F raw "$folder/zero" "$default" >/dev/null || fail "read-only compare"
stop

step "a Secondary says why it refuses"
start secondary
if qemu-img info "$default" 2>"$folder/refusal"; then fail "a Secondary was opened"; fi
grep -q 'r0 is Secondary' "$folder/refusal" || fail "no reason: $(cat "$folder/refusal")"
stop
echo "passed"
