// The configuration of a resource in the engine's terms.
#pragma once

#include "config/settings.h"
#include "drbdd/engine/effects.h"
#include "drbdd/engine/settings.h"
#include "drbdd/runtime/tcp_transport.h"

namespace runtime {

engine::ResourceSettings engine_settings(const config::ResourceSettings& settings);

// What the peer has changed, in the words of the file.
void adopt(config::NetSettings& net, const engine::SettingsAdopted& adopted);

TcpSettings tcp_settings(const config::ResourceSettings& settings);

}  // namespace runtime
