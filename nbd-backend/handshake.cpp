#include "nbd-backend/handshake.h"

#include "base/log.h"

#include <algorithm>
#include <array>

namespace nbd {

namespace {

std::string_view as_text(base::ConstBytes bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

base::ConstBytes as_bytes(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// Takes a u32 length and as many bytes off the front of `in`; false when they are not all there.
bool take_string(base::ConstBytes& in, std::string_view& out) {
    if (in.size() < 4) {
        return false;
    }
    const std::uint32_t length = base::get_be32(in, 0);
    if (length > in.size() - 4) {
        return false;
    }
    out = as_text(in.subspan(4, length));
    in = in.subspan(4 + std::size_t{length});
    return true;
}

struct Context {
    std::string_view name;
    std::uint32_t id;
    bool Session::*chosen;
};

constexpr std::array<Context, 2> kContexts{
    Context{kBaseAllocation, kBaseAllocationId, &Session::base_allocation},
    Context{kOutOfSyncContext, kOutOfSyncId, &Session::out_of_sync}};

// Sets of contexts, by their numbers.
constexpr std::uint32_t bit_of(const Context& context) {
    return 1u << context.id;
}

constexpr std::uint32_t kAllContexts = bit_of(kContexts[0]) | bit_of(kContexts[1]);

// A name, or, where nothing is chosen for good, the part of one up to its colon.
std::uint32_t matching(std::string_view query, bool whole_names_only) {
    std::uint32_t found = 0;
    for (const Context& context : kContexts) {
        const std::string_view space = context.name.substr(0, context.name.find(':') + 1);
        if (query == context.name || (!whole_names_only && query == space)) {
            found |= bit_of(context);
        }
    }
    return found;
}

}  // namespace

Handshake::Handshake(ExportHost& host, TlsUse tls) : host_(host), tls_(tls) {
    output_.resize(18);
    base::put_be64(output_, 0, kGreetingMagic);
    base::put_be64(output_, 8, kOptionMagic);
    base::put_be16(output_, 16, kFixedNewstyle | kNoZeroes);
}

std::size_t Handshake::feed(base::ConstBytes in) {
    std::size_t used = 0;
    while (phase_ == Phase::Negotiating) {
        const std::size_t have = stage_ == Stage::SkippedData ? skipped_ : received_.size();
        const std::size_t count = std::min(needed_ - have, in.size() - used);
        if (stage_ == Stage::SkippedData) {
            skipped_ += count;
        } else {
            const base::ConstBytes piece = in.subspan(used, count);
            received_.insert(received_.end(), piece.begin(), piece.end());
        }
        used += count;
        if (have + count < needed_) {
            break;
        }
        on_complete();
    }
    return used;
}

void Handshake::on_complete() {
    switch (stage_) {
        case Stage::ClientFlags:
            on_client_flags();
            break;
        case Stage::OptionHeader:
            on_option_header();
            break;
        case Stage::OptionData:
            on_option();
            expect(Stage::OptionHeader, kOptionHeaderBytes);
            break;
        case Stage::SkippedData:
            on_oversize_option();
            expect(Stage::OptionHeader, kOptionHeaderBytes);
            break;
    }
}

void Handshake::expect(Stage stage, std::size_t bytes) {
    stage_ = stage;
    needed_ = bytes;
    skipped_ = 0;
    received_.clear();
}

void Handshake::close(std::string reason) {
    phase_ = Phase::Closing;
    close_reason_ = std::move(reason);
}

void Handshake::on_client_flags() {
    const std::uint32_t flags = base::get_be32(received_, 0);
    if ((flags & ~(kFixedNewstyle | kNoZeroes)) != 0) {
        close(base::format("client flags 0x%x were never offered", flags));
        return;
    }
    fixed_newstyle_ = (flags & kFixedNewstyle) != 0;
    no_zeroes_ = (flags & kNoZeroes) != 0;
    expect(Stage::OptionHeader, kOptionHeaderBytes);
}

void Handshake::on_option_header() {
    const std::uint64_t magic = base::get_be64(received_, 0);
    option_ = base::get_be32(received_, 8);
    const std::uint32_t length = base::get_be32(received_, 12);
    if (magic != kOptionMagic) {
        close("an option starts with the wrong magic");
    } else if (length > kOptionSkipLimit) {
        close(base::format("option %u announces %u bytes of data", option_, length));
    } else if (++option_count_ > kOptionCountLimit) {
        close(base::format("more than %u options", kOptionCountLimit));
    } else if (!fixed_newstyle_ && option_ != static_cast<std::uint32_t>(Option::ExportName)) {
        close(base::format("option %u of a client without fixed newstyle", option_));
    } else if (length <= kOptionDataLimit) {
        expect(Stage::OptionData, length);
    } else if (option_ == static_cast<std::uint32_t>(Option::ExportName)) {
        close(base::format("EXPORT_NAME with a name of %u bytes", length));
    } else {
        expect(Stage::SkippedData, length);
    }
}

// Who wants to leave may, whatever it says with that.
void Handshake::on_oversize_option() {
    if (option_ == static_cast<std::uint32_t>(Option::Abort)) {
        on_option();
    } else {
        reply(OptionReply::ErrTooBig, "the data of this option is longer than 64 KiB");
    }
}

void Handshake::secured() {
    REQUIRE(phase_ == Phase::Securing);
    phase_ = Phase::Negotiating;
    secured_ = true;
    session_ = {};
}

// Whoever will not have TLS learns nothing, not even whether there is a volume.
bool Handshake::may_be_asked_now() {
    const Option option = static_cast<Option>(option_);
    if (tls_ != TlsUse::Required || secured_ || option == Option::StartTls ||
        option == Option::Abort) {
        return true;
    }
    if (option == Option::ExportName) {
        close("EXPORT_NAME without TLS");
    } else {
        reply(OptionReply::ErrTlsReqd, "this server speaks TLS only");
    }
    return false;
}

void Handshake::on_option() {
    if (!may_be_asked_now()) {
        return;
    }
    switch (static_cast<Option>(option_)) {
        case Option::ExportName:
            export_name();
            break;
        case Option::Abort:
            reply(OptionReply::Ack);
            close({});
            break;
        case Option::List:
            list();
            break;
        case Option::StartTls:
            start_tls();
            break;
        case Option::Info:
        case Option::Go:
            info_or_go();
            break;
        case Option::StructuredReply:
            structured_reply();
            break;
        case Option::ListMetaContext:
            meta_context(false);
            break;
        case Option::SetMetaContext:
            meta_context(true);
            break;
        case Option::ExtendedHeaders:
            extended_headers();
            break;
        default:
            reply(OptionReply::ErrUnsup, "this option is not known here");
    }
}

// The old way in. It has no way to say no: the connection is closed instead.
void Handshake::export_name() {
    session_.volume = host_.describe();
    if (!names_us(as_text(received_))) {
        close("EXPORT_NAME of an unknown export");
        return;
    }
    if (const auto opened = host_.open(); !opened) {
        close(opened.error().text);
        return;
    }
    const std::size_t at = output_.size();
    output_.resize(at + 10 + (no_zeroes_ ? 0 : 124));
    base::put_be64(output_, at, session_.volume.size_bytes);
    base::put_be16(output_, at + 8, transmission_flags(session_));
    phase_ = Phase::Transmission;
}

// A volume that cannot be opened (Secondary) is not listed: there is nothing to connect to.
void Handshake::list() {
    if (!received_.empty()) {
        reply(OptionReply::ErrInvalid, "LIST has no data");
        return;
    }
    if (host_.probe()) {
        const Export volume = host_.describe();
        std::vector<std::uint8_t> data(4);
        base::put_be32(data, 0, static_cast<std::uint32_t>(volume.name.size()));
        data.insert(data.end(), volume.name.begin(), volume.name.end());
        data.insert(data.end(), volume.description.begin(), volume.description.end());
        reply(OptionReply::Server, data);
    }
    reply(OptionReply::Ack);
}

void Handshake::start_tls() {
    if (!received_.empty()) {
        reply(OptionReply::ErrInvalid, "STARTTLS has no data");
        return;
    }
    if (tls_ == TlsUse::None) {
        reply(OptionReply::ErrPolicy, "there is no TLS on this socket");
    } else if (secured_) {
        reply(OptionReply::ErrInvalid, "TLS is in use already");
    } else {
        reply(OptionReply::Ack);
        phase_ = Phase::Securing;
    }
}

void Handshake::info_or_go() {
    base::ConstBytes rest = received_;
    std::string_view name;
    if (!take_string(rest, name) || rest.size() < 2 ||
        rest.size() != 2 + 2 * std::size_t{base::get_be16(rest, 0)}) {
        reply(OptionReply::ErrInvalid, "the lengths inside this option do not add up");
        return;
    }
    session_.volume = host_.describe();
    if (!names_us(name)) {
        reply(OptionReply::ErrUnknown, "the export here is " + session_.volume.name);
        return;
    }
    const bool go = static_cast<Option>(option_) == Option::Go;
    if (const auto usable = go ? host_.open() : host_.probe(); !usable) {
        reply(OptionReply::ErrPolicy, usable.error().text);
        return;
    }
    send_infos(rest.subspan(2));
    reply(OptionReply::Ack);
    if (go) {
        phase_ = Phase::Transmission;
    }
}

// `wanted`: the ids that the client asked for, two bytes each. EXPORT is always sent.
void Handshake::send_infos(base::ConstBytes wanted) {
    const Export& volume = session_.volume;
    std::array<std::uint8_t, 12> sizes{};
    base::put_be64(sizes, 0, volume.size_bytes);
    base::put_be16(sizes, 8, transmission_flags(session_));
    reply_info(InfoId::Export, base::ConstBytes(sizes).first(10));

    const auto asked = [wanted](InfoId id) {
        for (std::size_t at = 0; at < wanted.size(); at += 2) {
            if (base::get_be16(wanted, at) == static_cast<std::uint16_t>(id)) {
                return true;
            }
        }
        return false;
    };
    if (asked(InfoId::Name)) {
        reply_info(InfoId::Name, as_bytes(volume.name));
    }
    if (asked(InfoId::Description)) {
        reply_info(InfoId::Description, as_bytes(volume.description));
    }
    if (asked(InfoId::BlockSize)) {
        base::put_be32(sizes, 0, volume.block_bytes);
        base::put_be32(sizes, 4, volume.preferred_bytes);
        base::put_be32(sizes, 8, kMaxPayloadBytes);
        reply_info(InfoId::BlockSize, sizes);
    }
}

void Handshake::structured_reply() {
    if (!received_.empty()) {
        reply(OptionReply::ErrInvalid, "STRUCTURED_REPLY has no data");
        return;
    }
    if (session_.extended_headers) {
        reply(OptionReply::ErrExtHeaderReqd, "extended headers have been agreed on");
        return;
    }
    session_.structured_replies = true;
    reply(OptionReply::Ack);
}

void Handshake::extended_headers() {
    if (!received_.empty()) {
        reply(OptionReply::ErrInvalid, "EXTENDED_HEADERS has no data");
        return;
    }
    if (session_.extended_headers) {
        reply(OptionReply::ErrInvalid, "extended headers have been agreed on already");
        return;
    }
    session_.extended_headers = true;
    session_.structured_replies = true;
    reply(OptionReply::Ack);
}

// LIST: no query means all, "base:" means all below it. SET replaces the former choice even when it
// fails. Queries for contexts of others are skipped without a word.
void Handshake::meta_context(bool set) {
    if (set) {
        forget_contexts();
    }
    if (set && !session_.structured_replies) {
        reply(OptionReply::ErrInvalid, "contexts need structured replies, which come first");
        return;
    }
    base::ConstBytes rest = received_;
    std::string_view name;
    bool valid = take_string(rest, name) && rest.size() >= 4;
    const std::uint32_t count = valid ? base::get_be32(rest, 0) : 0;
    std::uint32_t chosen = !set && count == 0 ? kAllContexts : 0;
    if (valid) {
        rest = rest.subspan(4);
    }
    for (std::uint32_t i = 0; valid && i < count; ++i) {
        std::string_view query;
        valid = take_string(rest, query);
        chosen |= matching(query, set);
    }
    if (!valid || !rest.empty()) {
        reply(OptionReply::ErrInvalid, "the lengths inside this option do not add up");
        return;
    }
    session_.volume = host_.describe();
    if (!names_us(name)) {
        reply(OptionReply::ErrUnknown, "the export here is " + session_.volume.name);
        return;
    }
    choose_contexts(chosen, set);
    reply(OptionReply::Ack);
}

void Handshake::forget_contexts() {
    for (const Context& context : kContexts) {
        session_.*context.chosen = false;
    }
}

// What is out of sync can be told only where there is a bitmap.
void Handshake::choose_contexts(std::uint32_t chosen, bool set) {
    for (const Context& context : kContexts) {
        if ((chosen & bit_of(context)) == 0 ||
            (context.id == kOutOfSyncId && !session_.volume.has_bitmap)) {
            continue;
        }
        std::vector<std::uint8_t> data(4 + context.name.size());
        base::put_be32(data, 0, set ? context.id : 0);
        std::copy(context.name.begin(), context.name.end(), data.begin() + 4);
        reply(OptionReply::MetaContext, data);
        session_.*context.chosen |= set;
    }
}

bool Handshake::names_us(std::string_view name) const {
    return name.empty() || name == session_.volume.name;
}

void Handshake::reply(OptionReply type, base::ConstBytes data) {
    const std::size_t at = output_.size();
    output_.resize(at + kOptionReplyHeaderBytes);
    base::put_be64(output_, at, kOptionReplyMagic);
    base::put_be32(output_, at + 8, option_);
    base::put_be32(output_, at + 12, static_cast<std::uint32_t>(type));
    base::put_be32(output_, at + 16, static_cast<std::uint32_t>(data.size()));
    output_.insert(output_.end(), data.begin(), data.end());
}

void Handshake::reply(OptionReply type, std::string_view text) {
    reply(type, as_bytes(text));
}

void Handshake::reply_info(InfoId id, base::ConstBytes data) {
    std::vector<std::uint8_t> with_id(2);
    base::put_be16(with_id, 0, static_cast<std::uint16_t>(id));
    with_id.insert(with_id.end(), data.begin(), data.end());
    reply(OptionReply::Info, with_id);
}

}  // namespace nbd
