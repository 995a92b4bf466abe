// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

#include "run/options.h"

namespace lockstep {

// Note [stop requests]. TERM, USR1 and HUP ask to save and stop, and asking again, however often, takes
// nothing back: Slurm sends TERM CONT TERM USR1 within 20 ms, and all of it means one thing. Only INT counts,
// because a person presses it: the first asks, the second is told what the first waits for, the third ends
// the process at once. USR2 asks for a save, and the run goes on.

// Local. From here on these signals are heard. One that the parent ignores stays ignored (nohup, a job in the
// background); one that it blocks is heard, also when it came before. Also ignores XFSZ, so that a file size
// limit is an error of write() with a message, and PIPE, so that a reader of the progress that ends does not
// cost the save.
void listen_for_stop_signals();

// Local. From here on a request is answered on standard error at once: a step can be long. Said once for all
// that arrives within a second.
void answer_stop_signals();

// Local. How much time a request leaves; called at most once, before the first question.
void limit_stops(const StopTimes& times);

// Local. The signal that asked first, 0 when none did.
int stop_signal_received();

// Local. Seconds until what asked ends this process; empty when nothing says so. After TERM or HUP the grace
// counts, from the first one. After USR1 the end of the job or, where that is not known, the grace. After INT
// the end of the job. Never less than 0.
std::optional<double> stop_seconds_left();

// Local. Was a save asked for (USR2) since this was last called? Not within a second of a save that was
// granted: the ranks hear one request at slightly different times.
bool take_save_request();
// Local, on every rank: all of them save now.
void note_save_granted();

// What a stop waits for, for those who ask.
enum class StopWait : int { kStartUp, kStep, kSave };
// Local. `save_s`: how long a save takes, by those before; 0 when not known.
void note_stop_wait(StopWait what, std::int64_t step, double save_s);

}  // namespace lockstep
