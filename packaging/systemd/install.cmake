# Writes the units below the prefix. `source`: where they are; `sbin`: where the programs go, below the prefix.
foreach(unit drbdd heartbeat)
    set(SBINDIR ${CMAKE_INSTALL_PREFIX}/${sbin})
    set(target ${CMAKE_INSTALL_PREFIX}/lib/systemd/system/${unit}.service)
    message(STATUS "Installing: $ENV{DESTDIR}${target}")
    configure_file(${source}/${unit}.service.in $ENV{DESTDIR}${target} @ONLY NO_SOURCE_PERMISSIONS)
endforeach()
