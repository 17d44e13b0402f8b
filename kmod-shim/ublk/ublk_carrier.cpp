#include "kmod-shim/ublk/ublk_carrier.h"

#include "base/log.h"
#include "base/require.h"
#include "kmod-shim/child.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <linux/fs.h>
#include <linux/major.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <utility>

namespace shim {

using base::Error;
using base::ErrorCode;
using base::Result;

namespace {

constexpr const char* kProgram = "drbdd-ublk";

std::optional<std::uint64_t> recorded_token(const std::string& state_file) {
    return ublk::parse_token(read_file(state_file).value_or(""));
}

std::string device_name(std::uint32_t index) {
    return "ublkb" + std::to_string(index);
}

// A device must not lose flushes.
Result<void> check_made(const BlockDevice& device) {
    if (sys_text(device.name, "queue/write_cache") != "write back") {
        return Error{
            ErrorCode::Unsupported,
            device.name + " does not announce a volatile write cache: flushes would be lost"};
    }
    return {};
}

std::uint64_t bytes_of(const BlockDevice& device) {
    const auto sectors = parse_number(sys_text(device.name, "size").value_or(""));
    return sectors.value_or(0) * ublk::kSectorBytes;
}

}  // namespace

UblkCarrier::UblkCarrier(const CarrierPlaces& places)
    : places_(places),
      files_(run_files(places.run_dir, places.minor)),
      server_{kProgram, node_name(places.minor), files_.ublk_pid_file} {
}

Result<void> UblkCarrier::offered() const {
    utsname kernel{};
    ::uname(&kernel);
    if (const auto crash = ublk::known_to_crash(kernel.release)) {
        return Error{ErrorCode::Unsupported, *crash};
    }
    const auto control = UblkControl::open();
    if (!control) {
        return control.error();
    }
    return control->features() ? ublk::check_features(*control->features()) : Result<void>();
}

std::optional<UblkRecord> UblkCarrier::find_record() const {
    const auto token = recorded_token(files_.ublk_state);
    if (!token) {
        return std::nullopt;
    }
    for (const UblkRecord& record : our_ublks()) {
        if (record.info.server_flags == *token) {
            return record;
        }
    }
    return std::nullopt;
}

std::optional<BlockDevice> UblkCarrier::find() const {
    const auto record = find_record();
    return record ? block_device(device_name(record->info.device)) : std::nullopt;
}

bool UblkCarrier::is_living() const {
    const auto record = find_record();
    return record && record->living() && block_device(device_name(record->info.device));
}

Fd UblkCarrier::watched_process() const {
    return watch_process(files_.ublk_pid_file);
}

std::vector<std::string> UblkCarrier::serving_arguments(const std::string& deed,
                                                        Deadline deadline) const {
    return {places_.ublk_program,
            deed,
            "--socket=" + places_.nbd_socket,
            "--export=" + node_name(places_.minor),
            "--pid-file=" + files_.ublk_pid_file,
            start_limit_argument(deadline)};
}

Result<BlockDevice> UblkCarrier::make(std::uint32_t block_bytes, Deadline deadline) {
    std::uint64_t random = 0;
    REQUIRE(::getrandom(&random, sizeof random, 0) == sizeof random);
    const std::string token = ublk::token_text(ublk::make_token(places_.minor, random));
    if (auto recorded = write_file(files_.ublk_state, token + "\n"); !recorded) {
        return recorded.error();
    }
    auto arguments = serving_arguments("serve", deadline);
    arguments.push_back("--token=" + token);
    arguments.push_back("--block-size=" + std::to_string(block_bytes));
    if (auto started = start_server(server_, arguments, deadline); !started) {
        return started.error();
    }
    auto device = find();
    if (!device) {
        return Error{ErrorCode::Io, "the kernel does not show the ublk device that was made"};
    }
    if (auto made = check_made(*device); !made) {
        return made.error();
    }
    return std::move(*device);
}

// A server that lives goes on by itself, as soon as the export is served.
Result<void> UblkCarrier::take_over(const BlockDevice&, Deadline deadline) {
    const auto record = find_record();
    if (!record || living_process(files_.ublk_pid_file)) {
        return {};
    }
    auto arguments = serving_arguments("recover", deadline);
    arguments.push_back("--device=" + std::to_string(record->info.device));
    return start_server(server_, arguments, deadline);
}

// In a process of its own, which can be left behind: one that waits for the kernel cannot be
// killed.
Result<void> UblkCarrier::run(const std::string& deed,
                              std::uint32_t device,
                              Deadline deadline) const {
    const auto failure =
        run_to_end({places_.ublk_program, deed, "--device=" + std::to_string(device)}, deadline);
    if (!failure) {
        return {};
    }
    return Error{failure->error.code, device_name(device) + ": " + failure->error.text};
}

// `claim` keeps the device ours until it is stopped, and what somebody has written without waiting
// for the disk is written out while it still can be.
Result<void> UblkCarrier::release(const BlockDevice& device, Fd claim, Deadline deadline) {
    const auto index = ublk::index_of(device.name, "ublkb");
    REQUIRE(index);  // only find() and make() name devices
    if (living_process(files_.ublk_pid_file) && ::ioctl(claim.get(), BLKFLSBUF, 0) != 0) {
        return system_error("cannot write out what is cached of " + device.name);
    }
    if (auto stopped = run("stop", *index, deadline); !stopped) {
        return stopped;
    }
    claim.close();  // the kernel lets go at the last close
    return clear(deadline);
}

// Stopped first: its requests, if there are any, and its server end by that.
Result<void> UblkCarrier::clear(Deadline deadline) {
    const auto record = find_record();
    if (record) {
        if (auto stopped = run("stop", record->info.device, deadline); !stopped) {
            return stopped;
        }
    }
    if (auto ended = end_server(server_, deadline); !ended) {
        return ended;
    }
    if (record) {
        if (auto removed = run("remove", record->info.device, deadline); !removed) {
            return Error{removed.error().code,
                         removed.error().text +
                             " (it may still be open somewhere; it goes away when it is closed)"};
        }
    }
    ::unlink(files_.ublk_pid_file.c_str());
    ::unlink(files_.ublk_state.c_str());
    return {};
}

Result<void> UblkCarrier::resize(const BlockDevice& device,
                                 std::uint64_t size_bytes,
                                 Deadline deadline) {
    const auto record = find_record();
    if (!record || (record->info.flags & ublk::kUpdateSize) == 0) {
        return Error{ErrorCode::Unsupported,
                     "the kernel's ublk driver cannot change the size of a device (Linux before "
                     "6.16)"};
    }
    if (auto told = signal_server(server_, SIGHUP); !told) {
        return told;
    }
    if (!wait_until(deadline, [&] { return bytes_of(device) == size_bytes; })) {
        return Error{ErrorCode::Timeout,
                     device.name + " has " + std::to_string(bytes_of(device)) +
                         " bytes after a resize to " + std::to_string(size_bytes)};
    }
    return {};
}

// ---- whose is it?

bool is_ublk_number(dev_t number) {
    return major(number) == BLOCK_EXT_MAJOR;
}

std::optional<VolumePath> volume_of_ublk(dev_t number, const std::string& run_dir) {
    for (const UblkRecord& record : our_ublks()) {
        const auto device = block_device(device_name(record.info.device));
        const auto minor = ublk::minor_of_token(record.info.server_flags);
        if (!device || device->number != number || !minor) {
            continue;
        }
        const bool is_ours =
            recorded_token(run_files(run_dir, *minor).ublk_state) == record.info.server_flags;
        return VolumePath{is_ours ? run_dir : "another one", *minor};
    }
    return std::nullopt;
}

}  // namespace shim
