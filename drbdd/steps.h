// Commands of one resource that are asked for in stages, those of one stage beside each other, the
// next stage when all are answered, whatever comes of each.
#pragma once

#include "drbdd/control/messages.h"
#include "drbdd/runtime/resource_core.h"

#include <algorithm>
#include <cstddef>
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
    void add(std::size_t stage, std::string object, Step step) {
        stages_.resize(std::max(stages_.size(), stage + 1));
        stages_[stage].emplace_back(std::move(object), std::move(step));
    }

    void run(runtime::ResourceCore& core, std::function<void(std::vector<control::Failure>)> done) {
        done_ = std::move(done);
        next(core);
    }

private:
    void next(runtime::ResourceCore& core) {
        if (at_ == stages_.size()) {
            done_(std::move(failures_));
            return;
        }
        const auto& stage = stages_[at_++];
        waiting_ = stage.size() + 1;
        for (const auto& [object, step] : stage) {
            step(core,
                 [self = shared_from_this(), &core, name = object](runtime::AdminReply reply) {
                     if (reply.code != 0) {
                         self->failures_.push_back({name, reply.code, std::move(reply.text)});
                     }
                     self->one_less(core);
                 });
        }
        one_less(core);
    }

    void one_less(runtime::ResourceCore& core) {
        if (--waiting_ == 0) {
            next(core);
        }
    }

    std::vector<std::vector<std::pair<std::string, Step>>> stages_;
    std::size_t at_ = 0;
    std::size_t waiting_ = 0;
    std::vector<control::Failure> failures_;
    std::function<void(std::vector<control::Failure>)> done_;
};

}  // namespace drbdd
