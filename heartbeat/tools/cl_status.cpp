#include "heartbeat/tools/cl_status.h"

#include "config/ha/ha_cf.h"
#include "heartbeat/tools/connection.h"

#include <algorithm>
#include <charconv>
#include <ctime>
#include <functional>
#include <iomanip>
#include <optional>
#include <ostream>
#include <unistd.h>

namespace hb::tools {

namespace {

using base::Error;
using base::ErrorCode;
using base::Result;
using control::NodeStatus;
using control::Status;

constexpr int kExitNo = 1;
constexpr int kExitUsage = 11;

struct Flags {
    bool human = false;              // -m
    bool verbose = false;            // -v
    bool normal = false;             // -n
    bool ping_or_parameter = false;  // -p
};

// The original lists the links of a node to itself as well; they are dead, since nothing is heard.
void add_own_links(Status& status) {
    for (NodeStatus& node : status.nodes) {
        if (node.name != status.node || !node.links.empty()) {
            continue;
        }
        for (const control::MediumStatus& medium : status.media) {
            const bool listed = std::any_of(
                node.links.begin(), node.links.end(), [&](const control::LinkStatus& link) {
                    return link.name == medium.name;
                });
            if (!listed && medium.kind != "ping") {
                node.links.push_back({medium.name, false});
            }
        }
    }
}

class ClStatus {
public:
    ClStatus(Flags flags,
             std::vector<std::string> operands,
             const Places& places,
             const Streams& streams)
        : flags_(flags),
          operands_(std::move(operands)),
          host_(places.node),
          streams_(streams),
          connection_(places.run_dir) {}

    int hbstatus();
    int listnodes();
    int nodestatus();
    int nodetype();
    int nodeweight();
    int nodesite();
    int listhblinks();
    int hblinkstatus();
    int clientstatus();
    int rscstatus();
    int hbparameter();

private:
    using Describe = std::string (*)(const NodeStatus&);

    // What `run` makes of the node that the first of `count` operands names.
    int with_node(std::size_t count,
                  const std::string& complaint,
                  const std::function<int()>& unknown,
                  const std::function<int(const NodeStatus&)>& run);
    int about_node(const std::string& before, const std::string& middle, Describe describe);
    void list_nodes(const Status& status, bool normal, bool ping);
    void list_links(const NodeStatus& node, bool with_state);
    std::optional<Status> status();
    std::optional<std::string> version();
    std::optional<std::string> parameter(const std::string& name);
    void print_error(const std::string& text);
    int fail(int exit, const std::string& what, const std::string& reason);

    bool needs(std::size_t count, const std::string& complaint) {
        if (operands_.size() >= count) {
            return true;
        }
        streams_.out << complaint << "\n";
        return false;
    }

    Flags flags_;
    std::vector<std::string> operands_;
    std::string host_;
    Streams streams_;
    Connection connection_;
};

// As the original's log lines.
void ClStatus::print_error(const std::string& text) {
    const std::time_t now = std::time(nullptr);
    std::tm local{};
    ::localtime_r(&now, &local);
    streams_.err << std::put_time(&local, "%b %d %H:%M:%S ") << host_ << " cl_status: ["
                 << ::getpid() << "]: ERROR: " << text << "\n";
}

int ClStatus::fail(int exit, const std::string& what, const std::string& reason) {
    print_error(what);
    print_error("REASON: " + reason);
    return exit;
}

std::optional<Status> ClStatus::status() {
    Result<Status> status = fetch_status(connection_);
    if (!status) {
        fail(kExitNo, "Cannot signon with heartbeat", status.error().text);
        return std::nullopt;
    }
    add_own_links(*status);
    return std::move(status).value();
}

int ClStatus::with_node(std::size_t count,
                        const std::string& complaint,
                        const std::function<int()>& unknown,
                        const std::function<int(const NodeStatus&)>& run) {
    if (!needs(count, complaint)) {
        return kExitUsage;
    }
    const auto now = status();
    if (!now) {
        return kExitNo;
    }
    const NodeStatus* node = now->find(config::fold_node_name(operands_.at(0)));
    return node == nullptr ? unknown() : run(*node);
}

int ClStatus::hbstatus() {
    Result<Status> status = fetch_status(connection_);
    if (!status) {
        if (status.error().code != ErrorCode::NotFound) {
            print_error(status.error().text);
        }
        streams_.out << "Heartbeat is stopped on this machine.\n";
        return kExitNo;
    }
    if (!flags_.verbose) {
        streams_.out << "Heartbeat is running on this machine.\n";
        return 0;
    }
    add_own_links(*status);
    streams_.out << "version:\t" << status->version << "\nmanaged by:\t\"haresources\"\n";
    list_nodes(*status, true, true);
    return 0;
}

// The original walks its tables from the end.
void ClStatus::list_nodes(const Status& status, bool normal, bool ping) {
    for (auto node = status.nodes.rbegin(); node != status.nodes.rend(); ++node) {
        if (node->ping ? !ping : !normal) {
            continue;
        }
        if (!flags_.verbose) {
            streams_.out << node->name << "\n";
            continue;
        }
        streams_.out << "\n"
                     << node->name << "\t" << node->status
                     << "\t(nodetype: " << (node->ping ? "ping" : "normal") << ")\n";
        list_links(*node, true);
    }
}

void ClStatus::list_links(const NodeStatus& node, bool with_state) {
    if (flags_.human) {
        streams_.out << "\tthis node has the following heartbeat links:\n";
    }
    for (auto link = node.links.rbegin(); link != node.links.rend(); ++link) {
        streams_.out << "\t" << link->name << (with_state ? (link->up ? "\tup" : "\tdead") : "")
                     << "\n";
    }
}

int ClStatus::listnodes() {
    const auto now = status();
    if (!now) {
        return kExitNo;
    }
    if (flags_.human) {
        streams_.out << "The nodes are as follow:\n";
    }
    const bool all = flags_.normal == flags_.ping_or_parameter;
    list_nodes(*now, all || flags_.normal, all || flags_.ping_or_parameter);
    return 0;
}

int ClStatus::about_node(const std::string& before, const std::string& middle, Describe describe) {
    const auto unknown = [this] {
        streams_.out << "Error. May be due to incorrect node name\n";
        return kExitUsage;
    };
    return with_node(1, "Not enough parameters.", unknown, [&](const NodeStatus& node) {
        const std::string answer = describe(node);
        streams_.out << (flags_.human ? before + operands_[0] + middle : "") << answer << "\n";
        return answer == "dead" ? kExitNo : 0;
    });
}

int ClStatus::nodestatus() {
    return about_node(
        "The cluster node ", " is ", [](const NodeStatus& node) { return node.status; });
}

int ClStatus::nodetype() {
    return about_node("The node ", "'s type: ", [](const NodeStatus& node) {
        return std::string(node.ping ? "ping" : "normal");
    });
}

// There are no weights and sites in the haresources mode.
int ClStatus::nodeweight() {
    return about_node("The weight of the cluster node ", " is ", [](const NodeStatus&) {
        return std::string("100");
    });
}

int ClStatus::nodesite() {
    return about_node(
        "The site of the cluster node ", " is ", [](const NodeStatus&) { return std::string(); });
}

int ClStatus::listhblinks() {
    const auto unknown = [this] {
        return fail(control::kExitNoAnswer,
                    "Cannot start heartbeat link interface walk.",
                    "unknown node '" + operands_[0] + "'");
    };
    return with_node(1, "Not enough parameters.", unknown, [this](const NodeStatus& node) {
        list_links(node, flags_.verbose);
        return 0;
    });
}

int ClStatus::hblinkstatus() {
    const auto no_link = [this](const std::string& reason) {
        return fail(control::kExitNoAnswer, "Cannot get heartbeat link status", reason);
    };
    const auto unknown = [&] { return no_link("unknown node '" + operands_[0] + "'"); };
    return with_node(2, "No enough parameter.", unknown, [&](const NodeStatus& node) {
        const auto link =
            std::find_if(node.links.begin(), node.links.end(), [&](const auto& known) {
                return known.name == operands_[1];
            });
        if (link == node.links.end()) {
            return no_link("node '" + node.name + "' has no link '" + operands_[1] + "'");
        }
        if (flags_.human) {
            streams_.out << "The node " << operands_[0] << "'s heartbeat link " << link->name
                         << " is ";
        }
        streams_.out << (link->up ? "up" : "dead") << "\n";
        return link->up ? 0 : kExitNo;
    });
}

int ClStatus::clientstatus() {
    if (!needs(2, "No enough parameter.")) {
        return kExitUsage;
    }
    control::Request request;
    request.kind = control::RequestKind::ClientStatus;
    request.node = config::fold_node_name(operands_[0]);
    request.name = operands_[1];
    if (operands_.size() > 2) {
        std::uint64_t ms = 0;
        const std::string& word = operands_[2];
        const auto [end, code] = std::from_chars(word.data(), word.data() + word.size(), ms);
        if (code != std::errc{} || end != word.data() + word.size() || ms > control::kMaxLimitMs) {
            print_error("timeout '" + word + "' is no number of milliseconds up to 600000");
            return kExitUsage;
        }
        request.limit = std::chrono::milliseconds(ms);
    }
    const auto reply = connection_.call(request, request.limit + kAnswerTime);
    if (!reply) {
        return fail(kExitNo, "Cannot signon with heartbeat", reply.error().text);
    }
    if (reply->exit != 0 && reply->exit != kExitNo) {
        return fail(reply->exit,
                    "Cannot get heartbeat client " + operands_[1] + "'s status",
                    reply->text.empty() ? "No timely response." : reply->text);
    }
    streams_.out << reply->text << "\n";
    return reply->exit;
}

int ClStatus::rscstatus() {
    const auto now = status();
    if (!now) {
        return kExitNo;
    }
    streams_.out << (flags_.human ? "This node is holding " : "") << now->resources
                 << (flags_.human ? " resources." : "") << "\n";
    return 0;
}

std::optional<std::string> ClStatus::version() {
    const auto now = status();
    return now ? std::optional(now->version) : std::nullopt;
}

std::optional<std::string> ClStatus::parameter(const std::string& name) {
    control::Request request;
    request.kind = control::RequestKind::Parameter;
    request.name = name;
    const auto reply = connection_.call(request);
    if (!reply) {
        fail(kExitNo, "Cannot signon with heartbeat", reply.error().text);
        return std::nullopt;
    }
    const control::Json& data = reply->data;
    if (reply->exit != 0 || !data.is_object() || !data.contains("value") ||
        !data["value"].is_string()) {
        fail(kExitNo, "Cannot get parameter " + name + "'s value", reply->text);
        return std::nullopt;
    }
    return data["value"].get<std::string>();
}

int ClStatus::hbparameter() {
    if (!flags_.ping_or_parameter || operands_.empty()) {
        print_error("parameter name required");
        return kExitUsage;
    }
    const auto value = operands_[0] == "hbversion" ? version() : parameter(operands_[0]);
    if (!value) {
        return kExitNo;
    }
    if (flags_.human) {
        streams_.out << "Heartbeat parameter " << operands_[0] << "'s value: ";
    }
    streams_.out << *value << "\n";
    return 0;
}

struct SubCommand {
    const char* name;
    const char* operands;
    const char* what;
    int (ClStatus::*run)();
};

constexpr SubCommand kSubCommands[] = {
    {"hbstatus", "", "is heartbeat running here? -v: version, nodes, links", &ClStatus::hbstatus},
    {"listnodes",
     "",
     "all nodes; -n: normal, -p: ping nodes, -v: with state",
     &ClStatus::listnodes},
    {"nodestatus", "NODE", "init, up, active, dead or ping", &ClStatus::nodestatus},
    {"nodetype", "NODE", "normal or ping", &ClStatus::nodetype},
    {"listhblinks",
     "NODE",
     "the heartbeat links of a node; -v: with state",
     &ClStatus::listhblinks},
    {"hblinkstatus", "NODE LINK", "up or dead", &ClStatus::hblinkstatus},
    {"clientstatus", "NODE CLIENT [MS]", "online or offline", &ClStatus::clientstatus},
    {"rscstatus", "", "none, local, foreign, all or transition", &ClStatus::rscstatus},
    {"hbparameter", "-p NAME", "the value of a directive of ha.cf", &ClStatus::hbparameter},
    {"nodeweight", "NODE", "the weight of a node", &ClStatus::nodeweight},
    {"nodesite", "NODE", "the site of a node", &ClStatus::nodesite},
};

std::string sub_command_help() {
    std::string text = "Sub-commands:\n";
    for (const SubCommand& command : kSubCommands) {
        std::string usage = std::string(command.name) + " " + command.operands;
        usage.resize(std::max<std::size_t>(usage.size() + 1, 32), ' ');
        text += "  " + usage + command.what + "\n";
    }
    return text;
}

}  // namespace

int run_cl_status(const std::vector<std::string>& words, const Streams& streams) {
    CLI::App app("Ask the failover daemon on this machine", "cl_status");
    app.footer(sub_command_help());
    Places places;
    Flags flags;
    std::vector<std::string> operands;
    add_places(app, places);
    app.add_flag("-m", flags.human, "sentences instead of words");
    app.add_flag("-v", flags.verbose, "more (hbstatus, listnodes, listhblinks)");
    app.add_flag("-n", flags.normal, "normal nodes only (listnodes)");
    app.add_flag("-p",
                 flags.ping_or_parameter,
                 "ping nodes only (listnodes); a name follows "
                 "(hbparameter)");
    app.add_option("sub-command", operands, "and its operands");
    if (const auto exit = parse(app, words, kExitUsage, streams)) {
        return *exit;
    }
    if (operands.empty()) {
        streams.out << app.help();
        return 0;
    }
    const std::string name = operands.front();
    operands.erase(operands.begin());
    const auto found = std::find_if(
        std::begin(kSubCommands), std::end(kSubCommands), [&](const SubCommand& command) {
            return command.name == name;
        });
    if (found == std::end(kSubCommands)) {
        streams.err << "cl_status: " << name << ": invalid sub-command. See cl_status --help.\n";
        return kExitUsage;
    }
    ClStatus tool(flags, std::move(operands), places, streams);
    return (tool.*found->run)();
}

}  // namespace hb::tools
