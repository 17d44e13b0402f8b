// drbd.conf as the original's `drbdadm dump-xml` has it (8.4).
#include "config/drbd_conf.h"

namespace config {

namespace {

std::string xml_text(const std::string& text) {
    std::string out;
    for (const char c : text) {
        switch (c) {
            case '<':
                out += "&lt;";
                break;
            case '>':
                out += "&gt;";
                break;
            case '&':
                out += "&amp;";
                break;
            case '"':
                out += "&quot;";
                break;
            case '\'':
                out += "&apos;";
                break;
            default:
                out += c;
        }
    }
    return out;
}

std::string element(const std::string& indent,
                    const std::string& name,
                    const std::string& attributes,
                    const std::string& text) {
    return indent + "<" + name + attributes + ">" + xml_text(text) + "</" + name + ">\n";
}

std::string attribute(const std::string& name, const std::string& value) {
    return " " + name + "=\"" + xml_text(value) + "\"";
}

std::string section_xml(const std::string& indent, Section section, const Options& options) {
    if (options.empty()) {
        return "";
    }
    std::string out =
        indent + "<section" + attribute("name", std::string(section_name(section))) + ">\n";
    for (const Option& option : options) {
        out += indent + "    <option" + attribute("name", option.name) +
               attribute("value", option.value) + "/>\n";
    }
    return out + indent + "</section>\n";
}

std::string sections_xml(const std::string& indent, const ResourceConf& resource) {
    std::string out;
    for (const Section section :
         {Section::Options, Section::Net, Section::Disk, Section::Startup, Section::Handlers}) {
        out += section_xml(indent, section, resource.section(section));
    }
    return out;
}

std::string volume_xml(const VolumeConf& volume) {
    const std::string indent = "                ";
    const std::string index =
        volume.meta_index ? attribute("index", std::to_string(*volume.meta_index)) : "";
    return "            <volume" + attribute("vnr", std::to_string(volume.number)) + ">\n" +
           element(indent,
                   "device",
                   attribute("minor", std::to_string(volume.minor.value_or(0))),
                   volume.device) +
           element(indent, "disk", "", volume.disk) +
           element(indent, "meta-disk", index, volume.meta_disk) +
           section_xml(indent, Section::Disk, volume.options) + "            </volume>\n";
}

std::string host_xml(const HostConf& host) {
    std::string names;
    for (const std::string& name : host.names) {
        names += (names.empty() ? "" : " ") + name;
    }
    std::string out = "        <host" + attribute("name", names) + ">\n";
    for (const VolumeConf& volume : host.volumes) {
        out += volume_xml(volume);
    }
    if (!host.address_family.empty()) {
        out += element("            ",
                       "address",
                       attribute("family", host.address_family) +
                           attribute("port", std::to_string(host.address.port)),
                       host.address.ip);
    }
    return out + "        </host>\n";
}

}  // namespace

std::string dump_xml(const DrbdConf& conf) {
    std::string out = "<config" + attribute("file", conf.file) + ">\n";
    if (conf.common) {
        out += "    <common>\n" + sections_xml("        ", *conf.common) + "    </common>\n";
    }
    for (const ResourceConf& resource : conf.resources) {
        out += "    <resource" + attribute("name", resource.name) +
               attribute("conf-file-line",
                         resource.canonical_file + ":" + std::to_string(resource.place.line)) +
               ">\n";
        for (const HostConf& host : resource.hosts) {
            out += host_xml(host);
        }
        out += sections_xml("        ", resource) + "    </resource>\n";
    }
    return out + "</config>\n";
}

}  // namespace config
