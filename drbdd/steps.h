// Commands of one resource that are asked for one after the other, whatever comes of each.
#pragma once

#include "drbdd/control/messages.h"
#include "drbdd/runtime/resource_core.h"

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace drbdd {

// Everything happens on the resource's thread.
class Steps : public std::enable_shared_from_this<Steps> {
public:
    using Step = std::function<void(runtime::ResourceCore&, runtime::AdminCallback)>;

    // `object` is what a failure of the step is said to be of.
    void add(std::string object, Step step) {
        steps_.emplace_back(std::move(object), std::move(step));
    }

    void run(runtime::ResourceCore& core, std::function<void(std::vector<control::Failure>)> done) {
        done_ = std::move(done);
        next(core);
    }

private:
    void next(runtime::ResourceCore& core) {
        if (at_ == steps_.size()) {
            done_(std::move(failures_));
            return;
        }
        const auto& [object, step] = steps_[at_];
        ++at_;
        step(core, [self = shared_from_this(), &core, name = object](runtime::AdminReply reply) {
            if (reply.code != 0) {
                self->failures_.push_back({name, reply.code, std::move(reply.text)});
            }
            self->next(core);
        });
    }

    std::vector<std::pair<std::string, Step>> steps_;
    std::size_t at_ = 0;
    std::vector<control::Failure> failures_;
    std::function<void(std::vector<control::Failure>)> done_;
};

}  // namespace drbdd
