#include "heartbeat/agents/address_guard.h"

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <map>
#include <optional>
#include <unistd.h>

namespace hb {

namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

std::vector<IpAddress> service_addresses(const config::Haresources& resources) {
    std::vector<IpAddress> out;
    for (const config::ResourceGroup& group : resources.groups) {
        for (const config::ResourceWord& word : group.words) {
            const bool ours =
                word.script == "IPaddr" || word.script == "IPaddr2" || word.script == "IPv6addr";
            if (!ours || word.args.empty()) {
                continue;
            }
            if (const auto spec = parse_address(word.args.front())) {
                out.push_back(spec->ip);
            }
        }
    }
    return out;
}

struct AddressGuard::State : std::enable_shared_from_this<AddressGuard::State> {
    // One address that we hold, on the interface where we hold it.
    struct Post {
        Post(boost::asio::io_context& io, LinkSocket opened, Interface where, const IpAddress& what)
            : socket(std::move(opened)),
              // A descriptor of its own, for each is closed by its owner.
              readable(io, ::dup(socket.fd())),
              announcing(io),
              interface(std::move(where)),
              ip(what) {}

        LinkSocket socket;
        boost::asio::posix::stream_descriptor readable;
        boost::asio::steady_timer announcing;
        Interface interface;
        IpAddress ip;
        Clock::time_point asked;
        std::map<MacAddress, Clock::time_point> told;
        bool closed = false;
    };

    using PostPtr = std::shared_ptr<Post>;

    State(boost::asio::io_context& context, base::LogSink& sink, Conflict callback, Timing times)
        : io(context), log(sink), conflict(std::move(callback)), timing(times), scan_timer(io) {}

    void schedule_scan();
    void scan();
    void take_post(const HeldAddress& held);
    void leave(const PostPtr& post);
    void listen(const PostPtr& post);
    void on_claim(Post& post, const AddressClaim& claim);
    void ask(Post& post);
    void announce_from(const PostPtr& post, unsigned number);
    void close();

    boost::asio::io_context& io;
    base::LogSink& log;
    Conflict conflict;
    Timing timing;
    boost::asio::steady_timer scan_timer;
    std::optional<Rtnetlink> kernel;
    std::vector<IpAddress> addresses;
    std::vector<PostPtr> posts;
    bool closed = false;
    std::string last_error;  // the same one is logged once
};

void AddressGuard::State::schedule_scan() {
    scan_timer.expires_after(timing.rescan);
    scan_timer.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
        if (!error && !self->closed) {
            self->scan();
            self->schedule_scan();
        }
    });
}

void AddressGuard::State::scan() {
    if (!kernel) {
        if (auto opened = Rtnetlink::open()) {
            kernel.emplace(std::move(*opened));
        } else {
            return;
        }
    }
    std::vector<HeldAddress> held;
    for (const bool v6 : {false, true}) {
        if (const auto listed = kernel->addresses(v6)) {
            held.insert(held.end(), listed->begin(), listed->end());
        }
    }
    std::erase_if(held, [&](const HeldAddress& one) {
        return one.interface == "lo" ||
               std::find(addresses.begin(), addresses.end(), one.ip) == addresses.end();
    });
    const auto same = [](const HeldAddress& one, const PostPtr& post) {
        return one.ip == post->ip && one.interface_index == post->interface.index;
    };
    for (const PostPtr& post : std::vector<PostPtr>(posts)) {
        if (std::none_of(
                held.begin(), held.end(), [&](const auto& one) { return same(one, post); })) {
            leave(post);
        }
    }
    for (const HeldAddress& one : held) {
        if (std::none_of(
                posts.begin(), posts.end(), [&](const auto& post) { return same(one, post); })) {
            take_post(one);
        }
    }
    for (const PostPtr& post : posts) {
        ask(*post);
    }
}

void AddressGuard::State::take_post(const HeldAddress& held) {
    auto interface = find_interface(held.interface);
    if (!interface || !interface->announces) {
        return;
    }
    auto socket = LinkSocket::open(*interface, held.ip);
    if (!socket) {
        if (socket.error().text != last_error) {
            last_error = socket.error().text;
            log.write(base::LogLevel::Warning,
                      to_text(held.ip) + " is not guarded against other owners: " + last_error);
        }
        return;
    }
    auto post = std::make_shared<Post>(io, std::move(*socket), *interface, held.ip);
    post->asked = Clock::now();  // the agent has just announced it: the first question can wait
    posts.push_back(post);
    listen(post);
}

void AddressGuard::State::leave(const PostPtr& post) {
    post->closed = true;
    post->announcing.cancel();
    boost::system::error_code ignored;
    post->readable.close(ignored);
    std::erase(posts, post);
}

void AddressGuard::State::listen(const PostPtr& post) {
    post->readable.async_wait(
        boost::asio::posix::stream_descriptor::wait_read,
        [self = shared_from_this(), post](const boost::system::error_code& error) {
            if (error || self->closed || post->closed) {
                return;
            }
            // Bounded: a flood of claims must not hold up the daemon.
            for (int number = 0; number < 64 && !post->closed; ++number) {
                const auto claim = post->socket.next_claim();
                if (!claim) {
                    break;
                }
                self->on_claim(*post, *claim);
            }
            if (!post->closed) {
                self->listen(post);
            }
        });
}

void AddressGuard::State::on_claim(Post& post, const AddressClaim& claim) {
    constexpr std::size_t kRemembered = 64;
    if (claim.ip != post.ip) {
        return;
    }
    const Clock::time_point now = Clock::now();
    const auto told = post.told.find(claim.mac);
    if (told != post.told.end() && now - told->second < timing.repeat) {
        return;
    }
    if (is_own(claim.mac)) {
        return;
    }
    if (post.told.size() >= kRemembered) {
        post.told.clear();  // somebody plays with addresses
    }
    post.told[claim.mac] = now;
    log.write(base::LogLevel::Error,
              to_text(post.ip) + " on " + post.interface.name + " is claimed by another machine, " +
                  to_text(claim.mac));
    conflict(to_text(post.ip), to_text(claim.mac));
}

void AddressGuard::State::ask(Post& post) {
    if (Clock::now() - post.asked < timing.ask) {
        return;
    }
    post.asked = Clock::now();
    post.socket.send(post.ip.v6 ? neighbour_probe(post.ip, post.interface.mac)
                                : arp_probe(post.ip, post.interface.mac));
}

void AddressGuard::State::announce_from(const PostPtr& post, unsigned number) {
    post->socket.send(announcement(post->ip, post->interface.mac, number));
    if (number + 1 >= timing.announce.packets) {
        return;
    }
    post->announcing.expires_after(timing.announce.step);
    post->announcing.async_wait(
        [self = shared_from_this(), post, number](const boost::system::error_code& error) {
            if (!error && !self->closed && !post->closed) {
                self->announce_from(post, number + 1);
            }
        });
}

void AddressGuard::State::close() {
    closed = true;
    scan_timer.cancel();
    for (const PostPtr& post : std::vector<PostPtr>(posts)) {
        leave(post);
    }
}

AddressGuard::AddressGuard(boost::asio::io_context& io,
                           base::LogSink& log,
                           Conflict conflict,
                           Timing timing)
    : state_(std::make_shared<State>(io, log, std::move(conflict), timing)) {
}

AddressGuard::AddressGuard(boost::asio::io_context& io, base::LogSink& log, Conflict conflict)
    : AddressGuard(io, log, std::move(conflict), Timing{}) {
}

AddressGuard::~AddressGuard() {
    state_->close();
}

void AddressGuard::watch(std::vector<IpAddress> addresses) {
    state_->addresses = std::move(addresses);
    state_->scan();
    state_->schedule_scan();
}

std::vector<std::string> AddressGuard::held() const {
    std::vector<std::string> out;
    for (const State::PostPtr& post : state_->posts) {
        out.push_back(to_text(post->ip));
    }
    return out;
}

void AddressGuard::announce() {
    state_->scan();
    for (const State::PostPtr& post : std::vector<State::PostPtr>(state_->posts)) {
        state_->announce_from(post, 0);
    }
}

void AddressGuard::rescan() {
    state_->scan();
}

}  // namespace hb
