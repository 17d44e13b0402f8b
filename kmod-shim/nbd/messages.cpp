#include "kmod-shim/nbd/messages.h"

#include <libmnl/libmnl.h>

#include <cstring>
#include <linux/genetlink.h>
#include <linux/nbd-netlink.h>

namespace shim::netlink {

namespace {

constexpr std::size_t kMessageBytes = 8192;       // more than any of ours
constexpr std::uint16_t kBackendIdentifier = 10;  // Linux 5.14; older headers do not name it

static_assert(NBD_ATTR_DEVICE_LIST + 1 == kBackendIdentifier);

// A message under construction: the room is there from the beginning, so that nothing moves.
class Builder {
public:
    Builder(std::uint16_t type, std::uint8_t command, std::uint8_t version, std::uint32_t sequence)
        : bytes_(kMessageBytes), header_(mnl_nlmsg_put_header(bytes_.data())) {
        header_->nlmsg_type = type;
        header_->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
        header_->nlmsg_seq = sequence;
        auto* generic =
            static_cast<genlmsghdr*>(mnl_nlmsg_put_extra_header(header_, sizeof(genlmsghdr)));
        generic->cmd = command;
        generic->version = version;
    }

    nlmsghdr* header() { return header_; }

    Message take() {
        bytes_.resize(header_->nlmsg_len);
        return std::move(bytes_);
    }

private:
    Message bytes_;
    nlmsghdr* header_;
};

void put_u64(Builder& out, std::uint16_t type, const std::optional<std::uint64_t>& value) {
    if (value) {
        mnl_attr_put_u64(out.header(), type, *value);
    }
}

// Whatever the kernel adds in later versions is passed over.
struct Attributes {
    std::uint16_t wanted = 0;
    std::size_t bytes = 0;
    const void* payload = nullptr;
};

int take_wanted(const nlattr* attribute, void* data) {
    auto* search = static_cast<Attributes*>(data);
    if (mnl_attr_get_type(attribute) == search->wanted &&
        mnl_attr_get_payload_len(attribute) == search->bytes) {
        search->payload = mnl_attr_get_payload(attribute);
        return MNL_CB_STOP;
    }
    return MNL_CB_OK;
}

template <typename Number>
std::optional<Number> find_number(const nlmsghdr* header, std::uint16_t type) {
    if (mnl_nlmsg_get_payload_len(header) < sizeof(genlmsghdr)) {
        return std::nullopt;
    }
    Attributes search{type, sizeof(Number), nullptr};
    mnl_attr_parse(header, sizeof(genlmsghdr), take_wanted, &search);
    if (search.payload == nullptr) {
        return std::nullopt;
    }
    Number number{};
    std::memcpy(&number, search.payload, sizeof number);
    return number;
}

void read_message(const nlmsghdr* header, std::uint16_t family, Reply& reply) {
    if (header->nlmsg_type == NLMSG_ERROR) {
        if (mnl_nlmsg_get_payload_len(header) >= sizeof(int)) {
            int code = 0;
            std::memcpy(&code, mnl_nlmsg_get_payload(header), sizeof code);
            reply.error = code < 0 ? -code : code;
        }
    } else if (header->nlmsg_type == GENL_ID_CTRL) {
        reply.family = find_number<std::uint16_t>(header, CTRL_ATTR_FAMILY_ID);
    } else if (header->nlmsg_type == family) {
        reply.index = find_number<std::uint32_t>(header, NBD_ATTR_INDEX);
    }
}

}  // namespace

Message family_request(const std::string& name, std::uint32_t sequence) {
    Builder out(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1, sequence);
    mnl_attr_put_strz(out.header(), CTRL_ATTR_FAMILY_NAME, name.c_str());
    return out.take();
}

Message nbd_request(const NbdRequest& request, std::uint16_t family, std::uint32_t sequence) {
    Builder out(family, static_cast<std::uint8_t>(request.command), NBD_GENL_VERSION, sequence);
    if (request.index) {
        mnl_attr_put_u32(out.header(), NBD_ATTR_INDEX, *request.index);
    }
    put_u64(out, NBD_ATTR_SIZE_BYTES, request.size_bytes);
    put_u64(out, NBD_ATTR_BLOCK_SIZE_BYTES, request.block_bytes);
    put_u64(out, NBD_ATTR_SERVER_FLAGS, request.server_flags);
    put_u64(out, NBD_ATTR_DEAD_CONN_TIMEOUT, request.dead_connection_seconds);
    if (request.backend) {
        mnl_attr_put_strz(out.header(), kBackendIdentifier, request.backend->c_str());
    }
    if (request.socket) {
        nlattr* sockets = mnl_attr_nest_start(out.header(), NBD_ATTR_SOCKETS);
        nlattr* item = mnl_attr_nest_start(out.header(), NBD_SOCK_ITEM);
        mnl_attr_put_u32(out.header(), NBD_SOCK_FD, static_cast<std::uint32_t>(*request.socket));
        mnl_attr_nest_end(out.header(), item);
        mnl_attr_nest_end(out.header(), sockets);
    }
    return out.take();
}

base::Result<Reply> parse_reply(base::ConstBytes datagram,
                                std::uint16_t family,
                                std::uint32_t sequence) {
    Reply reply;
    // Messages begin at multiples of 4, which a receive buffer has and a slice of it may not.
    Message copy(datagram.begin(), datagram.end());
    const auto* header = reinterpret_cast<const nlmsghdr*>(copy.data());
    int left = static_cast<int>(copy.size());
    if (!mnl_nlmsg_ok(header, left)) {
        return base::Error{base::ErrorCode::Invalid, "the kernel's answer is no netlink message"};
    }
    while (mnl_nlmsg_ok(header, left)) {
        if (header->nlmsg_seq == sequence) {
            read_message(header, family, reply);
        }
        header = mnl_nlmsg_next(header, &left);
    }
    return reply;
}

}  // namespace shim::netlink
