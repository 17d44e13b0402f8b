// What the operands of a command mean: a minor, a resource, a pair of addresses.
#pragma once

#include "cli/common/client.h"
#include "cli/drbdsetup/commands.h"

#include <optional>
#include <string>

namespace drbdsetup {

// Prints a line to standard error and returns `exit`.
int fail(int exit, const std::string& text);
int fail_to_ask(const base::Error& error);

// Sends a request and prints its refusal; `object` is what it is about.
int execute(cli::Client& client, control::Request request, const std::string& object);

// "all" and nothing mean every resource: "".
std::string resource_operand(const Arguments& arguments);

struct Device {
    control::ResourceStatus resource;
    control::DeviceStatus device;
};

// A minor, /dev/drbdN, or the configured name of the device.
bool means(const control::DeviceStatus& device, const std::string& operand);

// Each gives nothing after saying why, with `exit` set. `object` is what a failure is about, if it
// is not the resource.
std::optional<Device> find_device(cli::Client& client, const std::string& operand, int& exit);
std::optional<config::ResourceSettings> find_settings(cli::Client& client,
                                                      const std::string& resource,
                                                      int& exit,
                                                      const std::string& object = "");
std::optional<std::string> find_resource_of_addresses(cli::Client& client,
                                                      const std::string& local,
                                                      const std::string& peer,
                                                      int& exit);

// "[af:]addr[:port]", also with "local:" or "peer:" before it; port 7788 unless said.
std::optional<config::Address> parse_address(const std::string& text);

}  // namespace drbdsetup
