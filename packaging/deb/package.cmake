# `cpack` in the build folder makes drbdd_VERSION_ARCH.deb for Debian 12. It takes the place of drbd-utils and heartbeat.
set(CPACK_GENERATOR DEB)
set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY TRUE)  # packing builds nothing: what is packed has been built, and the tests need not be
set(CPACK_PACKAGE_NAME drbdd)
set(CPACK_PACKAGE_CONTACT "drbdd maintainers <drbdd@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "replicated block devices without a kernel module, and their failover")
set(CPACK_PACKAGE_DESCRIPTION
"drbdd does in a process what DRBD 8.4 does in the kernel: it mirrors block
devices between two machines, with DRBD's own protocol, metadata, configuration
and commands. heartbeat moves the service to the machine that survives; it reads
the files of Heartbeat 3.0.6 and speaks its protocol.
.
It takes the place of the packages drbd-utils and heartbeat. Their configuration
stays and goes on to work.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES TRUE)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# What the programs and agents call: mount and losetup, ip, modprobe, and the helpers of units.
set(CPACK_DEBIAN_PACKAGE_DEPENDS "init-system-helpers (>= 1.51), mount, util-linux, iproute2, kmod")
# Debian's drbddisk and its resource.d stay behind as configuration when drbd-utils and heartbeat go; what is suggested
# keeps the agents behind them from `apt autoremove`.
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "mariadb-server, resource-agents, cluster-glue")
set(CPACK_DEBIAN_PACKAGE_CONFLICTS "drbd-utils, heartbeat")
set(CPACK_DEBIAN_PACKAGE_REPLACES "drbd-utils, heartbeat")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
    ${CMAKE_CURRENT_LIST_DIR}/postinst ${CMAKE_CURRENT_LIST_DIR}/prerm ${CMAKE_CURRENT_LIST_DIR}/postrm)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION TRUE)
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_CURRENT_LIST_DIR}/debian_paths.cmake)
include(CPack)
