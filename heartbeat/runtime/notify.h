// Tells systemd how we are (sd_notify), where it asks for that: NOTIFY_SOCKET is set.
#pragma once

namespace hb {

// "READY=1", "STOPPING=1".
void notify_systemd(const char* state);

}  // namespace hb
