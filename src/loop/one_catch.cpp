// SPDX-License-Identifier: Apache-2.0
#include "loop/one_catch.h"

#include <chrono>
#include <thread>

#include "base/foreign_exception.h"
#include "comm/agree.h"
#include "comm/launch/job.h"
#include "config/environment.h"
#include "lockstep/base/error.h"
#include "lockstep/base/log.h"
#include "loop/standard_streams.h"
#include "run/supervisor_line.h"

namespace lockstep {
namespace {

// Once one rank has ended the launcher ends the others: the one that speaks goes first.
constexpr auto kFirstSpeaks = std::chrono::seconds(1);
// A disk that does not answer keeps nobody from leaving.
constexpr auto kLastLines = std::chrono::seconds(2);

// The end of a rank that fails alone: its message goes out whatever the log is set to, and the others are
// ended too.
[[noreturn]] void end_alone(ExitCode code, const std::string& message) {
  supervisor_line().fault(code, message);
  print_error("lockstep: error: " + printable(message) + "\n");
  flush_log(kLastLines);
  abort_job(code);
}

// What is neither ours nor expected. A host that is too small fails several ranks in the same moment, and one
// of them says it.
[[noreturn]] void end_by_foreign(const char* doing) {
  try {
    const ForeignException thrown = foreign_exception();
    if (thrown.kind != ForeignException::Kind::kOutOfMemory) end_alone(ExitCode::kBug, thrown.text);
    throw out_of_memory(thrown, doing, "Make model, batch or samples smaller");
  } catch (const Fault& fault) {
    if (!is_first_process()) std::this_thread::sleep_for(kFirstSpeaks);
    end_alone(fault.code(), fault.what());
  }
}

}  // namespace

int with_the_one_catch(const char* doing, const std::function<int()>& work) {
  try {
    const int code = work();
    finish_output();
    leave_job();
    return code;
  } catch (const AgreedFault& fault) {
    if (is_first_process()) supervisor_line().fault(fault.code(), fault.what());
    log_error("{}", fault.what());
    leave_job();
    return static_cast<int>(fault.code());
  } catch (const Fault& fault) {
    // All ranks were given the same words: one of them says what is wrong with these.
    if (fault.code() == ExitCode::kUsage && !is_first_process()) {
      std::this_thread::sleep_for(kFirstSpeaks);
      abort_job(fault.code());
    }
    end_alone(fault.code(), fault.what());
  } catch (const Bug& bug) {
    end_alone(ExitCode::kBug, bug.what());
  } catch (...) {
    end_by_foreign(doing);
  }
}

}  // namespace lockstep
