// Loads the golden metadata areas of tests/vectors/meta; their README.md says where they come from.
#pragma once

#include "base/bytes.h"
#include "meta/geometry.h"
#include "meta/superblock.h"

#include <cstdint>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace meta_test {

struct Vector {
    std::string name;
    std::uint64_t device_bytes = 0;
    std::uint64_t area_offset = 0;
    std::vector<std::uint8_t> area;

    base::ConstBytes at(std::uint64_t device_byte, std::uint64_t length) const {
        return base::ConstBytes(area).subspan(device_byte - area_offset, length);
    }

    base::ConstBytes superblock_block() const {
        return base::ConstBytes(area).last(meta::kBlockBytes);
    }

    meta::Superblock superblock() const {
        return meta::decode_superblock(superblock_block()).value();
    }

    meta::Layout layout() const {
        const meta::Superblock sb = superblock();
        return meta::internal_layout(device_bytes, sb.al_stripes, sb.al_stripe_size_4k).value();
    }

    base::ConstBytes al_area() const {
        return at(to_bytes(layout().al_sector), layout().al_sectors * base::kSectorBytes);
    }

    base::ConstBytes bitmap() const {
        return at(to_bytes(layout().bitmap_sector), layout().bitmap_sectors * base::kSectorBytes);
    }
};

inline std::string vector_path(const std::string& file) {
    return std::string(DRBDD_SOURCE_DIR) + "/tests/vectors/meta/" + file;
}

inline std::string read_text(const std::string& file) {
    std::ifstream in(vector_path(file));
    if (!in) {
        throw std::runtime_error("missing vector " + file);
    }
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

// Reads the output of od: an offset and up to 32 bytes a line, "*" where lines repeat.
inline std::vector<std::uint8_t> read_od(const std::string& file) {
    std::istringstream in(read_text(file));
    std::vector<std::uint8_t> bytes;
    std::vector<std::uint8_t> last;
    for (std::string line; std::getline(in, line);) {
        if (line == "*") {
            continue;
        }
        std::istringstream words(line);
        words >> std::hex;
        std::size_t offset = 0;
        words >> offset;
        while (bytes.size() < offset) {
            bytes.insert(bytes.end(), last.begin(), last.end());
        }
        last.clear();
        for (unsigned value = 0; words >> value;) {
            last.push_back(static_cast<std::uint8_t>(value));
        }
        bytes.insert(bytes.end(), last.begin(), last.end());
    }
    return bytes;
}

inline std::vector<Vector> all_vectors() {
    std::istringstream in(read_text("index.txt"));
    std::vector<Vector> vectors;
    for (std::string line; std::getline(in, line);) {
        if (line.empty() || line[0] == '#') {
            continue;
        }
        Vector vector;
        std::size_t length = 0;
        std::istringstream(line) >> vector.name >> vector.device_bytes >> vector.area_offset >>
            length;
        vector.area = read_od(vector.name + ".area.od");
        if (vector.area.size() != length) {
            throw std::runtime_error("vector of a wrong length: " + vector.name);
        }
        vectors.push_back(vector);
    }
    return vectors;
}

inline Vector load(const std::string& name) {
    for (const Vector& vector : all_vectors()) {
        if (vector.name == name) {
            return vector;
        }
    }
    throw std::runtime_error("no vector " + name);
}

inline bool has_file(const std::string& file) {
    return std::ifstream(vector_path(file)).good();
}

}  // namespace meta_test
