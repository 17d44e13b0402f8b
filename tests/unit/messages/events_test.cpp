#include "drbdd/control/messages.h"

#include <gtest/gtest.h>

namespace {

using control::Event;
using control::ResourceStatus;

// As drbdsetup events2 --statistics prints it.
std::string line(const Event& event) {
    std::string text = event.action + " " + event.object;
    for (const Event::Fields* group : {&event.keys, &event.state, &event.statistics}) {
        for (const auto& [key, value] : *group) {
            text += " " + key + ":" + value;
        }
    }
    return text;
}

std::string lines(const std::vector<Event>& events) {
    std::string text;
    for (const Event& event : events) {
        text += line(event) + "\n";
    }
    return text;
}

ResourceStatus connected() {
    ResourceStatus resource;
    resource.name = "r1";
    control::DeviceStatus device;
    device.minor = 5;
    device.disk = "UpToDate";
    device.size = 40920;
    device.al_writes = 8;
    resource.devices = {device};
    control::PeerDeviceStatus peer_device;
    peer_device.cstate = "Connected";
    peer_device.peer_disk = "UpToDate";
    control::ConnectionStatus connection;
    connection.peer = "beta";
    connection.cstate = "Connected";
    connection.peer_role = "Secondary";
    connection.peer_devices = {peer_device};
    resource.connections = {connection};
    return resource;
}

TEST(Events, WhatExistsIsToldAsTheOriginalDoes) {
    EXPECT_EQ(lines(control::existing_events({{connected()}}, "")),
              "exists resource name:r1 role:Secondary suspended:no write-ordering:flush\n"
              "exists connection name:r1 peer-node-id:0 conn-name:peer connection:Connected "
              "role:Secondary congested:no\n"
              "exists device name:r1 volume:0 minor:5 disk:UpToDate size:40920 read:0 written:0 "
              "al-writes:8 bm-writes:0 upper-pending:0 lower-pending:0 al-suspended:no blocked:no\n"
              "exists peer-device name:r1 peer-node-id:0 conn-name:peer volume:0 "
              "replication:Established peer-disk:UpToDate resync-suspended:no received:0 sent:0 "
              "out-of-sync:0 pending:0 unacked:0\n"
              "exists -\n");
}

TEST(Events, AnotherResourceIsNotTold) {
    EXPECT_EQ(lines(control::existing_events({{connected()}}, "r2")), "exists -\n");
}

TEST(Events, ObjectsAppearAndVanishInTheOriginalsOrder) {
    const ResourceStatus resource = connected();
    std::string objects;
    for (const Event& event : control::change_events(nullptr, &resource)) {
        objects += event.action + " " + event.object + "\n";
    }
    EXPECT_EQ(objects, "create resource\ncreate device\ncreate connection\ncreate peer-device\n");
    EXPECT_EQ(lines(control::change_events(&resource, nullptr)),
              "destroy peer-device name:r1 peer-node-id:0 conn-name:peer volume:0\n"
              "destroy connection name:r1 peer-node-id:0 conn-name:peer\n"
              "destroy device name:r1 volume:0 minor:5\n"
              "destroy resource name:r1\n");
}

TEST(Events, AChangeNamesWhatChangedAndTheCounters) {
    const ResourceStatus before = connected();
    ResourceStatus after = before;
    after.role = "Primary";
    after.devices[0].disk = "Failed";
    after.connections[0].cstate = "NetworkFailure";
    after.connections[0].peer_role = "Unknown";
    after.connections[0].peer_devices[0].cstate = "NetworkFailure";
    after.connections[0].peer_devices[0].peer_disk = "DUnknown";
    EXPECT_EQ(lines(control::change_events(&before, &after)),
              "change resource name:r1 role:Primary\n"
              "change connection name:r1 peer-node-id:0 conn-name:peer connection:NetworkFailure "
              "role:Unknown\n"
              "change device name:r1 volume:0 minor:5 disk:Failed size:40920 read:0 written:0 "
              "al-writes:8 bm-writes:0 upper-pending:0 lower-pending:0 al-suspended:no blocked:no\n"
              "change peer-device name:r1 peer-node-id:0 conn-name:peer volume:0 replication:Off "
              "peer-disk:DUnknown received:0 sent:0 out-of-sync:0 pending:0 unacked:0\n");
}

TEST(Events, CountersAloneAreNoNews) {
    const ResourceStatus before = connected();
    ResourceStatus after = before;
    after.devices[0].written = 100;
    after.connections[0].peer_devices[0].sent = 100;
    EXPECT_TRUE(control::change_events(&before, &after).empty());
}

TEST(Events, ARunningResyncIsToldWithProgressAndEta) {
    ResourceStatus resource = connected();
    control::PeerDeviceStatus& peer_device = resource.connections[0].peer_devices[0];
    peer_device.cstate = "SyncTarget";
    peer_device.sync = {40920, 32816, 0, 0, 4000, 0, {1000, 2048}, {4000, 16384}, {}};
    const std::vector<Event> events = control::existing_events({{resource}}, "");
    EXPECT_EQ(line(events.at(3)),
              "exists peer-device name:r1 peer-node-id:0 conn-name:peer volume:0 "
              "replication:SyncTarget peer-disk:UpToDate resync-suspended:no done:19.80 received:0 "
              "sent:0 out-of-sync:0 pending:0 unacked:0 dbdt1:2.00 eta:16");
}

TEST(Events, HandlersAreToldWithTheirWaitStatus) {
    EXPECT_EQ(line(control::helper_call(connected(), 0, "split-brain")),
              "call helper name:r1 peer-node-id:0 conn-name:peer volume:0 minor:5 "
              "helper:split-brain");
    EXPECT_EQ(line(control::helper_response(connected(), {}, "fence-peer", 1024)),
              "response helper name:r1 peer-node-id:0 conn-name:peer helper:fence-peer "
              "status:1024");
}

TEST(Events, AreReadAsTheyWereWritten) {
    const Event event = control::helper_response(connected(), 0, "split-brain", 0);
    const auto read = control::parse_event(control::event_line(4, event));
    ASSERT_TRUE(read.has_value()) << read.error().text;
    EXPECT_EQ(read->id, 4u);
    EXPECT_EQ(line(read->event), line(event));
    EXPECT_FALSE(control::parse_event("{\"id\":4,\"event\":[]}").has_value());
    EXPECT_FALSE(control::parse_event("{\"id\":4,\"code\":0}").has_value());
}

}  // namespace
