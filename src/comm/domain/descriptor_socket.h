// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "base/descriptor.h"

namespace lockstep {

// How processes of one user on one host hand each other open files: over sockets of the kernel's own name
// space, of which nothing is left on any disk. Local; nothing here throws: what fails is empty, or false.

// Listens under a name that nobody can guess; `name` becomes it.
Descriptor listen_for_descriptors(std::string& name);
// … to somebody who listens.
Descriptor connect_for_descriptors(const std::string& name);
// One that has connected, within seconds; empty also when it is another user's.
Descriptor accept_for_descriptors(const Descriptor& listener);
// The process at the other end; 0 where the kernel does not say.
pid_t process_at(const Descriptor& socket);

// `turn` is the receiver's too, or it takes nothing. A file in memory whose length changed on the way is not
// taken either. errno says why, or is 0.
bool send_descriptor(const Descriptor& socket, const Descriptor& file, std::uint64_t turn);
Descriptor receive_descriptor(const Descriptor& socket, std::uint64_t turn);

}  // namespace lockstep
