// The FUSE file system with one file, `volume`: turns the kernel's messages into Requests and their
// results into answers. A write's payload is sent on from the very memory the kernel copied it to.
//
// One thread; fd() is non-blocking. Block front ends specification, section 4.
#pragma once

#include "base/result.h"
#include "kmod-shim/link/request.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

struct fuse_session;

namespace fuse_volume {

using export_link::Request;

// Type of the mount in /proc/self/mountinfo: "fuse." and this.
inline constexpr const char* kFsSubtype = "drbdd-fuse";

// Largest payload of one message; the kernel splits what is longer.
inline constexpr std::uint32_t kMessagePayloadMax = 1u << 20;

class VolumeFs {
public:
    // `submit` gets every request that needs the export; each is answered once, through answer().
    // `name` shows up as the source of the mount.
    static base::Result<std::unique_ptr<VolumeFs>> mount(const std::string& directory,
                                                         const std::string& name,
                                                         std::uint64_t size_bytes,
                                                         std::function<void(Request)> submit);
    ~VolumeFs();
    VolumeFs(const VolumeFs&) = delete;
    VolumeFs& operator=(const VolumeFs&) = delete;

    int fd() const;

    // Takes what the kernel has ready, at most a few messages, so that replies get their turn.
    void receive();

    static void answer(Request& request, int error);
    void resize(std::uint64_t size_bytes);

    bool unmounted() const;

    bool in_use() const { return open_count_ > 0; }

private:
    friend struct Operations;  // the C callbacks

    struct DestroySession {
        void operator()(fuse_session* session) const;
    };
    struct Message;  // receive buffer

    VolumeFs(std::function<void(Request)> submit, std::uint64_t size_bytes);
    bool receive_one();
    void submit_write();

    std::function<void(Request)> submit_;
    std::uint64_t size_bytes_;
    std::size_t open_count_ = 0;
    std::unique_ptr<Message> message_;
    std::optional<Request>
        write_;  // the write inside message_, until its memory has been taken over
    std::unique_ptr<fuse_session, DestroySession> session_;
    bool mounted_ = false;
};

}  // namespace fuse_volume
