// Watches over the service addresses that this machine holds: repeats their announcement when told
// to, and notices when another machine claims one of them, by listening to the link and by asking
// it now and then.
#pragma once

#include "base/log.h"
#include "config/ha/haresources.h"
#include "heartbeat/agents/address/announcer.h"

#include <boost/asio/io_context.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace hb {

// The addresses of all words for IPaddr, IPaddr2 and IPv6addr; those that cannot be understood are
// left out. Pure.
std::vector<IpAddress> service_addresses(const config::Haresources& resources);

class AddressGuard {
public:
    struct Timing {
        std::chrono::milliseconds rescan{1000};    // which addresses do we hold?
        std::chrono::milliseconds ask{10'000};     // is there another owner?
        std::chrono::milliseconds repeat{10'000};  // the same claim is told once within this
        AnnouncePlan announce{6, std::chrono::milliseconds(100)};
    };

    // `conflict`: another machine, `mac`, claims `ip`, which we hold.
    using Conflict = std::function<void(const std::string& ip, const std::string& mac)>;

    // io and log must outlive this object.
    AddressGuard(boost::asio::io_context& io, base::LogSink& log, Conflict conflict, Timing timing);
    AddressGuard(boost::asio::io_context& io, base::LogSink& log, Conflict conflict);
    ~AddressGuard();

    AddressGuard(const AddressGuard&) = delete;
    AddressGuard& operator=(const AddressGuard&) = delete;

    // From now on these are the service addresses; the scan begins.
    void watch(std::vector<IpAddress> addresses);

    // Those we hold at this moment, as text.
    std::vector<std::string> held() const;

    // Repeats gratuitous ARP and neighbour advertisements for all that are held now.
    void announce();

    // Looks at once which are held, instead of at the next scan.
    void rescan();

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace hb
