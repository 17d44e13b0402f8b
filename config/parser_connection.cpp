// What files in DRBD 9's style say about the connection of two hosts: `connection`, `path`,
// `connection-mesh`. Configuration specification, section 3.
#include "config/parser.h"

#include <utility>

namespace config {

namespace {

constexpr std::string_view kConnectionStatement =
    "host | address | path | net | disk | volume | skip";
constexpr std::string_view kMeshStatement = "hosts | net | skip";

}  // namespace

// False, and nothing taken after `keyword`, if it begins another statement.
bool Parser::parse_connection_statement(ResourceConf& resource, const Token& keyword) {
    if (keyword.is("connection")) {
        parse_connection(resource, place_of(keyword));
    } else if (keyword.is("connection-mesh")) {
        parse_mesh(resource, place_of(keyword));
    } else if (keyword.is("template-file")) {
        parse_template(resource, keyword);
    } else {
        return false;
    }
    return true;
}

void Parser::parse_connection(ResourceConf& resource, const Place& place) {
    ConnectionConf connection;
    connection.place = place;
    if (!peek().is('{')) {
        connection.name = take_value("connection name");
    }
    const std::string owner =
        resource.name + ":connection " + std::to_string(resource.connections.size());
    parse_block([&] { parse_in_connection(connection, owner); });
    resource.connections.push_back(std::move(connection));
}

void Parser::parse_in_connection(ConnectionConf& connection, const std::string& owner) {
    const Token keyword = take();
    const Place place = place_of(keyword);
    if (keyword.is("host") || keyword.is("address")) {
        connection.ends.push_back(parse_endpoint(keyword.is("host")));
    } else if (keyword.is("path")) {
        std::vector<EndpointConf>& path = connection.paths.emplace_back();
        parse_block([&] {
            if (const Token end = take(); end.is("host") || end.is("address")) {
                path.push_back(parse_endpoint(end.is("host")));
            } else {
                fail_expected("host | address", end);
            }
        });
    } else if (keyword.is("net")) {
        require_unique("net section", owner + ":net", place);
        parse_section(connection.net, Section::Net);
    } else if (keyword.is("disk")) {
        require_unique("disk section", owner + ":disk", place);
        parse_section(connection.disk, Section::Disk);
    } else if (keyword.is("volume")) {
        const auto number = static_cast<std::uint16_t>(take_number("volume", 0, kMaxVolume));
        parse_block([&] {
            if (const Token disk = take(); disk.is("disk")) {
                parse_section(connection.volumes[number], Section::Disk);
            } else {
                fail_expected("disk", disk);
            }
        });
    } else if (keyword.is("skip")) {
        skip_block();
    } else {
        fail_expected(kConnectionStatement, keyword);
    }
}

// Behind "host": NAME [address ADDRESS | port N] [via proxy on ... { ... }] ; behind "address" of a
// host that is not named: ADDRESS [via ...] ;
EndpointConf Parser::parse_endpoint(bool named) {
    EndpointConf end;
    end.place = place_of(peek());
    if (named) {
        end.host = take_value("hostname");
    }
    if (!named || peek().is("address")) {
        if (named) {
            take();
        }
        HostConf host;
        parse_address(host);
        end.address_family = host.address_family;
        end.address = host.address;
    } else if (peek().is("port")) {
        take();
        end.port = static_cast<std::uint16_t>(take_number("port", 1, 65535));
    }
    if (peek().is("via")) {
        refuse("'via proxy'", place_of(take()));
        skip_statement();
    } else {
        expect(';');
    }
    return end;
}

// A file with a `common` of its own, which this resource inherits from instead of the one that all
// others have.
void Parser::parse_template(ResourceConf& resource, const Token& keyword) {
    const std::string name = take_value("file name");
    expect(';');
    if (stopped_ || resource.name.empty()) {
        fail(keyword, "a template-file is that of a resource");
        return;
    }
    require_unique("template-file statement", resource.name + ":template-file", place_of(keyword));
    if (const char* limit = include_limit()) {
        fail(keyword, limit);
        return;
    }
    resource.template_file = files_.canonical(beside(name));
    base::Result<std::string> text = files_.read(resource.template_file);
    if (!text) {
        complain(place_of(keyword), "Failed to open template file '" + name + "'.");
        return;
    }
    std::vector<std::string>* const refusals = refusals_;
    std::optional<ResourceConf> common = std::exchange(out_.conf.common, std::nullopt);
    UniqueUses uses = std::exchange(uses_, {});
    parse_template_text(resource.template_file, std::move(*text));
    std::swap(out_.conf.common, common);
    uses_ = std::move(uses);
    refusals_ = refusals;
    if (common) {
        resource.common = std::make_shared<const ResourceConf>(std::move(*common));
    }
}

void Parser::parse_template_text(const std::string& name, std::string text) {
    parse_text(name, std::move(text), [&] {
        if (const Token keyword = take(); keyword.is("common")) {
            parse_common(keyword);
        } else {
            fail_expected("common", keyword);
        }
    });
}

void Parser::parse_mesh(ResourceConf& resource, const Place& place) {
    MeshConf mesh;
    mesh.place = place;
    const std::string owner = resource.name + ":mesh " + std::to_string(resource.meshes.size());
    parse_block([&] {
        const Token keyword = take();
        if (keyword.is("hosts")) {
            while (!stopped_ && !accept(';')) {
                mesh.hosts.push_back(take_value("hostname"));
            }
        } else if (keyword.is("net")) {
            require_unique("net section", owner + ":net", place_of(keyword));
            parse_section(mesh.net, Section::Net);
        } else if (keyword.is("skip")) {
            skip_block();
        } else {
            fail_expected(kMeshStatement, keyword);
        }
    });
    resource.meshes.push_back(std::move(mesh));
}

}  // namespace config
