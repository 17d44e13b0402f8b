// Sections of options: net, disk { }, options, startup, handlers, and the old syncer.
#include "config/parser.h"

namespace config {

namespace {

constexpr std::string_view kSyncerOption = "a syncer option keyword";

}  // namespace

bool Parser::parse_options_statement(ResourceConf& resource, const Token& keyword) {
    const Place place = place_of(keyword);
    const std::string owner = resource.name.empty() ? "common" : resource.name;
    if (keyword.is("protocol")) {
        require_unique("protocol statement", owner + ": protocol", place);
        const OptionSpec& spec = *find_option(Section::Net, "protocol");
        const std::string value = take_value("protocol");
        expect(';');
        add_option(resource.net, Section::Net, spec, {"protocol", value, place});
        return true;
    }
    constexpr Section kSyncer[] = {Section::Net, Section::Disk, Section::Options};
    constexpr Section kPlain[] = {
        Section::Net, Section::Options, Section::Startup, Section::Handlers};
    if (keyword.is("syncer")) {
        require_unique("syncer section", owner + ":syncer", place);
        Options* const lists[] = {&resource.net, &resource.disk, &resource.options};
        parse_block([&] { parse_option(lists, kSyncer, kSyncerOption); });
        return true;
    }
    for (const Section section : kPlain) {
        const std::string name(section_name(section));
        if (keyword.is(std::string_view(name))) {
            require_unique(name + " section", owner + ":" + name, place);
            parse_section(resource.section(section), section);
            return true;
        }
    }
    return false;
}

void Parser::parse_section(Options& options, Section section) {
    Options* const lists[] = {&options};
    const Section sections[] = {section};
    parse_block([&] { parse_option(lists, sections, kOption); });
}

// One option of one of `sections`; it goes to the list at the same position. "no-NAME" is the bool
// option NAME, said no.
void Parser::parse_option(std::span<Options* const> lists,
                          std::span<const Section> sections,
                          std::string_view expected) {
    const Token keyword = take();
    const std::string_view name = keyword.text;
    for (std::size_t i = 0; i < sections.size() && keyword.kind == Token::Kind::Word; ++i) {
        const OptionSpec* spec = find_option(sections[i], name);
        bool negated = false;
        if (spec == nullptr && name.starts_with("no-")) {
            spec = find_option(sections[i], name.substr(3));
            negated = true;
        }
        if (spec == nullptr || (negated && spec->kind != OptionSpec::Kind::Bool)) {
            continue;
        }
        const std::string value = take_option_value(*spec, negated);
        if (!stopped_) {
            add_option(
                *lists[i], sections[i], *spec, {std::string(spec->name), value, place_of(keyword)});
        }
        return;
    }
    fail_expected(expected, keyword);
}

std::string Parser::take_option_value(const OptionSpec& spec, bool negated) {
    if (spec.kind == OptionSpec::Kind::Bool) {
        if (accept(';')) {
            return negated ? "no" : "yes";
        }
        const Token value = take();
        if (!value.is("yes") && !value.is("no")) {
            fail_expected("yes | no | ;", value);
        }
        expect(';');
        return value.text;
    }
    std::string value = take_value("value of " + std::string(spec.name));
    while (spec.kind == OptionSpec::Kind::Words && !stopped_ && !peek().is(';')) {
        value += " " + take_value("value of " + std::string(spec.name));
    }
    expect(';');
    return value;
}

void Parser::add_option(Options& options, Section section, const OptionSpec& spec, Option option) {
    if (stopped_) {
        return;
    }
    // One that is given twice is no mistake: the last one counts.
    if (const std::string problem = check_value(spec, option.value); !problem.empty()) {
        complain(option.place, problem);
    } else if (const std::string warning = check_effect(spec, section, option.value);
               !warning.empty() && warned_.insert(spec.name).second) {
        out_.warnings.push_back(prefix(option.place) + warning);
    }
    options.push_back(std::move(option));
}

}  // namespace config
