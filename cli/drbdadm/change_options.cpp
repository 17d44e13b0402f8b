#include "cli/drbdadm/change_options.h"

#include "cli/common/child.h"
#include "cli/common/outcome.h"
#include "cli/drbdadm/adjust.h"
#include "cli/drbdadm/calls.h"

#include <utility>

namespace drbdadm {

namespace {

using config::Section;

std::string words_of_line(const CommandLine& line) {
    std::string words = line.set_defaults ? " --set-defaults" : "";
    for (const config::Option& option : line.options) {
        words += " " + cli::shell_quoted("--" + option.name + "=" + option.value);
    }
    return words;
}

// Those of the command line, checked as those of a file are. False after saying what is wrong.
bool are_good(const config::Options& options, Section section) {
    for (const config::Option& option : options) {
        const config::OptionSpec* spec = config::find_option(section, option.name);
        const std::string problem = config::check_value(*spec, option.value);
        const std::string refusal =
            problem.empty() ? config::check_support(*spec, section, option.value) : problem;
        if (!refusal.empty()) {
            fail(cli::kExitBadName, refusal);
            return false;
        }
        if (const std::string note = config::check_effect(*spec, section, option.value);
            !note.empty()) {
            fail(0, note);
        }
    }
    return true;
}

template <typename Change>
int change(Context& context,
           const Target& target,
           Section section,
           const std::string& object,
           const std::string& words,
           Change&& change_settings) {
    const std::string call = words + words_of_line(context.line);
    if (!are_good(context.line.options, section)) {
        return cli::kExitBadName;
    }
    if (only_printed(context, call)) {
        return 0;
    }
    const std::string& name = target.resource->name;
    auto running = ask_running(context, name);
    if (!running) {
        return fail_to_ask(running.error());
    }
    if (!*running) {
        control::Reply unknown;
        unknown.code = control::err::kResourceNotKnown;
        return finish(target.volume == nullptr ? unknown : about_minor(unknown), object, call);
    }
    change_settings(**running);
    control::Request request;
    request.command = control::Command::Options;
    request.resource = name;
    request.settings = std::move(**running);
    return execute(context, std::move(request), object, call);
}

}  // namespace

int disk_options(Context& context, const Target& target) {
    const std::string minor = minor_of(*target.volume);
    return change(context,
                  target,
                  Section::Disk,
                  minor,
                  "drbdsetup disk-options " + minor,
                  [&](config::ResourceSettings& settings) {
                      for (config::VolumeSettings& volume : settings.volumes) {
                          if (volume.number != target.volume->number) {
                              continue;
                          }
                          if (context.line.set_defaults) {
                              volume.options = {};
                          }
                          config::apply_options(volume.options, context.line.options);
                      }
                  });
}

int net_options(Context& context, const Target& target) {
    return change(context,
                  target,
                  Section::Net,
                  "??",
                  net_options_words(target),
                  [&](config::ResourceSettings& settings) {
                      if (context.line.set_defaults) {
                          settings.net = {};
                      }
                      config::apply_options(settings.net, context.line.options);
                  });
}

int resource_options(Context& context, const Target& target) {
    return change(context,
                  target,
                  Section::Options,
                  target.resource->name,
                  "drbdsetup resource-options " + target.resource->name,
                  [&](config::ResourceSettings& settings) {
                      if (context.line.set_defaults) {
                          settings.cpu_mask.clear();
                          settings.on_no_data = {};
                      }
                      config::apply_options(settings, context.line.options);
                  });
}

}  // namespace drbdadm
