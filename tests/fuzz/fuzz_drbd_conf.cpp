// Any bytes as drbd.conf and as drbdd.conf: an answer, no crash, and what was accepted can be
// dumped, read back and turned into settings.
#include "base/require.h"
#include "config/drbd_conf.h"
#include "config/drbdd_conf.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace {

// One file, which may include itself, under a few names.
class OneFile : public config::FileSource {
public:
    explicit OneFile(std::string text) : text_(std::move(text)) {}

    base::Result<std::string> read(const std::string&) override {
        if (++reads_ > 4) {
            return base::Error{base::ErrorCode::NotFound, "there is no such file"};
        }
        return text_;
    }

    std::vector<std::string> glob(const std::string& pattern) override { return {pattern}; }

    std::string canonical(const std::string& path) override { return path; }

    bool has_address(const std::string&) override { return true; }

private:
    std::string text_;
    int reads_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text(reinterpret_cast<const char*>(data), size);
    (void)config::parse_drbdd_conf("fuzz", text);

    OneFile files(text);
    const config::LoadedConf loaded = config::load_drbd_conf("fuzz", "alpha", files);
    const std::string dumped = config::dump(loaded.conf, "alpha");
    if (!loaded.errors.empty()) {
        return 0;
    }
    for (const config::ResourceConf& resource : loaded.conf.resources) {
        (void)config::settings_for(loaded.conf, resource, "alpha");
    }
    OneFile again(dumped);
    const config::LoadedConf reread = config::load_drbd_conf("fuzz", "alpha", again);
    REQUIRE(reread.errors.empty());
    REQUIRE(reread.conf.resources.size() == loaded.conf.resources.size());
    return 0;
}
