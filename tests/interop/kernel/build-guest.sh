#!/bin/sh
# Builds the guest that runs the kernel's own DRBD 8.4: OUTDIR/vmlinux and OUTDIR/initrd.cpio, from Debian's
# kernel package (unpacked, never installed) and this machine's busybox and drbd-utils. Takes some seconds and
# is skipped when OUTDIR was built by this very script before.
#
#   build-guest.sh [--kernel PACKAGE] OUTDIR [MODULE...]
#       PACKAGE: what depends on the kernel, linux-image-amd64 if not given
#       MODULE...: the modules that it loads instead of DRBD's
#
# Debian packages: apt, busybox-static, cpio, drbd-utils, e2fsprogs, python3, xz-utils.
set -eu

meta=linux-image-amd64
[ "$1" != --kernel ] || { meta=$2; shift 2; }
out=$1
shift
[ $# -gt 0 ] || set -- xxhash_generic drbd
mkdir -p "$out"
exec 9> "$out/.lock"
flock 9
stamp="$(sha256sum "$0" | cut -d' ' -f1) $meta $*"
[ "$(cat "$out/stamp" 2>/dev/null)" = "$stamp" ] && exit 0
rm -f "$out/stamp"

work=$(mktemp -d "$out/build.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

# ---- the kernel package ----------------------------------------------------------
fetch() {
    package=$(apt-cache depends "$meta" | sed -n 's/.*Depends: \(linux-image-[^ ]*\)/\1/p' | head -n 1)
    [ -n "$package" ] && (cd "$work" && apt-get -qq download "$package" 2> apt.log)
}
fetch || { apt-get -qq update && fetch; } || { cat "$work/apt.log" >&2; echo "cannot download $meta" >&2; exit 1; }
dpkg-deb -x "$work"/linux-image-*.deb "$work/kernel"
modules=$(ls -d "$work"/kernel/lib/modules/* "$work"/kernel/usr/lib/modules/* 2> /dev/null | head -n 1)
kver=${modules##*/}

root=$work/root
mkdir -p "$root"
(cd "$root" && mkdir -p bin sbin dev proc sys mod etc tmp run mnt usr/sbin usr/bin var/run var/lock var/lib/drbd lib/drbd)

# ---- modules, dependencies first -------------------------------------------------
# A module's ELF section .modinfo holds NUL-separated key=value strings, and depends= lists the modules that it
# needs: neither kmod nor binutils is needed to read them.
: > "$root/mod/order"
add_module() {
    grep -qx "$1" "$root/mod/order" && return 0
    file=$(find "$modules/kernel" -name "$1.ko*" -o -name "$(echo "$1" | tr _ -).ko*" | head -n 1)
    if [ -z "$file" ]; then
        grep -q "/$1\.ko\|/$(echo "$1" | tr _ -)\.ko" "$modules/modules.builtin" && return 0
        echo "no module $1 in $kver" >&2
        exit 1
    fi
    case $file in
        *.xz) xz -dc "$file" > "$root/mod/$1.ko" ;;
        *) cp "$file" "$root/mod/$1.ko" ;;
    esac
    file=$root/mod/$1.ko
    for dependency in $(tr '\0' '\n' < "$file" | sed -n 's/^depends=//p' | tr ',-' ' _'); do
        add_module "$dependency"
    done
    echo "$1" >> "$root/mod/order"
}
# libcrc32c asks the crypto layer for crc32c while it is being loaded, which .modinfo does not record.
for module in crc32c_generic virtio_pci virtio_blk virtio_net "$@"; do
    add_module "$module"
done

# ---- programs, with the libraries that they need ---------------------------------
put() {
    mkdir -p "$root/$(dirname "$2")"
    cp -L "$1" "$root/$2"
    ldd "$1" 2> /dev/null | sed -n 's/.*=> \(\/[^ ]*\).*/\1/p; s/^[[:space:]]*\(\/[^ ]*ld-linux[^ ]*\).*/\1/p' |
        while read -r library; do
            [ -e "$root/$library" ] && continue
            mkdir -p "$root/$(dirname "$library")"
            cp -L "$library" "$root/$library"
        done
}
put "$(command -v busybox)" /bin/busybox
for program in drbdadm drbdsetup drbdmeta; do put "/usr/sbin/$program" "/sbin/$program"; done
for program in drbdadm-84 drbdsetup-84; do put "/lib/drbd/$program" "/lib/drbd/$program"; done
put /bin/dd /bin/dd # GNU dd: oflag=direct, oflag=sync, conv=fsync
for applet in $("$root/bin/busybox" --list); do
    [ -e "$root/sbin/$applet" ] || [ -e "$root/bin/$applet" ] || ln -s busybox "$root/bin/$applet"
done

# DRBD's helper: notes the call and answers 0.
cat > "$root/sbin/guest-helper" <<'HELPER'
#!/bin/sh
echo "$* RESOURCE=$DRBD_RESOURCE MINOR=$DRBD_MINOR" >> /tmp/helper.log
HELPER

# The agent on the second serial port. Request: ID BASE64(script); answer: ==BEGIN ID STATUS, BASE64(output), ==END ID.
cat > "$root/sbin/guest-agent" <<'AGENT'
#!/bin/sh
while read -r id code; do
    echo "$code" | base64 -d > /tmp/agent.sh
    sh /tmp/agent.sh > /tmp/agent.out 2>&1 < /dev/null
    code=$?
    echo
    echo "==BEGIN $id $code"
    base64 /tmp/agent.out
    echo "==END $id"
done
AGENT

cat > "$root/init" <<'INIT'
#!/bin/sh
export PATH=/sbin:/bin HOME=/
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for word in $(cat /proc/cmdline); do
    case $word in
        guest.ip=*) ip=${word#*=} ;;
        guest.name=*) hostname "${word#*=}" ;;
    esac
done
for module in $(cat /mod/order); do
    options=
    [ "$module" = drbd ] && options=usermode_helper=/sbin/guest-helper
    insmod "/mod/$module.ko" $options || echo "insmod $module failed"
done
ip link set lo up
ip link set eth0 up
ip addr add "$ip" dev eth0
# The port is opened before readiness is announced: what arrives at a closed tty is lost.
exec 3<> /dev/ttyS1
stty raw -echo 115200 <&3
echo "GUEST-READY"
while :; do /sbin/guest-agent <&3 >&3 2> /dev/console; done
INIT
chmod 755 "$root/init" "$root"/sbin/guest-*
ln -s /proc/mounts "$root/etc/mtab"
(cd "$root" && find . | cpio -o -H newc --quiet) > "$work/initrd.cpio"

# ---- the kernel: unpacked here, it boots through PVH without unpacking itself in the guest; as it is, if not packed with xz ----
python3 - "$work/kernel/boot/vmlinuz-$kver" "$work/vmlinux" <<'UNPACK'
import lzma, sys
image = open(sys.argv[1], "rb").read()
try:
    kernel = lzma.LZMADecompressor().decompress(image[image.index(b"\xfd7zXZ\0"):])
except (ValueError, lzma.LZMAError):
    kernel = image
open(sys.argv[2], "wb").write(kernel if kernel[:4] == b"\x7fELF" else image)
UNPACK
mv "$work/vmlinux" "$work/initrd.cpio" "$out"
echo "$stamp" > "$out/stamp"
