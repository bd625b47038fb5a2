#!/bin/bash
# Builds the guest in which Linux's own soft iWARP (siw) and its rping run as a real peer: a kernel and an initramfs.
#
#   mkguest.sh [--force] [GUEST_DIR [PROGRAM...]]
#
# GUEST_DIR   where they go; default ${XDG_CACHE_HOME:-$HOME/.cache}/softndk/siw-guest. Run twice, it builds once.
# PROGRAM     further programs of this machine to copy into the guest, each with its shared libraries.
#
# The kernel is whatever Debian's metapackage names today; siw is not in Debian's kernel, so it is built from the
# distribution's kernel source. Exit: 0 the guest is there, 77 this machine lacks what it takes (a sentence says what).
set -euo pipefail

skip() { echo "siw guest: $*" >&2; exit 77; }
note() { echo "siw guest: $*" >&2; }

force=''
if [ "${1:-}" = --force ]; then force=1; shift; fi
case ${1:-} in -*) sed -n "2,/^set/{/^set/d;s/^# \{0,1\}//;p}" "${BASH_SOURCE[0]}" >&2; exit 2 ;; esac
guest_dir=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/softndk/siw-guest}
[ $# -gt 0 ] && shift
programs=(rping rdma "$@")

[ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ] || skip "only Debian-like systems on amd64 can build the guest."

kernel=$(apt-cache depends linux-image-amd64 2>/dev/null | sed -n 's/^ *Depends: linux-image-//p' | head -n 1)
recipe=$(cat "${BASH_SOURCE[0]}" <(printf '%s\n' "${programs[@]}") | sha256sum | cut -c1-16)

mkdir -p "$guest_dir"
guest_dir=$(cd "$guest_dir" && pwd)
exec 9>"$guest_dir/lock"
flock 9  # two test runs may start at once: the second finds the guest ready

built_kernel='' built_recipe=''
if [ -z "$force" ] && [ -f "$guest_dir/stamp" ]; then read -r built_kernel built_recipe <"$guest_dir/stamp"; fi
if [ "$built_recipe" = "$recipe" ] && [ "$built_kernel" = "${kernel:-$built_kernel}" ]; then exit 0; fi

# Everything that is missing goes into one sentence, so that one apt-get is enough.
missing=()
need() { [ -e "$2" ] || command -v "$2" >/dev/null || missing+=("$1"); }
need busybox-static busybox
need kmod modprobe
need cpio cpio
need make make
need rdmacm-utils rping
need iproute2 rdma
need ibverbs-providers "$(compgen -G '/usr/lib/*/libibverbs/libsiw-rdmav*.so' | head -n 1 || echo /nonexistent)"
if [ -n "$kernel" ]; then
  series=$(printf %s "$kernel" | cut -d. -f1,2)  # 6.1.0-40-amd64 -> 6.1
  need "linux-source-$series" "/usr/src/linux-source-$series.tar.xz"
  need "linux-headers-$kernel" "/usr/src/linux-headers-$kernel"
fi
if [ -z "$kernel" ] || [ ${#missing[@]} -gt 0 ]; then
  if [ "$built_recipe" = "$recipe" ]; then
    note "keeping the guest of kernel $built_kernel: there is a newer one, but not all that is needed to build it."
    exit 0
  fi
  [ -n "$kernel" ] || skip "apt knows no linux-image-amd64; run apt-get update first."
  skip "packages are missing: apt-get install --no-install-recommends ${missing[*]}"
fi
if ldd "$(command -v busybox)" >/dev/null 2>&1; then skip "busybox must be the one of busybox-static."; fi

build=$(mktemp -d "$guest_dir/build.XXXXXX")
trap 'rm -rf "$build"' EXIT
cd "$build"

note "fetching and unpacking kernel $kernel"
# The unpacked package never gets installed: no boot loader, no initramfs hooks, nothing of this machine changes.
if ! apt-get download "linux-image-$kernel" >apt.log 2>&1; then
  cat apt.log >&2
  skip "could not download linux-image-$kernel (apt-get update may help)."
fi
dpkg -x linux-image-*.deb kernel
[ -d kernel/lib ] || ln -s usr/lib kernel/lib  # newer releases keep the modules below /usr
find kernel/lib/modules/ -name '*.ko.xz' -exec unxz {} +

note "building siw of linux-source-$series"
tar -xf "/usr/src/linux-source-$series.tar.xz" --wildcards '*/drivers/infiniband/sw/siw/*'
siw=$(echo "$build"/linux-source-*/drivers/infiniband/sw/siw)
if ! make -C "/usr/src/linux-headers-$kernel" M="$siw" CONFIG_RDMA_SIW=m modules >siw.log 2>&1; then
  tail -n 20 siw.log >&2
  note "siw did not compile."
  exit 1
fi
strip -g "$siw/siw.ko"
mkdir "kernel/lib/modules/$kernel/extra"
mv "$siw/siw.ko" "kernel/lib/modules/$kernel/extra/"
depmod -b kernel "$kernel"

note "packing the initramfs"
modules=root/lib/modules/$kernel
mkdir -p root/{bin,usr/bin,etc/libibverbs.d,proc,sys,dev,tmp,run} "$modules"
cp "kernel/lib/modules/$kernel"/modules.{order,builtin,builtin.modinfo} "$modules/"
boot_modules=(virtio_pci virtio_net qemu_fw_cfg crc32c_generic crc32c_intel rdma_ucm siw)
for module in "${boot_modules[@]}"; do
  # A module that is built into this kernel has no file, which is as good.
  modprobe -d "$build/kernel" -S "$kernel" --show-depends "$module" 2>/dev/null | sed -n 's/^insmod \([^ ]*\).*/\1/p' |
    while read -r file; do
      target=root/lib/${file#*/kernel/lib/}
      mkdir -p "$(dirname "$target")"
      cp -n "$file" "$target"
    done
done
depmod -b root "$kernel"

add_libraries() {  # ELF file
  ldd "$1" | awk '$2 == "=>" { print $3 } $1 ~ /ld-linux/ { print $1 }' | while read -r library; do
    mkdir -p "root$(dirname "$library")"
    cp -nL "$library" "root$library"
  done
}
cp "$(command -v busybox)" root/bin/busybox
for applet in $(busybox --list); do [ -e "root/bin/$applet" ] || ln -s busybox "root/bin/$applet"; done
for program in "${programs[@]}"; do
  path=$(command -v "$program") || { note "there is no program $program to copy."; exit 1; }
  cp -L "$path" "root/usr/bin/$(basename "$program")"
  add_libraries "$path"
done
# libibverbs loads its drivers by name, and glibc loads libgcc_s when a thread is cancelled: ldd shows neither.
for library in /usr/lib/*/libibverbs/libsiw-rdmav*.so /lib/x86_64-linux-gnu/libgcc_s.so.1; do
  mkdir -p "root$(dirname "$library")"
  cp -L "$library" "root$library"
  add_libraries "$library"
done
echo 'driver siw' >root/etc/libibverbs.d/siw.driver
echo 'root:x:0:0::/:/bin/sh' >root/etc/passwd

# Kernel messages have the first serial port to themselves; the second carries what the command prints, nothing else.
cat >root/init <<INIT
#!/bin/sh
export PATH=/usr/bin:/bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev; mount -t tmpfs tmp /tmp
for module in ${boot_modules[*]}; do modprobe \$module; done
stty -F /dev/ttyS1 -onlcr -echo
ip link set lo up; ip link set eth0 up; ip addr add 10.0.2.15/24 dev eth0; ip route add default via 10.0.2.2
# Without siw there is nothing to run: no result line says so.
rdma link add siw0 type siw netdev eth0 || poweroff -f
{ sh /sys/firmware/qemu_fw_cfg/by_name/opt/softndk/command/raw; echo "GUEST-RC: \$?"; } </dev/null >/dev/ttyS1 2>&1
stty -F /dev/ttyS1 echo   # returns when the port has sent all it had
poweroff -f
INIT
chmod +x root/init
(cd root && find . | cpio --quiet -o -H newc | gzip -6) >initrd.gz

# The stamp goes last: with it, kernel and initramfs are a pair.
rm -f "$guest_dir/stamp"
mv "kernel/boot/vmlinuz-$kernel" "$guest_dir/vmlinuz"
mv initrd.gz "$guest_dir/initrd.gz"
echo "$kernel $recipe" >"$guest_dir/stamp"
note "ready in $guest_dir (kernel $kernel)"
