# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two microVMs with a real kernel, for the tests that need one.

The modules, from the archive to the scenario:

    cache       the cache folder: locked, content-addressed, pruned
    apt         a private view of Debian's archive, beside the machine's own
    debs        reading .debs without installing them
    manifest    which packages the rig is made of, resolved once to versions
    newc        archives in the kernel's initramfs format
    kernel      Debian's prebuilt kernel and the in-tree modules we load
    modules     out-of-tree modules, built for either kernel
    small       a small kernel of our own with what Debian's leaves out, built once
    rootfs      the guests' root: systemd, udevd, dbus, polkitd, sshd
    overlay     what each run adds to that root: our own binaries
    qmp         QEMU's control socket
    agent       the command channel into a guest
    vm          one QEMU process
    host        a guest as a scenario sees it: run, spawn, read, write, wait
    pair        two guests and the cable between them
    qemus       QEMUs for guests of the hosts' own, and what such a guest runs (nested-guest.S)
    scenario    registering and describing scenarios
    terminal    a person's terminal in a guest
    errors      what can go wrong, by kind

Two modules build on these for the scenarios of vferry itself:

    ferry       a device, its holder and its adopter, and a migration between the hosts
    guestvm     a guest of a host's own, in a nested QEMU, with such devices
"""
