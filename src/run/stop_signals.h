// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace lockstep {

// Local. From here on USR1, TERM, INT and HUP ask this process to stop at the end of its step instead of
// ending it; a third signal ends it at once. One that the parent ignores stays ignored (nohup, a job in the
// background); one that it blocks is heard. Also ignores XFSZ, so that a file size limit is an error of
// write() with a message, and PIPE, so that a reader of the progress that ends does not cost the save.
void listen_for_stop_signals();

// Local. From here on the first stop signal is answered on standard error at once: a step can be long.
void answer_stop_signals();

// Local. The signal that asked first, 0 when none did.
int stop_signal_received();

}  // namespace lockstep
