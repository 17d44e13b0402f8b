// The negotiation of one connection as a value: bytes of the client in, bytes to send out. No
// socket, no clock; the connection enforces the deadline, and encrypts. Fixed newstyle only, one
// export. Block front ends specification, sections 1.1, 1.5 and 1.6.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "nbd-backend/export.h"
#include "nbd-backend/protocol.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace nbd {

// The volume behind the handshake. The refusals are words for the client's user.
class ExportHost {
public:
    virtual ~ExportHost() = default;
    virtual Export describe() = 0;

    // Would open() succeed now?
    virtual base::Result<void> probe() = 0;

    // Called at most once, before the client is told that it may send requests.
    virtual base::Result<void> open() = 0;
};

enum class TlsUse {
    None,      // the client may not ask for it
    Required,  // nothing else is talked about before
};

class Handshake {
public:
    enum class Phase {
        Negotiating,
        Securing,      // send output(), then TLS begins; no byte may have come behind the option
        Transmission,  // send output(), then every further byte is a request
        Closing,       // send output(), then close
    };

    // Above: read, dropped, TOO_BIG; but EXPORT_NAME has no reply that says no, and ends it.
    static constexpr std::size_t kOptionDataLimit = 64u << 10;
    static constexpr std::size_t kOptionSkipLimit = 1u << 20;  // above: the connection ends
    static constexpr unsigned kOptionCountLimit = 128;

    // The greeting is in output() at once. `host` outlives the handshake.
    explicit Handshake(ExportHost& host, TlsUse tls = TlsUse::None);

    // Takes bytes of the client and returns how many: all of them while Negotiating; what follows
    // the last option is left to the caller.
    std::size_t feed(base::ConstBytes in);

    // After Securing: all further bytes come and go within TLS. What was agreed on before is
    // forgotten, since anybody may have said it.
    void secured();

    Phase phase() const { return phase_; }

    // The caller sends these bytes and clears the vector.
    std::vector<std::uint8_t>& output() { return output_; }

    const Session& session() const { return session_; }

    // Why the connection ends, for the log; empty for an orderly ABORT.
    const std::string& close_reason() const { return close_reason_; }

private:
    enum class Stage { ClientFlags, OptionHeader, OptionData, SkippedData };

    void on_complete();
    void on_client_flags();
    void on_option_header();
    void on_option();
    void on_oversize_option();
    void expect(Stage stage, std::size_t bytes);
    void close(std::string reason);

    void export_name();
    void list();
    void start_tls();
    void info_or_go();
    void structured_reply();
    void extended_headers();
    void meta_context(bool set);

    void forget_contexts();
    void choose_contexts(std::uint32_t chosen, bool set);
    bool names_us(std::string_view name) const;
    void send_infos(base::ConstBytes wanted);
    void reply(OptionReply type, base::ConstBytes data);
    void reply(OptionReply type, std::string_view text = {});
    void reply_info(InfoId id, base::ConstBytes data);

    bool may_be_asked_now();

    ExportHost& host_;
    TlsUse tls_;
    bool secured_ = false;
    Phase phase_ = Phase::Negotiating;
    Stage stage_ = Stage::ClientFlags;
    std::size_t needed_ = 4;              // bytes of the current stage, received or not
    std::size_t skipped_ = 0;             // in SkippedData, which is not kept
    std::vector<std::uint8_t> received_;  // of the current stage
    std::vector<std::uint8_t> output_;
    std::string close_reason_;
    std::uint32_t option_ = 0;
    unsigned option_count_ = 0;
    bool fixed_newstyle_ = false;
    bool no_zeroes_ = false;
    Session session_;
};

}  // namespace nbd
