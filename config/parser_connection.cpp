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
        take_value("file name");
        expect(';');
        refuse("'template-file'", place_of(keyword));
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
    if (keyword.is("host")) {
        connection.ends.push_back(parse_endpoint());
    } else if (keyword.is("path")) {
        std::vector<EndpointConf>& path = connection.paths.emplace_back();
        parse_block([&] {
            if (const Token end = take(); end.is("host")) {
                path.push_back(parse_endpoint());
            } else {
                fail_expected("host", end);
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

// Behind "host": NAME [address ADDRESS | port N] [via proxy on ... { ... }] ;
EndpointConf Parser::parse_endpoint() {
    EndpointConf end;
    end.place = place_of(peek());
    end.host = take_value("hostname");
    if (peek().is("address")) {
        take();
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
