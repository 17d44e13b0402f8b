#include "kmod-shim/fuse/volume_fs.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <utility>

#define FUSE_USE_VERSION 35
#include <fuse_lowlevel.h>

#include <linux/falloc.h>
#include <linux/fuse.h>

namespace fuse_volume {

using export_link::Request;

using base::Error;
using base::ErrorCode;
using base::Result;

namespace {

constexpr fuse_ino_t kVolumeInode = 2;
constexpr const char* kVolumeName = "volume";
// For ever: attributes change only by resize(), which tells the kernel. What it remembers also lets
// a loop device be identified after this process was killed.
constexpr double kAttributeSeconds = 1e9;
constexpr unsigned kBackgroundMax = 256;  // the loop driver keeps up to 128 requests in flight
constexpr int kMessagesPerTurn = 32;
// Linux 6.2; older kernels ignore the bit. libfuse 3.14 has no name for it.
constexpr std::uint32_t kParallelDirectWrites = 1u << 6;

std::string* first_complaint = nullptr;

// libfuse explains a failed mount on standard error only; the text is wanted in our own message.
void keep_complaint(fuse_log_level, const char* pattern, va_list arguments) {
    if (first_complaint == nullptr || !first_complaint->empty()) {
        return;
    }
    std::array<char, 256> line{};
    std::vsnprintf(line.data(), line.size(), pattern, arguments);
    *first_complaint = line.data();
    while (!first_complaint->empty() && first_complaint->back() == '\n') {
        first_complaint->pop_back();
    }
}

}  // namespace

struct VolumeFs::Message {
    fuse_buf buffer{};

    ~Message() { std::free(buffer.mem); }
};

// What libfuse calls for each message of the kernel.
struct Operations {
    static VolumeFs& self(fuse_req_t request) {
        return *static_cast<VolumeFs*>(fuse_req_userdata(request));
    }

    static struct stat attributes(const VolumeFs& fs, fuse_ino_t inode) {
        struct stat st {};

        st.st_ino = inode;
        st.st_blksize = 4096;
        if (inode == FUSE_ROOT_ID) {
            st.st_mode = S_IFDIR | 0500;
            st.st_nlink = 2;
        } else {
            st.st_mode = S_IFREG | 0600;
            st.st_nlink = 1;
            st.st_size = static_cast<off_t>(fs.size_bytes_);
            st.st_blocks = static_cast<blkcnt_t>(fs.size_bytes_ / 512);
        }
        return st;
    }

    static void init(void*, fuse_conn_info* connection) {
        connection->max_write = kMessagePayloadMax;
        connection->max_background = kBackgroundMax;
        connection->congestion_threshold = kBackgroundMax;
        connection->want |= connection->capable & FUSE_CAP_ASYNC_DIO;
        // Messages must lie in memory, for the payload to be sent on from there.
        connection->want &= ~static_cast<unsigned>(FUSE_CAP_SPLICE_READ | FUSE_CAP_WRITEBACK_CACHE);
    }

    static void lookup(fuse_req_t request, fuse_ino_t parent, const char* name) {
        if (parent != FUSE_ROOT_ID || std::strcmp(name, kVolumeName) != 0) {
            fuse_reply_err(request, ENOENT);
            return;
        }
        fuse_entry_param entry{};
        entry.ino = kVolumeInode;
        entry.attr = attributes(self(request), kVolumeInode);
        entry.attr_timeout = kAttributeSeconds;
        entry.entry_timeout = kAttributeSeconds;
        fuse_reply_entry(request, &entry);
    }

    static void getattr(fuse_req_t request, fuse_ino_t inode, fuse_file_info*) {
        const struct stat st = attributes(self(request), inode);
        fuse_reply_attr(request, &st, kAttributeSeconds);
    }

    // The loop driver takes the discard granularity from f_bsize.
    static void statfs(fuse_req_t request, fuse_ino_t) {
        struct statvfs info {};

        info.f_bsize = 4096;
        info.f_frsize = 4096;
        info.f_blocks = self(request).size_bytes_ / 4096;
        info.f_files = 1;
        info.f_namemax = 255;
        fuse_reply_statfs(request, &info);
    }

    static void readdir(
        fuse_req_t request, fuse_ino_t, size_t room, off_t offset, fuse_file_info*) {
        if (offset > 0) {
            fuse_reply_buf(request, nullptr, 0);
            return;
        }
        const struct stat st = attributes(self(request), kVolumeInode);
        std::array<char, 256> entry{};
        const size_t used =
            fuse_add_direntry(request, entry.data(), entry.size(), kVolumeName, &st, 1);
        fuse_reply_buf(request, entry.data(), used <= room ? used : 0);
    }

    // The answer is built here because libfuse 3.14 has no field for parallel direct writes,
    // without which the kernel sends the writes of a file one by one.
    static void open(fuse_req_t request, fuse_ino_t inode, fuse_file_info* file) {
        if (inode != kVolumeInode) {
            fuse_reply_err(request, EISDIR);
            return;
        }
        if ((file->flags & (O_TRUNC | O_APPEND)) != 0) {
            fuse_reply_err(request, EPERM);
            return;
        }
        VolumeFs& fs = self(request);  // the answer frees the request
        fuse_open_out out{};
        out.open_flags = FOPEN_DIRECT_IO | kParallelDirectWrites;
        if (fuse_reply_buf(request, reinterpret_cast<const char*>(&out), sizeof(out)) == 0) {
            ++fs.open_count_;
        }
    }

    static void release(fuse_req_t request, fuse_ino_t, fuse_file_info*) {
        --self(request).open_count_;
        fuse_reply_err(request, 0);
    }

    static void read(fuse_req_t request, fuse_ino_t, size_t size, off_t offset, fuse_file_info*) {
        VolumeFs& fs = self(request);
        const auto start = static_cast<std::uint64_t>(offset);
        if (start >= fs.size_bytes_ || size == 0) {
            fuse_reply_buf(request, nullptr, 0);
            return;
        }
        Request read{request, Request::Kind::Read, start, size, {}, nullptr};
        read.length = std::min(read.length, fs.size_bytes_ - start);
        read.memory.reset(static_cast<char*>(std::malloc(read.length)));
        read.data = read.memory.get();
        if (read.data == nullptr) {
            fuse_reply_err(request, ENOMEM);
            return;
        }
        fs.submit_(std::move(read));
    }

    static void write(fuse_req_t request,
                      fuse_ino_t,
                      const char* data,
                      size_t size,
                      off_t offset,
                      fuse_file_info*) {
        VolumeFs& fs = self(request);
        const auto start = static_cast<std::uint64_t>(offset);
        if (start > fs.size_bytes_ || size > fs.size_bytes_ - start) {
            fuse_reply_err(request, ENOSPC);
            return;
        }
        if (size == 0) {
            fuse_reply_write(request, 0);
            return;
        }
        Request write{request, Request::Kind::Write, start, size, {}, const_cast<char*>(data)};
        fs.write_ = std::move(write);
    }

    static void fsync(fuse_req_t request, fuse_ino_t, int, fuse_file_info*) {
        self(request).submit_({request, Request::Kind::Flush, 0, 0, {}, nullptr});
    }

    static void fallocate(
        fuse_req_t request, fuse_ino_t, int mode, off_t offset, off_t length, fuse_file_info*) {
        VolumeFs& fs = self(request);
        const int what = mode & ~FALLOC_FL_KEEP_SIZE;
        if (what != FALLOC_FL_PUNCH_HOLE && what != FALLOC_FL_ZERO_RANGE) {
            fuse_reply_err(request, EOPNOTSUPP);
            return;
        }
        const auto start = static_cast<std::uint64_t>(offset);
        const auto count = static_cast<std::uint64_t>(length);
        if (start > fs.size_bytes_ || count > fs.size_bytes_ - start) {
            fuse_reply_err(request, ENOSPC);
            return;
        }
        const auto kind =
            what == FALLOC_FL_PUNCH_HOLE ? Request::Kind::PunchHole : Request::Kind::ZeroRange;
        fs.submit_({request, kind, start, count, {}, nullptr});
    }

    static fuse_lowlevel_ops table() {
        fuse_lowlevel_ops ops{};
        ops.init = init;
        ops.lookup = lookup;
        ops.getattr = getattr;
        ops.statfs = statfs;
        ops.readdir = readdir;
        ops.open = open;
        ops.release = release;
        ops.read = read;
        ops.write = write;
        ops.fsync = fsync;
        ops.fallocate = fallocate;
        return ops;
    }
};

void VolumeFs::DestroySession::operator()(fuse_session* session) const {
    fuse_session_destroy(session);
}

VolumeFs::VolumeFs(std::function<void(Request)> submit, std::uint64_t size_bytes)
    : submit_(std::move(submit)), size_bytes_(size_bytes), message_(std::make_unique<Message>()) {
}

VolumeFs::~VolumeFs() {
    if (mounted_) {
        fuse_session_unmount(session_.get());
    }
}

Result<std::unique_ptr<VolumeFs>> VolumeFs::mount(const std::string& directory,
                                                  const std::string& name,
                                                  std::uint64_t size_bytes,
                                                  std::function<void(Request)> submit) {
    std::string complaint;
    first_complaint = &complaint;
    fuse_set_log_func(keep_complaint);
    const std::string options = "fsname=drbdd:" + name + ",subtype=" + kFsSubtype;
    std::array<const char*, 3> words{"drbdd-fuse", "-o", options.c_str()};
    fuse_args arguments{};
    for (const char* word : words) {
        fuse_opt_add_arg(&arguments, word);
    }
    const fuse_lowlevel_ops operations = Operations::table();
    std::unique_ptr<VolumeFs> fs(new VolumeFs(std::move(submit), size_bytes));
    fs->session_.reset(fuse_session_new(&arguments, &operations, sizeof(operations), fs.get()));
    fuse_opt_free_args(&arguments);
    fs->mounted_ = fs->session_ && fuse_session_mount(fs->session_.get(), directory.c_str()) == 0;
    first_complaint = nullptr;
    if (!fs->mounted_) {
        return Error{ErrorCode::Io,
                     "cannot mount a FUSE file system on " + directory + ": " +
                         (complaint.empty() ? "libfuse gives no reason" : complaint) +
                         " (is /dev/fuse there, and are you root?)"};
    }
    const int flags = ::fcntl(fs->fd(), F_GETFL);
    if (flags < 0 || ::fcntl(fs->fd(), F_SETFL, flags | O_NONBLOCK) != 0) {
        return Error{ErrorCode::Io, "cannot make /dev/fuse non-blocking"};
    }
    return fs;
}

int VolumeFs::fd() const {
    return fuse_session_fd(session_.get());
}

bool VolumeFs::unmounted() const {
    return fuse_session_exited(session_.get()) != 0;
}

void VolumeFs::receive() {
    for (int i = 0; i < kMessagesPerTurn && receive_one(); ++i) {
    }
}

bool VolumeFs::receive_one() {
    if (fuse_session_receive_buf(session_.get(), &message_->buffer) <= 0) {
        return false;  // nothing there, or unmounted
    }
    fuse_session_process_buf(session_.get(), &message_->buffer);
    if (write_) {
        submit_write();
    }
    return true;
}

// The message's memory goes with the request, cut to what is used, and libfuse allocates the next.
void VolumeFs::submit_write() {
    char* memory = static_cast<char*>(message_->buffer.mem);
    const auto at = static_cast<std::size_t>(write_->data - memory);
    auto* kept = static_cast<char*>(std::realloc(memory, at + write_->length));
    write_->memory.reset(kept != nullptr ? kept : memory);
    write_->data = write_->memory.get() + at;
    message_->buffer.mem = nullptr;
    submit_(std::move(*write_));
    write_.reset();
}

void VolumeFs::answer(Request& request, int error) {
    auto* fuse = static_cast<fuse_req_t>(request.whom);
    if (error != 0) {
        fuse_reply_err(fuse, error);
        return;
    }
    switch (request.kind) {
        case Request::Kind::Read:
            fuse_reply_buf(fuse, request.data, request.length);
            return;
        case Request::Kind::Write:
            fuse_reply_write(fuse, request.length);
            return;
        case Request::Kind::Flush:
        case Request::Kind::PunchHole:
        case Request::Kind::WriteZeroes:
        case Request::Kind::ZeroRange:
        case Request::Kind::Discard:
            fuse_reply_err(fuse, 0);
            return;
    }
}

void VolumeFs::resize(std::uint64_t size_bytes) {
    if (size_bytes == size_bytes_) {
        return;
    }
    size_bytes_ = size_bytes;
    // A negative offset: the attributes only. There is no cached data.
    fuse_lowlevel_notify_inval_inode(session_.get(), kVolumeInode, -1, 0);
}

}  // namespace fuse_volume
