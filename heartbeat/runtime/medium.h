// One path to the other nodes: a network interface, a serial line, a disk. Heartbeat specification
// 2.1. Every message goes to all media, and a medium that fails is reported, healed by itself and
// never fatal. A medium knows nothing of signatures: it carries bytes.
#pragma once

#include <string>
#include <string_view>

namespace hb {

// The same message in both forms; a medium takes the one it carries.
struct Outgoing {
    std::string netstring;
    std::string text;
};

class Medium {
public:
    virtual ~Medium() = default;

    // What the original calls the link: "eth1", "/dev/ttyS0". Several media may share it.
    virtual const std::string& name() const = 0;
    // For messages to people: "ucast eth1 10.0.0.2:694".
    virtual const std::string& description() const = 0;

    // Opens it, or reports why not and goes on trying.
    virtual void start() = 0;
    // Never waits; what cannot be sent now is lost, and asked for again by the receiver.
    virtual void send(const Outgoing& message) = 0;

    // Hands in what has arrived already. Before the owner concludes anything from silence: when the
    // whole machine was late, the partner's heartbeat lies in the socket.
    virtual void poll() {}
};

// Who owns the media. Called on the loop's thread; on_medium_down() and on_medium_up() also from
// inside start() and send().
class MediumEvents {
public:
    virtual ~MediumEvents() = default;
    // True: a node of ours has signed them.
    virtual bool on_bytes(const Medium& medium, std::string_view bytes) = 0;
    // Strangers flood it: what is done about that, for the log.
    virtual void on_flood(const Medium& medium, const std::string& what) = 0;
    virtual void on_medium_down(const Medium& medium, const std::string& why) = 0;
    virtual void on_medium_up(const Medium& medium) = 0;
};

}  // namespace hb
