// Resets a node by calling programs out. Heartbeat specification 6.1, 6.2: a command of ours
// (fence_command), an external plugin, or the `stonith` command line for all other types. With
// meatware a person does it, and says so by `meatclient -c NODE` or by confirming the takeover.
// A device that is at work ends its work, whatever becomes of this daemon. Parameters, which may be
// passwords, are on no command line.
#pragma once

#include "base/log.h"
#include "base/result.h"
#include "config/ha/ha_cf.h"
#include "config/ha/ha_policy.h"
#include "heartbeat/runtime/programs.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hb {

struct FencingDevice {
    std::string type;                              // of stonith; empty: only fence_command
    std::string parameters;                        // in the order of the plugin's getconfignames
    std::string config_file;                       // they come from there; read at the start
    std::string fence_command;                     // wins over `type`
    std::chrono::milliseconds time_limit{60'000};  // not of meatware
};

// The device that this node uses, its file read. An error: the file cannot be read.
base::Result<std::optional<FencingDevice>> fencing_device(const config::HaCf& conf,
                                                          const config::HaPolicy& policy,
                                                          const std::string& node);

class Fencer {
public:
    using Callback = std::function<void(bool ok, const std::string& text)>;
    using FenceId = std::uint64_t;  // chosen by the caller, never used twice

    // `run_dir`: for a file with parameters, as long as the device is at work.
    Fencer(std::optional<FencingDevice> device,
           std::string run_dir,
           Programs& programs,
           base::LogSink& log);

    // From now on; a reset that is at work ends with the device with which it began.
    void set(std::optional<FencingDevice> device);

    // `done` comes once, never from inside, unless cancel() comes first.
    void reset(FenceId id, const std::string& node, Callback done);
    // Nobody waits for it any more. A person is not bothered any longer; a device ends its work.
    void cancel(FenceId id);
    // A person has reset the node. False: nobody waits for that.
    bool confirm(const std::string& node);

private:
    using DevicePtr = std::shared_ptr<const FencingDevice>;

    struct Waiting {
        std::string node;
        Callback done;
        DevicePtr device;
        JobId job = 0;
    };

    static bool is_meatware(const DevicePtr& device);
    void run(FenceId id, Program program);
    void run_stonith(FenceId id, Program program);
    void run_plugin(FenceId id, const std::string& path);
    void finish(FenceId id, bool ok, const std::string& text);

    const std::string run_dir_;
    DevicePtr device_;
    Programs& programs_;
    base::LogSink& log_;
    std::map<FenceId, Waiting> waiting_;
};

// The first line of a stonith configuration file that is no comment.
std::string first_parameter_line(std::string_view text);

// NAME=value for an external plugin: the words of `parameters` in the order of `names`, the last
// name takes what is left; words that are NAME=value already stay.
std::vector<std::string> plugin_variables(std::string_view names, std::string_view parameters);

}  // namespace hb
