// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/agree.h"

namespace lockstep {

// What the ranks want after a step; the larger is granted.
enum class Wish : int { kGoOn = 0, kSave = 1, kStop = 2 };

// Local. From here on USR1, TERM, INT and HUP ask this process to stop at the end of its step instead of
// ending it; a third signal ends it at once. One that the parent ignores stays ignored (nohup, a job in the
// background); one that it blocks is heard. Also ignores XFSZ, so that a file size limit is an error of
// write() with a message, and PIPE, so that a reader of the progress that ends does not cost the save.
void listen_for_stop_signals();

// Local. From here on the first stop signal is answered on standard error at once: a step can be long.
void answer_stop_signals();

// Local. The signal that asked first, 0 when none did.
int stop_signal_received();

// Collective. kStop when any rank was asked to stop: all stop after the same step. Else kSave when the clock
// of rank 0 asks for a save (`save_is_due`, ignored on the others): the next step is saved.
Agreed<Wish> ask_ranks(World& world, bool save_is_due);

}  // namespace lockstep
