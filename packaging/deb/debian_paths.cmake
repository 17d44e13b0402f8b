# Debian 12's own packages name /sbin and /lib, not what these are links to. Files that have the same place as theirs must have
# the same name for dpkg: it compares names, and would else delete ours together with the old package.
set(root ${CPACK_TEMPORARY_INSTALL_DIRECTORY})
file(MAKE_DIRECTORY ${root}/sbin ${root}/lib)
foreach(program drbdadm drbdsetup drbdmeta)
    file(RENAME ${root}/usr/sbin/${program} ${root}/sbin/${program})
endforeach()
file(RENAME ${root}/usr/lib/systemd ${root}/lib/systemd)
# Of usr/lib only Pacemaker's agent is for the package.
file(RENAME ${root}/usr/lib/ocf ${root}/ocf)
file(REMOVE_RECURSE ${root}/usr/lib)
file(MAKE_DIRECTORY ${root}/usr/lib)
file(RENAME ${root}/ocf ${root}/usr/lib/ocf)
file(GLOB pages ${root}/usr/share/man/man*/*.[158])
execute_process(COMMAND gzip -9 -n ${pages} COMMAND_ERROR_IS_FATAL ANY)
# CPack strips targets only; agents are installed as programs, under other names.
file(GLOB agents ${root}/usr/libexec/drbdd/ResourceManager ${root}/usr/libexec/drbdd/agents/*)
foreach(agent ${agents})
    file(READ ${agent} magic LIMIT 4 HEX)
    if(magic STREQUAL 7f454c46)
        execute_process(COMMAND strip ${agent} COMMAND_ERROR_IS_FATAL ANY)
    endif()
endforeach()

# Where scripts of Heartbeat's users look for its programs.
file(MAKE_DIRECTORY ${root}/usr/bin ${root}/usr/share/heartbeat)
file(RENAME ${root}/usr/sbin/cl_status ${root}/usr/bin/cl_status)
foreach(program hb_standby hb_takeover)
    file(CREATE_LINK ../../sbin/${program} ${root}/usr/share/heartbeat/${program} SYMBOLIC)
endforeach()
file(CREATE_LINK ../../libexec/drbdd/ResourceManager ${root}/usr/share/heartbeat/ResourceManager SYMBOLIC)
