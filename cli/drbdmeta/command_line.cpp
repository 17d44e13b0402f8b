#include "cli/drbdmeta/command_line.h"

#include <cctype>
#include <getopt.h>
#include <limits>

namespace drbdmeta {

using base::Error;
using base::ErrorCode;
using base::Result;

const char* const kHelp =
    "usage: drbdmeta [OPTION...] {MINOR|-} v08 DEVICE INDEX COMMAND [ARGUMENT]\n"
    "       drbdmeta [OPTION...] {MINOR|-} v09 DEVICE INDEX create-md MAX_PEERS\n"
    "       drbdmeta [OPTION...] {MINOR|-} v09 DEVICE INDEX restore-md FILE\n"
    "       drbdmeta [OPTION...] {MINOR|-} {v07|v09} DEVICE INDEX READING-COMMAND\n"
    "\n"
    "Reads and writes the metadata of DRBD 8.4 on DEVICE: at its end (INDEX internal),\n"
    "on all of it (flex-external), or in one of its slots of 128 MiB (0 to 255). MINOR\n"
    "names the device in messages, - stands for none. Metadata of DRBD 0.7 and, for one\n"
    "peer, of DRBD 9 are read by dump-md, get-gi, show-gi and dstate. create-md on metadata\n"
    "of another version converts them in place: v07 and v09 to v08, v08 to v09.\n"
    "\n"
    "Commands:\n"
    "  create-md             write new metadata\n"
    "  apply-al              finish what a crash interrupted; needed before every attach\n"
    "  check-resize          move internal metadata to the end of a disk that has grown\n"
    "  dump-md               print the metadata as text\n"
    "  restore-md FILE       write metadata that dump-md printed\n"
    "  verify-dump FILE      only check such a file\n"
    "  get-gi, show-gi       print the generation identifiers\n"
    "  set-gi GI             change them; an empty field keeps its value\n"
    "  dstate                print the disk state\n"
    "  outdate, invalidate   mark the data as outdated, as inconsistent\n"
    "  read-dev-uuid, write-dev-uuid HEX\n"
    "  wipe-md               erase the superblock\n"
    "\n"
    "Options:\n"
    "  -f, --force               answer every question with yes; allow plain files\n"
    "      --ignore-sanity-checks  create-md: allow to cut off a filesystem\n"
    "  -v, --verbose             say what is written where\n"
    "      --al-stripes N        create-md: stripes of the activity log (1)\n"
    "      --al-stripe-size-kB N create-md: size of one stripe (32)\n"
    "      --peer-max-bio-size N create-md: bytes, or with suffix k or M; at most 1M (0)\n"
    "  -h, --help\n"
    "\n"
    "Exit codes: 0 done, 1 no usable metadata or cancelled, 5 outdate refused, 10 bad\n"
    "value or I/O error, 20 bad usage or device in use, 40 would destroy a filesystem.\n";

namespace {

enum LongOption { kIgnoreSanityChecks = 256, kAlStripes, kAlStripeSize, kPeerMaxBioSize };

constexpr option kOptions[] = {
    {"force", no_argument, nullptr, 'f'},
    {"verbose", no_argument, nullptr, 'v'},
    {"help", no_argument, nullptr, 'h'},
    {"ignore-sanity-checks", no_argument, nullptr, kIgnoreSanityChecks},
    {"al-stripes", required_argument, nullptr, kAlStripes},
    {"al-stripe-size-kB", required_argument, nullptr, kAlStripeSize},
    {"peer-max-bio-size", required_argument, nullptr, kPeerMaxBioSize},
    {nullptr, 0, nullptr, 0},
};

Error usage(const std::string& text) {
    return {ErrorCode::Unsupported, text};
}

// A number with an optional suffix s (sectors), k, M or G. `limit` is checked after scaling.
Result<std::uint64_t> parse_number(const std::string& text, std::uint64_t limit) {
    const Error error{ErrorCode::Invalid,
                      "'" + text + "' is not a number from 0 to " + std::to_string(limit)};
    std::string digits = text;
    std::uint64_t scale = 1;
    if (!digits.empty() && std::isdigit(static_cast<unsigned char>(digits.back())) == 0) {
        switch (std::tolower(static_cast<unsigned char>(digits.back()))) {
            case 's':
                scale = 512;
                break;
            case 'k':
                scale = 1ull << 10;
                break;
            case 'm':
                scale = 1ull << 20;
                break;
            case 'g':
                scale = 1ull << 30;
                break;
            default:
                return error;
        }
        digits.pop_back();
    }
    if (digits.empty() || digits.size() > 12) {
        return error;
    }
    std::uint64_t value = 0;
    for (const char c : digits) {
        if (std::isdigit(static_cast<unsigned char>(c)) == 0) {
            return error;
        }
        value = value * 10 + static_cast<std::uint64_t>(c - '0');
    }
    if (value > limit / scale) {
        return error;
    }
    return value * scale;
}

Result<void> set_number(std::uint32_t& target, std::uint64_t limit, std::uint64_t divisor) {
    const Result<std::uint64_t> value = parse_number(optarg, limit);
    if (!value) {
        return value.error();
    }
    if (*value % divisor != 0) {
        return Error{ErrorCode::Invalid,
                     std::string(optarg) + " is not a multiple of " + std::to_string(divisor)};
    }
    target = static_cast<std::uint32_t>(*value / divisor);
    return {};
}

Result<void> take_option(int option, CommandLine& line) {
    constexpr std::uint64_t kAny = std::numeric_limits<std::uint32_t>::max();
    switch (option) {
        case 'f':
            line.force = true;
            return {};
        case 'v':
            line.verbose = true;
            return {};
        case 'h':
            line.help = true;
            return {};
        case kIgnoreSanityChecks:
            line.ignore_sanity_checks = true;
            return {};
        case kAlStripes:
            line.striping_given = true;
            return set_number(line.al_stripes, kAny, 1);
        case kAlStripeSize:
            line.striping_given = true;
            return set_number(line.al_stripe_size_4k, kAny, 4);
        case kPeerMaxBioSize:
            line.bio_size_given = true;
            return set_number(line.peer_max_bio_size, 1u << 20, 1);
        default:
            return usage("unknown option, or one without its value; see drbdmeta --help");
    }
}

// Of DRBD 0.7 and of 9 for one peer: they can be looked at, and create-md makes v08 of them, or v09
// of v08. What the original knows and this program does not is refused by its name.
Result<void> check_format(const std::string& format, const std::string& command) {
    const bool reads =
        command == "dump-md" || command == "get-gi" || command == "show-gi" || command == "dstate";
    const bool writes_v09 =
        command == "create-md" || command == "restore-md" || command == "verify-dump";
    if ((format == "v07" && !reads) || (format == "v09" && !reads && !writes_v09)) {
        return usage(format +
                     " metadata is only read by this version: dump-md, get-gi, show-gi, dstate; " +
                     (format == "v09" ? "made and restored: create-md, restore-md; " : "") +
                     "'drbdmeta ... v08 ... create-md' converts it");
    }
    if (format == "v06") {
        return usage("v06 metadata is not supported: only v08, the format of DRBD 8.4");
    }
    if (format != "v07" && format != "v08" && format != "v09") {
        return usage("Unknown format '" + format + "'.");
    }
    return {};
}

Result<meta::Placement> parse_placement(const std::string& index) {
    if (index == "internal" || index == "flex-internal") {
        return meta::Placement{};
    }
    if (index == "flex-external") {
        return meta::Placement{meta::Placement::Kind::FlexibleExternal};
    }
    const bool number =
        !index.empty() && index.size() <= 3 && index.find_first_not_of("0123456789") == index.npos;
    const unsigned long slot = number ? std::stoul(index) : 0;
    if (!number || slot > meta::kMaxSlot) {
        return usage("'" + index + "' is not a valid index number.");
    }
    return meta::Placement{meta::Placement::Kind::Indexed, static_cast<std::uint32_t>(slot)};
}

// An option of another command is none of this one's.
Result<void> check_options(const CommandLine& line) {
    const auto wrong = [](const std::string& text) { return Error{ErrorCode::Invalid, text}; };
    const bool creates = line.command == "create-md";
    if (line.striping_given && line.command == "restore-md") {
        return usage("restore-md takes the activity log's stripes from the dump in this version");
    }
    if (line.striping_given && !creates) {
        return wrong("The --al-stripe* options are only allowed with create-md and restore-md");
    }
    const bool striped = line.al_stripes != meta::kDefaultAlStripes ||
                         line.al_stripe_size_4k != meta::kDefaultAlStripeSize4k;
    if (striped && line.placement.kind == meta::Placement::Kind::Indexed) {
        return wrong("The activity log of metadata with an index has one stripe of 32 kB");
    }
    if (line.bio_size_given && !creates) {
        return wrong("The --peer-max-bio-size option is only allowed with create-md");
    }
    return {};
}

}  // namespace

Result<CommandLine> parse_command_line(int argc, char** argv) {
    CommandLine line;
    for (int i = 0; i < argc; ++i) {
        line.as_typed += (i == 0 ? "" : " ") + std::string(i == 0 ? "drbdmeta" : argv[i]);
    }
    int option = 0;
    while ((option = getopt_long(argc, argv, "fvh", kOptions, nullptr)) != -1) {
        if (Result<void> taken = take_option(option, line); !taken) {
            return taken.error();
        }
    }
    if (line.help) {
        return line;
    }
    const std::vector<std::string> operands(argv + optind, argv + argc);
    if (operands.size() < 5) {
        return usage(operands.size() == 4 ? "command missing; see drbdmeta --help"
                                          : "MINOR, format, DEVICE, index and a command are "
                                            "needed; see drbdmeta --help");
    }
    if (Result<void> checked = check_format(operands[1], operands[4]); !checked) {
        return checked.error();
    }
    const Result<meta::Placement> placement = parse_placement(operands[3]);
    if (!placement) {
        return placement.error();
    }
    line.placement = *placement;
    line.minor = operands[0];
    line.format = operands[1];
    line.device = operands[2];
    line.command = operands[4];
    line.arguments.assign(operands.begin() + 5, operands.end());
    if (Result<void> checked = check_options(line); !checked) {
        return checked.error();
    }
    return line;
}

}  // namespace drbdmeta
