// Online verify on request. That it has begun is the answer; disconnecting ends it.
#include "base/digest.h"
#include "drbdd/engine/admin/command.h"
#include "drbdd/engine/error_numbers.h"
#include "drbdd/engine/rules/state_rules.h"

#include <algorithm>

namespace engine {

namespace {

class VerifyRun final : public Command {
public:
    VerifyRun(Node& node, const StartVerify& what)
        : Command(node, {Scope::Reach::Volume, what.volume}), what_(what) {}

    std::optional<Answer> advance() override {
        if (device() == nullptr) {
            return Answer::no_such_volume();
        }
        return asked() ? on_reply() : ask();
    }

private:
    std::optional<Answer> ask() {
        const VolumeState& state = device()->state();
        if (const auto digest = base::Digest::make(core().settings.net.verify_alg); !digest) {
            Answer answer = Answer::of(StateCode::NoVerifyAlg);
            answer.text += core().settings.net.verify_alg.empty() ? "" : "\n" + digest.error().text;
            return answer;
        }
        if (state.conn < ConnState::Connected) {
            return Answer::of(StateCode::NeedConnection);
        }
        if (verifying(state.conn) || device()->peer.verify_source.settling()) {
            return Answer::of(StateCode::ResyncRunning);
        }
        if (what_.repair && state.role != Role::Primary) {
            return Answer{kErrInvalidRequest,
                          "Invalid configuration request\nwhat differs is repaired from the "
                          "Primary's data: verify there"};
        }
        VolumeState next = state;
        next.conn = ConnState::VerifyS;
        const StateCode code = node().check(state, next);
        if (!succeeded(code)) {
            return Answer::of(code);
        }
        if (const std::string wrong = what_is_wrong(); !wrong.empty()) {
            return Answer{kErrInvalidRequest, "Invalid configuration request\n" + wrong};
        }
        if (device()->peer.request_pending()) {
            return std::nullopt;  // for an earlier command
        }
        device()->peer.request({.conn = ConnState::VerifyS});
        set_asked(true);
        return std::nullopt;
    }

    std::string what_is_wrong() const {
        if (first() >= device()->size_sectors()) {
            return base::format("the device ends before sector %llu", base::ull(first()));
        }
        return end() <= first() ? "the stop sector comes before the start sector" : "";
    }

    // Of whole blocks. Without one it goes on where an earlier one was broken off.
    std::uint64_t first() const {
        return what_.start.value_or(device()->peer.verify_from()) / base::kSectorsPerBit *
               base::kSectorsPerBit;
    }

    std::uint64_t end() const {
        return std::min(what_.stop.value_or(device()->size_sectors()), device()->size_sectors());
    }

    std::optional<Answer> on_reply() {
        const std::optional<StateCode> reply = device()->peer.take_reply();
        if (!reply) {
            return std::nullopt;
        }
        if (!succeeded(*reply)) {
            return Answer::of(StateCode::CwFailedByPeer);
        }
        return device()->peer.start_verify(first(), end(), what_.repair)
                   ? Answer::success()
                   : Answer::of(StateCode::ConcurrentStChg);
    }

    const StartVerify what_;
};

}  // namespace

std::unique_ptr<Command> make(Node& node, const StartVerify& what) {
    return std::make_unique<VerifyRun>(node, what);
}

}  // namespace engine
