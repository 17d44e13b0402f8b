// Result<T>: a value or an Error. What the world may get wrong (wire, disk, configuration, operator
// input) is returned as one; the member names are those of std::expected, so that it can become an
// alias once the compiler has it.
#pragma once

#include "base/require.h"

#include <string>
#include <utility>
#include <variant>

namespace base {

enum class ErrorCode {
    Invalid,      // the bytes or words are not what the format allows
    Unsupported,  // known, but not offered by this version
    NotFound,
    Busy,
    Permission,
    TooSmall,
    TooBig,
    NoSpace,
    Io,
    Timeout,
    State,  // not now: the object is in a state that forbids it
};

// `text` is for a person: what was tried, on what, what happened, what to do.
struct Error {
    ErrorCode code = ErrorCode::Invalid;
    std::string text;
};

template <typename T>
class [[nodiscard]] Result {
public:
    Result(T value) : data_(std::in_place_index<0>, std::move(value)) {}

    Result(Error error) : data_(std::in_place_index<1>, std::move(error)) {}

    bool has_value() const { return data_.index() == 0; }

    explicit operator bool() const { return has_value(); }

    T& value() & {
        REQUIRE(has_value());
        return std::get<0>(data_);
    }

    const T& value() const& {
        REQUIRE(has_value());
        return std::get<0>(data_);
    }

    T&& value() && {
        REQUIRE(has_value());
        return std::get<0>(std::move(data_));
    }

    const Error& error() const {
        REQUIRE(!has_value());
        return std::get<1>(data_);
    }

    T& operator*() & { return value(); }

    const T& operator*() const& { return value(); }

    T* operator->() { return &value(); }

    const T* operator->() const { return &value(); }

private:
    std::variant<T, Error> data_;
};

template <>
class [[nodiscard]] Result<void> {
public:
    Result() = default;

    Result(Error error) : failed_(true), error_(std::move(error)) {}

    bool has_value() const { return !failed_; }

    explicit operator bool() const { return has_value(); }

    const Error& error() const {
        REQUIRE(failed_);
        return error_;
    }

private:
    bool failed_ = false;
    Error error_;
};

}  // namespace base
