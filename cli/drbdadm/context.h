// One run of drbdadm: the command line, the configuration, the daemon.
#pragma once

#include "cli/common/client.h"
#include "cli/drbdadm/command_line.h"
#include "config/drbd_conf.h"

#include <optional>
#include <string>
#include <vector>

namespace drbdadm {

// What a command works on: a resource, or one of its volumes.
struct Target {
    const config::ResourceConf* resource = nullptr;
    const config::HostConf* host = nullptr;      // ours
    const config::VolumeConf* volume = nullptr;  // of ours; null: the whole resource
    bool whole = true;  // the volume stands for the resource: all of its volumes have their turn
};

struct Context {
    CommandLine line;
    std::string node;
    std::string run_dir;
    config::DrbdConf conf;
    cli::Client client;
    bool unit_started = false;  // by us: drbdd.service, which brings all resources of its file up

    Context(CommandLine command_line, std::string node_name, std::string run_directory)
        : line(std::move(command_line)),
          node(std::move(node_name)),
          run_dir(std::move(run_directory)),
          client(run_dir) {}
};

// Prints a line to standard error and returns `exit`.
int fail(int exit, const std::string& text);

// Prints the words of a step with -v and -d; true if it is only to be printed.
bool only_printed(const Context& context, const std::string& words);

// Sends a request and finishes with its reply.
int execute(Context& context,
            control::Request request,
            const std::string& object,
            const std::string& words);

// Prints a refusal as drbdsetup and drbdadm would together, with `object` as what the step is about
// and `words` as its command line. Returns the exit code.
int finish(const control::Reply& reply, const std::string& object, const std::string& words);

// The reply of a command that drbdsetup addresses by a minor: a minor of a resource that is not
// configured does not exist.
control::Reply about_minor(control::Reply reply);

// Prints why a request could not be answered at all; exit code 20.
int fail_to_ask(const base::Error& error);

// Starts drbdd if none answers on the run directory: as the service drbdd where systemd knows one,
// so that it belongs to the machine and not to the session of the one who typed the command, which
// at shutdown ends before what uses the devices. 0, or the exit code after saying why not.
int ensure_daemon(Context& context);

// 0, or 10 after saying that the resource's own address is on no interface of this node. Not with
// --address-later, nor with disable-ip-verification.
int check_own_address(const Context& context, const Target& target);

// become-primary-on names this node.
bool becomes_primary_here(const Context& context, const Target& target);

// `up` makes nothing Primary, as the original's does not: where the file asks for that, it says so.
void warn_of_promotion(const Context& context, const Target& target);

// Runs "drbdmeta MINOR v08 DEVICE INDEX COMMAND [OPTION...]" of a volume; limited: it must not ask.
int run_drbdmeta(Context& context,
                 const config::VolumeConf& volume,
                 const std::string& command,
                 const std::vector<std::string>& options,
                 bool limited);

}  // namespace drbdadm
