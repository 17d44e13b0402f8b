// Each option of each section below, at and above its limits: made from the table of options.
#include "config/options.h"
#include "tests/unit/config/fixture.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace {

using config::OptionSpec;
using config::Section;

constexpr Section kSections[] = {
    Section::Net, Section::Disk, Section::Options, Section::Startup, Section::Handlers};

// What is wrong with a file in which the option has this value; "" if nothing.
std::string errors_with(Section section, const OptionSpec& spec, const std::string& value) {
    const std::string statement = std::string(spec.name) + (value.empty() ? "" : " " + value) + ";";
    const config::LoadedConf loaded =
        load(resource(std::string(config::section_name(section)) + " { " + statement + " }"));
    if (loaded.errors.empty()) {
        // Served or refused by its name, with file and line; and printed as a file that is as good.
        const auto got = config::settings_for(loaded.conf, loaded.conf.resources.at(0), "alpha");
        EXPECT_TRUE(got || got.error().text.starts_with("f:2: option '" + std::string(spec.name)))
            << got.error().text;
        EXPECT_EQ(joined(load(config::dump(loaded.conf, "alpha")).errors), "") << statement;
    }
    return joined(loaded.errors);
}

void expect_bad(Section section, const OptionSpec& spec, const std::string& value) {
    const std::string errors = errors_with(section, spec, value);
    EXPECT_TRUE(errors.starts_with("f:2: ")) << spec.name << " " << value << ": " << errors;
}

void expect_good(Section section, const OptionSpec& spec, const std::string& value) {
    EXPECT_EQ(errors_with(section, spec, value), "") << spec.name << " " << value;
}

void check_number_limits(Section section, const OptionSpec& spec) {
    const std::string unit = spec.scale == 's' ? "s" : spec.scale == 'k' ? "k" : "";
    expect_good(section, spec, std::to_string(spec.min));
    expect_good(section, spec, std::to_string(spec.max));
    expect_good(section, spec, std::to_string(spec.max) + unit);
    if (!spec.clamped) {
        expect_bad(section, spec, std::to_string(spec.max + 1));
        expect_bad(section, spec, std::to_string(spec.max + 1) + unit);
    }
    if (!spec.clamped && spec.min > 0) {
        expect_bad(section, spec, std::to_string(spec.min - 1));
    }
    for (const char* none : {"-1", "abc", "1x", "\"\"", "99999999999999999999999"}) {
        if (!spec.clamped || none[0] != '9') {
            expect_bad(section, spec, none);
        }
    }
    expect_bad(section, spec, "");
}

void check_other_limits(Section section, const OptionSpec& spec) {
    switch (spec.kind) {
        case OptionSpec::Kind::Bool:
            for (const char* good : {"yes", "no", ""}) {
                expect_good(section, spec, good);
            }
            for (const char* bad : {"true", "1", "maybe"}) {
                expect_bad(section, spec, bad);
            }
            break;
        case OptionSpec::Kind::Enum:
            for (const std::string_view word : spec.words) {
                expect_good(section, spec, std::string(word));
            }
            expect_bad(section, spec, "no-such-word");
            expect_bad(section, spec, "");
            break;
        case OptionSpec::Kind::String:
            expect_bad(section, spec, "");
            expect_good(section, spec, "\"\"");
            if (spec.max_length != 0) {
                expect_good(section, spec, '"' + std::string(spec.max_length, 'a') + '"');
                expect_bad(section, spec, '"' + std::string(spec.max_length + 1, 'a') + '"');
            }
            break;
        default:
            break;
    }
}

TEST(OptionLimits, HoldForEachOptionOfEachSection) {
    std::size_t count = 0;
    for (const Section section : kSections) {
        for (const OptionSpec& spec : config::options_of(section)) {
            ++count;
            if (spec.kind == OptionSpec::Kind::Number) {
                check_number_limits(section, spec);
            } else {
                check_other_limits(section, spec);
            }
        }
    }
    EXPECT_GE(count, 90u);
}

std::vector<std::string> sample_texts() {
    std::vector<std::string> texts;
    for (const char* folder : {"conf/valid", "conf/invalid", "field"}) {
        const std::string path = std::string(DRBDD_SOURCE_DIR "/tests/vectors/") + folder;
        for (const auto& entry : std::filesystem::directory_iterator(path)) {
            if (entry.path().extension() == ".conf") {
                std::ifstream file(entry.path());
                std::stringstream text;
                text << file.rdbuf();
                texts.push_back(text.str());
            }
        }
    }
    return texts;
}

// Whatever is left of a file: it is an error or it is served, and all of it can be printed.
void use_all_of(const std::string& text) {
    const config::LoadedConf loaded = load(text);
    for (const config::ResourceConf& one : loaded.conf.resources) {
        if (!loaded.errors.empty()) {
            break;  // then no command uses it
        }
        const auto got = config::settings_for(loaded.conf, one, "alpha");
        EXPECT_TRUE(got || !got.error().text.empty());
    }
    EXPECT_FALSE(config::dump(loaded.conf, "alpha").empty());
    EXPECT_FALSE(config::dump_xml(loaded.conf).empty());
}

TEST(BadFiles, CutAnywhereAreTakenOrRefused) {
    for (const std::string& text : sample_texts()) {
        for (std::size_t length = 0; length < text.size(); length += 11) {
            use_all_of(text.substr(0, length));
        }
    }
}

TEST(BadFiles, WithAWordTooFewAreTakenOrRefused) {
    for (const std::string& text : sample_texts()) {
        for (std::size_t at = 0; (at = text.find(' ', at)) != std::string::npos; ++at) {
            const std::size_t end = text.find_first_of(" \n", at + 1);
            if (end != std::string::npos && end > at + 1 && at % 3 == 0) {
                use_all_of(text.substr(0, at) + text.substr(end));
            }
        }
    }
}

}  // namespace
