// SPDX-License-Identifier: Apache-2.0
#include "loop/opened_run.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <map>

#include "base/descriptor.h"
#include "comm/agree.h"
#include "comm/launch/job.h"
#include "config/environment.h"
#include "lockstep/base/clock.h"
#include "lockstep/base/error.h"
#include "lockstep/base/fault_point.h"
#include "lockstep/base/log.h"
#include "loop/compute_device.h"
#include "loop/standard_streams.h"
#include "run/supervisor_line.h"

namespace lockstep {
namespace {

// That, and the watchdog's events in the journal of the run. For every rank: one that has lost rank 0 tells
// of it.
WatchSink watch_events(const std::string& run_directory, Attempt attempt) {
  return
      [run_directory, attempt](const std::string& event, const std::map<std::string, std::string>& fields) {
        // The supervisor first: the disk may be what is wrong.
        watch_alarm()(event, fields);
        // A journal of its own, since the watchdog's threads call.
        Journal(real_disk(), real_clock(), run_directory, attempt).event(event, fields);
      };
}

// Progress that nobody can read any more, as behind `| head`, is no reason to end a run. Said once.
Progress::Sink print_or_warn() {
  return [lost = false](const std::string& text) mutable {
    if (try_print(text) || lost) return;
    lost = true;
    log_warning("progress cannot be written to standard output; training goes on, metrics.jsonl has it");
  };
}

// mpirun gives its first rank a terminal of its own, whatever mpirun's output goes to. So under a launcher
// the parent's output has to be one too.
bool writes_to_terminal() {
  if (::isatty(1) == 0 || !launch_options().launched) return ::isatty(1) == 1;
  const Descriptor output(
      ::open(fmt::format("/proc/{}/fd/1", ::getppid()).c_str(), O_WRONLY | O_NOCTTY | O_CLOEXEC));
  return output.get() >= 0 && ::isatty(output.get()) == 1;
}

// A disk that does not answer is named, on standard error and in the log while it does not, and in
// events.jsonl as soon as it does.
void tell_slow(const SlowOperation& operation) {
  log_warning("storage is slow: {} of {} {} {:.1f} s{}", operation.name, operation.path,
              operation.answered ? "took" : "has not answered for", operation.seconds,
              operation.answered ? "" : "; training goes on until it needs the disk");
}

void record_slow(Journal& journal, const SlowOperation& operation) {
  journal.event("storage_slow", {{"operation", operation.name},
                                 {"file", operation.path},
                                 {"seconds", fmt::format("{:.3f}", operation.seconds)},
                                 {"answered", operation.answered ? "yes" : "not yet"}});
}

// For rank 0; `disk` tells its slow operations from here on.
Reporter make_reporter(const World& world, const RunToOpen& run, const RunDirectory& directory,
                       WatchedDisk& disk) {
  Progress::Options progress;
  progress.global_batch = run.global_batch;
  progress.terminal = launcher_terminal().value_or(writes_to_terminal()) && terminal_can_redraw();
  Journal journal(disk, real_clock(), directory.path(), directory.attempt());
  if (run.tensorboard) journal.write_tensorboard();
  disk.tell([journal](const SlowOperation& operation) mutable {
    tell_slow(operation);
    record_slow(journal, operation);
  });
  Reporter reporter(std::move(journal), Progress(real_clock(), progress, print_or_warn()), run.log_every);
  reporter.time_phases(world.shared_watch());
  return reporter;
}

// From here on a rank's log, the supervisor and the watchdog have the run to speak of.
void begin_to_speak(const World& world, const OpenedRun& run) {
  configure_log({.prefix = world.is_root() ? "" : fmt::format("[rank {}] ", world.rank().value),
                 .file = fmt::format("{}/log/rank-{:05}.log", run.directory, world.rank().value),
                 .to_stderr = world.is_root()});
  if (world.is_root())
    supervisor_line().started({std::filesystem::absolute(run.directory), run.attempt, world.size().value});
  report_watch_to(watch_events(run.directory, run.attempt));
}

}  // namespace

WatchSink watch_alarm() {
  return [](const std::string& event, const std::map<std::string, std::string>& fields) {
    if (event != "hang" && event != "rank_lost") return;
    const auto host = fields.find("host");
    supervisor_line().fault(ExitCode::kPeerLost, fields.at("cause"),
                            host == fields.end() ? "" : host->second);
  };
}

World join_speaking(JoinOptions options) {
  configure_log({.prefix = "", .file = "", .to_stderr = is_first_process()});  // until ranks are known
  options.device.current_stream = current_cuda_stream;
  World world = join_world(options);
  report_watch_to(watch_alarm());
  configure_log({.prefix = "", .file = "", .to_stderr = world.is_root()});
  return world;
}

OpenedRun open_run(World& world, const RunToOpen& wanted) {
  OpenedRun run;
  run.disk = std::make_unique<WatchedDisk>(real_disk());
  together(world, [&] { run.directory = behind_links(wanted.dir); });
  on_root(world, [&] {
    run.run_directory = std::make_unique<RunDirectory>(
        real_disk(), RunDirectoryOptions{wanted.name, run.directory, wanted.config_text, batch_job_id()});
  });
  run.run_id = agree_on_root(world, run.run_directory ? run.run_directory->run_id() : "").value;
  run.attempt = agree_max(world, run.run_directory ? run.run_directory->attempt() : Attempt(0)).value;
  begin_to_speak(world, run);
  arm_fault_points(fault_plan(), {world.rank().value, run.attempt.value});
  fault_point("startup");
  run.disk->tell(tell_slow);
  on_root(world, [&] { run.reporter = make_reporter(world, wanted, *run.run_directory, *run.disk); });
  return run;
}

}  // namespace lockstep
