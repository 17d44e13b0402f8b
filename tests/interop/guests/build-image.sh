#!/bin/bash
# Builds what a machine of the guests' tests boots: OUTDIR/vmlinux, OUTDIR/initrd.cpio and OUTDIR/root.img, a Debian 12
# with systemd, MariaDB and the libraries that drbdd needs, from Debian's packages only. Our own package is no part of it.
# Takes minutes, and nothing when OUTDIR was built by this very script before.
#
#   build-image.sh OUTDIR
#
# Debian packages: debootstrap, busybox-static, cpio, e2fsprogs, python3.
set -euo pipefail

out=$(realpath -m "$1")
mkdir -p "$out"
stamp=$(sha256sum "$0" | cut -d' ' -f1)

# What is mounted here ends with this script, however it ends. The lock is inherited.
if [ "${GUESTS_BUILD:-}" != isolated ]; then
    exec 9> "$out/.lock"
    flock 9
    [ "$(cat "$out/stamp" 2> /dev/null)" = "$stamp" ] && exit 0
    rm -rf "$out"/build.* "$out/stamp"
    GUESTS_BUILD=isolated exec unshare --mount --pid --fork --kill-child --propagation private "$0" "$@"
fi
work=$(mktemp -d "$out/build.XXXXXX")
trap 'umount "$work"/root/proc "$work"/root/sys 2> /dev/null || true; rm -rf --one-file-system "$work"' EXIT
trap 'exit 1' INT TERM
root=$work/root

# ---- the system ------------------------------------------------------------------
base=(systemd-sysv udev dbus lvm2 netcat-openbsd ifupdown iproute2 iputils-ping kmod procps e2fsprogs less man-db bash-completion rsyslog)
database=(mariadb-server)
# Named by the package of drbdd; here so that `apt install ./drbdd.deb` works without a network.
libraries=(libssl3 liburing2 libisal2 libxxhash0 libfuse3-3 libnbd0 libmnl0 libstdc++6)
# What haresources may start besides: Debian's agents, NFS, a director of LVS.
services=(resource-agents nfs-kernel-server ldirectord ipvsadm psmisc)

mirror=http://deb.debian.org/debian
debootstrap --variant=minbase --include=ca-certificates bookworm "$root" "$mirror" > "$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; exit 1; }
cat > "$root/etc/apt/sources.list" <<LIST
deb $mirror bookworm main
deb $mirror bookworm-updates main
deb http://deb.debian.org/debian-security bookworm-security main
LIST
mount -t proc proc "$root/proc"
mount -t sysfs sys "$root/sys"
printf '#!/bin/sh\nexit 101\n' > "$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
in_root() {
    DEBIAN_FRONTEND=noninteractive LC_ALL=C chroot "$root" "$@" >> "$work/log" 2>&1 9>&- && return
    tail -n 30 "$work/log" >&2
    exit 1
}
in_root apt-get -qq update
in_root apt-get -qq install --yes --no-install-recommends "${base[@]}" "${database[@]}" "${libraries[@]}" "${services[@]}"
in_root apt-get clean
# What an administrator may have installed before us, kept in apt's cache for the guest that wants it.
in_root apt-get -qq install --yes --no-install-recommends --download-only drbd-utils heartbeat
rm "$root/usr/sbin/policy-rc.d"
in_root systemctl disable nfs-server ldirectord

# ---- the kernel ------------------------------------------------------------------
package=$(chroot "$root" apt-cache depends linux-image-amd64 | sed -n 's/.*Depends: \(linux-image-[^ ]*\)/\1/p' | head -n 1)
in_root sh -c "cd /tmp && apt-get -qq download $package"
dpkg-deb -x "$root"/tmp/linux-image-*.deb "$work/kernel"
rm "$root"/tmp/linux-image-*.deb
kver=$(ls "$work/kernel/lib/modules")
mkdir -p "$root/lib/modules/$kver"
cp -a "$work/kernel/lib/modules/$kver/." "$root/lib/modules/$kver"
cp -a "$work/kernel/boot/." "$root/boot"
in_root depmod "$kver"

# ---- the first process mounts the root file system -------------------------------
initrd=$work/initrd
mkdir -p "$initrd"/{bin,mod,proc,sys,dev,root}
cp "$(command -v busybox)" "$initrd/bin/busybox"
for module in virtio_pci virtio_blk crc32c_generic ext4; do
    chroot "$root" modprobe -S "$kver" --show-depends "$module" | sed -n 's/^insmod \([^ ]*\).*/\1/p'
done | awk '!seen[$0]++' | while read -r file; do
    cp "$root/$file" "$initrd/mod/"
    basename "$file" >> "$initrd/mod/order"
done
cat > "$initrd/init" <<'INIT'
#!/bin/busybox sh
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
$b mount -t devtmpfs dev /dev
for module in $($b cat /mod/order); do $b insmod /mod/$module; done
until [ -b /dev/vda ]; do $b sleep 0.1; done
$b mount -t ext4 /dev/vda /root
$b umount /proc /sys
$b mount --move /dev /root/dev
exec $b switch_root /root /sbin/init
INIT
chmod 755 "$initrd/init"
(cd "$initrd" && find . | cpio -o -H newc --quiet) > "$work/initrd.cpio"
python3 - "$work/kernel/boot/vmlinuz-$kver" "$work/vmlinux" <<'UNPACK'
import lzma, sys
image = open(sys.argv[1], "rb").read()
elf = lzma.LZMADecompressor().decompress(image[image.index(b"\xfd7zXZ\0"):])
assert elf[:4] == b"\x7fELF"
open(sys.argv[2], "wb").write(elf)
UNPACK

# ---- the test's hand in the machine: a shell on the second serial port ------------
cat > "$root/usr/local/sbin/test-agent" <<'AGENT'
#!/bin/sh
# Request: ID BASE64(script); answer: ==BEGIN ID STATUS, BASE64(output), ==END ID.
exec 3<> /dev/ttyS1
stty raw -echo 115200 <&3
echo "==READY" >&3
while read -r id code <&3; do
    echo "$code" | base64 -d > /run/agent.sh
    (cd /root; bash /run/agent.sh > /run/agent.out 2>&1 < /dev/null 3<&-)
    code=$?
    { echo; echo "==BEGIN $id $code"; base64 /run/agent.out; echo "==END $id"; } >&3
done
AGENT
chmod 755 "$root/usr/local/sbin/test-agent"
cat > "$root/etc/systemd/system/test-agent.service" <<'UNIT'
[Unit]
Description=The test's shell on the second serial port
[Service]
ExecStart=/usr/local/sbin/test-agent
Environment=HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
KillMode=process
[Install]
WantedBy=multi-user.target
UNIT
in_root systemctl enable test-agent
in_root systemctl mask apt-daily.timer apt-daily-upgrade.timer man-db.timer e2scrub_all.timer fstrim.timer logrotate.timer dpkg-db-backup.timer
echo "/dev/vda / ext4 defaults 0 0" > "$root/etc/fstab"
: > "$root/etc/machine-id"
rm -f "$root/var/lib/dbus/machine-id"

umount "$root/proc" "$root/sys"
size=$(du -sm "$root" | cut -f1)
mke2fs -q -t ext4 -d "$root" "$work/root.img" "$((size + 1500))M"
mv "$work/vmlinux" "$work/initrd.cpio" "$work/root.img" "$out"
echo "$stamp" > "$out/stamp"
