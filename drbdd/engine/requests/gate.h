// Application writes start only while nothing forbids it. Each reason has a name, which `status
// --verbose` shows: why does this write wait? Design note 0001, rules 3 and 5.
#pragma once

#include "drbdd/engine/volume/meta_store.h"

#include <cstdint>
#include <optional>

namespace engine {

class Device;

enum class GateReason : std::uint8_t {
    Suspended,          // by the administrator
    Fencing,            // what a lost peer does is not known yet
    NoData,             // no good data are at hand
    Detaching,          // writes under way come to their end first
    PeerNotTold,        // the peer does not know yet that it has the only copy, or is behind
    GenerationAwaited,  // the peer is to begin the generation in which we write without a disk
    NotNamedPrimary,    // a crash would not replay the activity log: the superblock says Secondary
    GenerationUnstored,
    HandshakeOpen,  // a handshake or a full sync that begins decides first where the data are
    BitmapLeaves,   // a picture of the bitmap is being sent
    Attaching,
    Resizing,            // the metadata move to the disk's new end
    TooManyUnconfirmed,  // writes that the peer has not confirmed as durable
    SocketFull,
};

// "new-generation": one word each.
const char* name(GateReason reason);

class Gate {
public:
    explicit Gate(const Device& device) : device_(device) {}

    // Nothing of a new generation is started, and none of it completed, before this generation of
    // the metadata is durable.
    void hold_until(MetaStore::Generation generation) { hold_until_ = generation; }

    bool generation_stored() const;

    // The first reason that holds; nothing: writes may start.
    std::optional<GateReason> closed_by() const;

    bool open() const { return !closed_by(); }

private:
    const Device& device_;
    MetaStore::Generation hold_until_ = 0;
};

}  // namespace engine
