// A temporary folder for one test, and files in it.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace runtime {

class TemporaryFolder {
public:
    TemporaryFolder() {
        std::string pattern = (std::filesystem::temp_directory_path() / "drbdd-test-XXXXXX");
        path_ = ::mkdtemp(pattern.data());
    }

    ~TemporaryFolder() { std::filesystem::remove_all(path_); }

    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;

    std::string path(const std::string& name) const { return (path_ / name).string(); }

    std::string make_file(const std::string& name, std::uint64_t bytes) const {
        const std::string file = path(name);
        std::ofstream(file).close();
        std::filesystem::resize_file(file, bytes);
        return file;
    }

private:
    std::filesystem::path path_;
};

}  // namespace runtime
