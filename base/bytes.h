// Byte spans and explicit endianness. On-wire and on-disk structures are read and written field by
// field with these, never by casting.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace base {

using Bytes = std::span<std::uint8_t>;
using ConstBytes = std::span<const std::uint8_t>;

namespace detail {

template <typename T>
inline T load(ConstBytes in, std::size_t offset) {
    T value;
    std::memcpy(&value, in.subspan(offset, sizeof(T)).data(), sizeof(T));
    return value;
}

template <typename T>
inline void store(Bytes out, std::size_t offset, T value) {
    std::memcpy(out.subspan(offset, sizeof(T)).data(), &value, sizeof(T));
}

// These two are the only place that knows that the machines we run on are little endian.
inline std::uint16_t swap(std::uint16_t v) {
    return __builtin_bswap16(v);
}

inline std::uint32_t swap(std::uint32_t v) {
    return __builtin_bswap32(v);
}

inline std::uint64_t swap(std::uint64_t v) {
    return __builtin_bswap64(v);
}

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);

}  // namespace detail

// Callers pass spans that are long enough: a decoder checks the length once, before the first get.
inline std::uint16_t get_be16(ConstBytes in, std::size_t offset) {
    return detail::swap(detail::load<std::uint16_t>(in, offset));
}

inline std::uint32_t get_be32(ConstBytes in, std::size_t offset) {
    return detail::swap(detail::load<std::uint32_t>(in, offset));
}

inline std::uint64_t get_be64(ConstBytes in, std::size_t offset) {
    return detail::swap(detail::load<std::uint64_t>(in, offset));
}

inline std::uint64_t get_le64(ConstBytes in, std::size_t offset) {
    return detail::load<std::uint64_t>(in, offset);
}

// Opaque values that a peer must get back byte for byte.
inline std::uint64_t get_raw64(ConstBytes in, std::size_t offset) {
    return detail::load<std::uint64_t>(in, offset);
}

inline std::uint32_t get_raw32(ConstBytes in, std::size_t offset) {
    return detail::load<std::uint32_t>(in, offset);
}

inline void put_be16(Bytes out, std::size_t offset, std::uint16_t value) {
    detail::store(out, offset, detail::swap(value));
}

inline void put_be32(Bytes out, std::size_t offset, std::uint32_t value) {
    detail::store(out, offset, detail::swap(value));
}

inline void put_be64(Bytes out, std::size_t offset, std::uint64_t value) {
    detail::store(out, offset, detail::swap(value));
}

inline void put_le32(Bytes out, std::size_t offset, std::uint32_t value) {
    detail::store(out, offset, value);
}

inline void put_le64(Bytes out, std::size_t offset, std::uint64_t value) {
    detail::store(out, offset, value);
}

inline void put_raw64(Bytes out, std::size_t offset, std::uint64_t value) {
    detail::store(out, offset, value);
}

inline void put_raw32(Bytes out, std::size_t offset, std::uint32_t value) {
    detail::store(out, offset, value);
}

}  // namespace base
