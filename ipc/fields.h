// Structs to JSON and back. What is read may be anything: every type and range is checked, nothing
// throws. Beside a struct stands the list of its members with their names, for both directions:
//     void fields(ipc::Is<Link> auto& link, auto&& visit) { visit("up", link.up); }
// and beside an enumeration its words: word_of(value) gives one, word_problem(text, value) sets
// the value or says what is wrong with the text.
#pragma once

#include "base/result.h"
#include "ipc/json.h"

#include <chrono>
#include <concepts>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace ipc {

// T is S or const S: a list of members serves both directions.
template <typename T, typename S>
concept Is = std::same_as<std::remove_const_t<T>, S>;

// Members that the struct does not have are refused: an option must not be lost.
template <typename T>
inline constexpr bool kRefusesUnknown = false;

template <typename T>
inline constexpr bool kIsDuration = false;
template <typename Rep, typename Period>
inline constexpr bool kIsDuration<std::chrono::duration<Rep, Period>> = true;

template <typename T>
inline constexpr bool kIsOptional = false;
template <typename T>
inline constexpr bool kIsOptional<std::optional<T>> = true;

template <typename T>
inline constexpr bool kIsVector = false;
template <typename T>
inline constexpr bool kIsVector<std::vector<T>> = true;

template <typename T>
inline constexpr bool kIsMap = false;
template <typename T>
inline constexpr bool kIsMap<std::map<std::string, T>> = true;

using StringPair = std::pair<std::string, std::string>;

// An optional member that is not set is left out.
template <typename T>
Json write(const T& value) {
    if constexpr (std::is_enum_v<T>) {
        return std::string(word_of(value));
    } else if constexpr (kIsDuration<T>) {
        return value.count();
    } else if constexpr (std::is_arithmetic_v<T> || std::is_same_v<T, std::string> || kIsMap<T>) {
        return value;
    } else if constexpr (std::is_same_v<T, StringPair>) {
        return Json::array({value.first, value.second});
    } else if constexpr (kIsVector<T>) {
        Json list = Json::array();
        for (const auto& item : value) {
            list.push_back(write(item));
        }
        return list;
    } else {
        Json object = Json::object();
        fields(value, [&object](std::string_view name, const auto& member) {
            using Member = std::remove_cvref_t<decltype(member)>;
            if constexpr (kIsOptional<Member>) {
                if (member) {
                    object[std::string(name)] = write(*member);
                }
            } else {
                object[std::string(name)] = write(member);
            }
        });
        return object;
    }
}

// Remembers the first thing that is wrong. A member that is missing keeps its default.
class Reader {
public:
    // `subject` stands before what is wrong.
    explicit Reader(std::string subject = {}) : subject_(std::move(subject)) {}

    // `where` names the value in what is said of it: "settings.net.protocol".
    template <typename T>
    void read(const Json& json, T& value, const std::string& where) {
        if constexpr (kIsOptional<T>) {
            read(json, value.emplace(), where);
        } else if constexpr (std::is_enum_v<T>) {
            const std::string problem(word_problem(read_text(json, where), value));
            check(problem.empty(), where, problem);
        } else if constexpr (kIsDuration<T>) {
            typename T::rep count = value.count();
            read(json, count, where);
            value = T(count);
        } else if constexpr (std::is_same_v<T, bool>) {
            check(json.is_boolean(), where, "is not true or false");
            value = json.is_boolean() ? json.template get<bool>() : value;
        } else if constexpr (std::is_integral_v<T>) {
            read_integer(json, value, where);
        } else if constexpr (std::is_same_v<T, std::string>) {
            value = read_text(json, where);
        } else {
            read_compound(json, value, where);
        }
    }

    // The member of an object, if it is there.
    template <typename T>
    void read_member(const Json& object, const std::string& name, T& value) {
        if (const auto found = object.find(name); found != object.end()) {
            read(*found, value, name);
        }
    }

    bool check(bool good, const std::string& where, const std::string& what) {
        if (!good && problem_.empty()) {
            problem_ = subject_ + where + " " + what;
        }
        return good;
    }

    // `value`, unless something was wrong.
    template <typename T>
    base::Result<T> done(T value) const {
        if (!problem_.empty()) {
            return base::Error{base::ErrorCode::Invalid, problem_};
        }
        return value;
    }

private:
    std::string read_text(const Json& json, const std::string& where) {
        const bool good = check(json.is_string(), where, "is not a string");
        return good ? json.get<std::string>() : std::string();
    }

    template <typename T>
    void read_integer(const Json& json, T& value, const std::string& where) {
        using Limits = std::numeric_limits<T>;
        bool fits = false;
        if (json.is_number_unsigned()) {
            const auto number = json.template get<std::uint64_t>();
            fits = number <= static_cast<std::uint64_t>(Limits::max());
            value = fits ? static_cast<T>(number) : value;
        } else if (json.is_number_integer() && std::is_signed_v<T>) {
            const auto number = json.template get<std::int64_t>();
            fits = number >= static_cast<std::int64_t>(Limits::min());
            value = fits ? static_cast<T>(number) : value;
        }
        check(fits, where, "is not a number in its range");
    }

    template <typename T>
    void read_compound(const Json& json, T& value, const std::string& where) {
        if constexpr (std::is_same_v<T, StringPair>) {
            if (check(json.is_array() && json.size() == 2, where, "is no list of pairs")) {
                value = {read_text(json[0], where), read_text(json[1], where)};
            }
        } else if constexpr (kIsVector<T>) {
            if (check(json.is_array(), where, "is not a list")) {
                for (const Json& item : json) {
                    read(item, value.emplace_back(), where);
                }
            }
        } else if (!check(json.is_object(), where, "is not an object")) {
            return;
        } else if constexpr (kIsMap<T>) {
            for (const auto& item : json.items()) {
                read(item.value(), value[item.key()], where + "." + item.key());
            }
        } else {
            read_object(json, value, where);
        }
    }

    template <typename T>
    void read_object(const Json& json, T& value, const std::string& where) {
        std::set<std::string, std::less<>> known;
        fields(value, [&](std::string_view name, auto& member) {
            const auto found = json.find(std::string(name));
            if (found != json.end()) {
                read(*found, member, where + "." + std::string(name));
            }
            known.emplace(name);
        });
        if constexpr (kRefusesUnknown<T>) {
            for (const auto& item : json.items()) {
                check(known.contains(item.key()), where + "." + item.key(), "is unknown");
            }
        }
    }

    std::string subject_;
    std::string problem_;
};

}  // namespace ipc
