// The agents IPaddr, IPaddr2, IPv6addr and SendArp: they behave as the original's do and take
// milliseconds. Heartbeat specification, 5.
//
//   IPaddr   ip[/mask[/nic[:label]][/broadcast]] [force|refuse] start|stop|status|monitor
//   IPaddr2  the same; no label unless one is given
//   IPv6addr ip[/prefix[/nic]] [force|refuse] ...
//   SendArp  ip/nic ...            announces only
//
// An address that was there before is as good as one that start sets, and stop leaves it where it
// is.
//
// When another machine answers for the address: by default the address is set all the same (the
// kernel of a dead node may go on answering) and the announcer says so in syslog; `refuse` asks the
// link for 240 ms before it is set and refuses, naming the MAC; `force` means the default.
#pragma once

#include "heartbeat/agents/address/announcer.h"

#include <string>
#include <vector>

namespace hb {

enum class AddressAgent { IPaddr, IPaddr2, IPv6addr, SendArp };

struct AddressCommand {
    AddressAgent agent = AddressAgent::IPaddr;
    AddressSpec spec;
    bool refuse_duplicate = false;
    std::string operation;
};

// `words` without the name of the program. Invalid: the text says what is expected.
base::Result<AddressCommand> parse_address_command(const std::string& agent,
                                                   const std::vector<std::string>& words);

// Where and how an address is to be set: what the command leaves open comes from the most specific
// route to the address. Pure.
base::Result<HeldAddress> place_address(const AddressCommand& command,
                                        const std::vector<HeldAddress>& held,
                                        const std::vector<Route>& routes);

AnnouncePlan plan_of(AddressAgent agent);

// The exit code (0 done, 1 failed, 2 wrong arguments, 3 status: not there). Prints one line.
int run_address_agent(const std::string& agent, const std::vector<std::string>& words);

}  // namespace hb
