// A directory of the test's own, gone with it.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

class Folder {
public:
    Folder() {
        std::string name = std::filesystem::temp_directory_path() / "drbdd-hb-XXXXXX";
        path_ = ::mkdtemp(name.data());
    }

    // What is written by a thread that nobody waits for may appear while the others are removed.
    ~Folder() {
        std::error_code error;
        for (int tries = 0; tries < 100 && std::filesystem::exists(path_, error); ++tries) {
            std::filesystem::remove_all(path_, error);
        }
    }

    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    const std::string& path() const { return path_; }

    std::string write(const std::string& name, const std::string& text, int mode = 0644) const {
        const std::string file = path_ + "/" + name;
        std::filesystem::create_directories(std::filesystem::path(file).parent_path());
        std::ofstream(file) << text;
        std::filesystem::permissions(file, static_cast<std::filesystem::perms>(mode));
        return file;
    }

    std::string read(const std::string& name) const {
        std::ifstream file(path_ + "/" + name);
        return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    }

    bool has(const std::string& name) const {
        return std::filesystem::exists(std::filesystem::symlink_status(path_ + "/" + name));
    }

private:
    std::string path_;
};
