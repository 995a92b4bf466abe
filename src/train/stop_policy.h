// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/agree.h"

namespace lockstep {

enum class Stop : int { kNo = 0, kRequested = 1 };

// Local. From here on USR1, TERM, INT and HUP ask this process to stop at the end of its step instead of
// ending it; a third signal ends it at once. Also ignores XFSZ, so that a file size limit is an error of
// write() with a message.
void listen_for_stop_signals();

// Local. From here on the first stop signal is answered on standard error at once: a step can be long.
void answer_stop_signals();

// Local. The signal that asked first, 0 when none did.
int stop_signal_received();

// Collective. kRequested when any rank was asked to stop: all stop after the same step.
Agreed<Stop> ask_to_stop(World& world);

}  // namespace lockstep
