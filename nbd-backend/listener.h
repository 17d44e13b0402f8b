// Accepts the clients of one listening socket, on the thread of its io_context. Where descriptors
// or memory are short, and where strangers may come as fast as they like, it pauses: who waits
// stays in the queue of the kernel.
#pragma once

#include "base/log.h"
#include "base/result.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <functional>
#include <memory>
#include <string>

namespace nbd {

class Listener {
public:
    // `accepted` gets a non-blocking socket that nobody inherits, to be closed by it.
    // `most_a_turn`: so many at a time, then a pause of 200 ms; 0: any number. `log` outlives the
    // listener.
    Listener(boost::asio::io_context& io,
             std::string name,
             unsigned most_a_turn,
             std::function<void(int)> accepted,
             base::LogSink& log);
    ~Listener();
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;

    // Takes over `socket`, which listens and does not block.
    base::Result<void> start(int socket);

    void close();

    bool is_open() const { return socket_.is_open(); }

    const std::string& name() const { return name_; }

private:
    void wait();
    void accept_all();
    void pause();

    boost::asio::posix::stream_descriptor socket_;
    boost::asio::steady_timer pause_;
    const std::string name_;
    const unsigned most_a_turn_;
    std::function<void(int)> accepted_;
    base::LogSink& log_;

    // A wait that has ended, but whose handler still stands in the queue of the io_context, must
    // not find a destroyed listener.
    std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace nbd
