# Debian's kernel: vmlinuz, the Raspberry Pis' device trees and the modules that a
# board or a virtual machine needs to find its root file system and its network,
# with what they depend on, unpacked.
{ run, debs }:

let
  modules = [
    # file system and its checksums
    "ext4"
    "crc32c_generic"
    # virtual machines; virtio and virtio_pci are part of the kernel
    "virtio_blk"
    "virtio_net"
    "virtio_mmio"
    "virtio_rng"
    # SD cards and USB sticks of the Raspberry Pis
    "sdhci_iproc"
    "bcm2835"
    "usb_storage"
    "uas"
    "xhci_pci"
    "xhci_plat_hcd"
    "dwc2"
    "reset_raspberrypi"
    # their network
    "genet"
    "broadcom"
    "mdio_bcm_unimac"
    "lan78xx"
    "smsc95xx"
  ];
in
run "linux"
  {
    debs = debs "kernel";
    inherit modules;
  }
  ''
    for deb in $debs; do
      dpkg-deb -x $deb .
    done
    mkdir -p $out/dtbs/broadcom $out/lib/modules
    cp boot/vmlinuz-* $out/vmlinuz
    cp usr/lib/linux-image-*/broadcom/bcm2[78]*-rpi-* $out/dtbs/broadcom/
    version=$(ls usr/lib/modules)
    tree=$out/lib/modules/$version
    mkdir $tree
    cp usr/lib/modules/$version/modules.builtin usr/lib/modules/$version/modules.order $tree/

    # "name path" of every module, as modprobe spells names
    find usr/lib/modules -name '*.ko.xz' |
      awk '{ n = $0; sub(/.*\//, "", n); sub(/\.ko\.xz$/, "", n); gsub(/-/, "_", n); print n, $0 }' > all

    # Breadth first: unpack what is wanted, read what that depends on.
    wanted=$(echo $modules | tr ' ' '\n')
    while [ -n "$wanted" ]; do
      echo "$wanted" | awk 'NR == FNR { path[$1] = $2; next } $1 in path { print path[$1] }' all - > paths
      [ -s paths ] || break
      rm -rf level
      mkdir level
      cp $(cat paths) level/
      unxz level/*.xz
      wanted=$(grep -aoh 'depends=[a-zA-Z0-9_,-]*' level/*.ko | cut -d= -f2 | tr ',' '\n' | tr - _ | sort -u |
        while read -r name; do
          [ -z "$name" ] || [ -e $tree/$name.ko ] || [ -e level/$name.ko ] || echo $name
        done)
      for ko in level/*.ko; do
        name=$(echo ''${ko##*/} | tr - _)
        mv $ko $tree/$name
      done
    done
    depmod -b $out $version
    # It writes in the order in which the file system of the builder lists its files.
    for table in dep alias symbols; do
      LC_ALL=C sort -o $tree/modules.$table $tree/modules.$table
    done
    echo $version > $out/version
  ''
