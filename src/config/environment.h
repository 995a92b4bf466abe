// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "comm/options.h"
#include "lockstep/base/units.h"
#include "run/options.h"
#include "supervise/slurm/options.h"

namespace lockstep {

// The only place that reads the environment. All functions are Local and read it anew at every call.

// Did mpirun or srun --mpi=pmix start this process? (OMPI_COMM_WORLD_SIZE, PMIX_RANK, or SLURM_PROCID with
// SLURM_STEP_ID.) A shell inside a Slurm batch job alone is no launcher.
LaunchOptions launch_options();

// LOCKSTEP_GRACE_S and LOCKSTEP_END_TIME: when a stop has to be over, set by the supervisor. Throws Fault
// (64) for what is not a number of seconds.
StopTimes stop_times();

// LOCKSTEP_FAULT: the plan for arm_fault_points(); empty when not set.
std::string fault_plan();

// LOCKSTEP_TERMINAL, which launch/run sets because a rank under mpirun cannot see the terminal; empty when it
// does not say.
std::optional<bool> launcher_terminal();

// Can the terminal move its cursor back? Not where TERM is missing or "dumb".
bool terminal_can_redraw();

// Do LC_ALL, LC_CTYPE or LANG, the first that is set, say UTF-8?
bool terminal_speaks_utf8();

// HOME; empty where it is not set, as for a user of a container that has a number only.
std::string home_directory();

// What the launcher says, before MPI has: which rank this is (0 without a launcher), and is it the one that
// speaks for the job?
Rank rank_by_launcher();
bool is_first_process();

// LOCKSTEP_SUPERVISOR: where `lockstep run` listens (run/supervisor_line.h); empty without one.
std::string supervisor_address();

// LOCKSTEP_GATE: where the ranks of an attempt that has not begun wait (run/gate.h); empty where it has.
std::string gate_path();

// SLURM_JOB_ID: who holds the run lock; empty outside a batch job.
std::string batch_job_id();

// SLURM_ARRAY_TASK_ID; empty outside a task of a Slurm array.
std::string array_task();

// What Slurm says to a batch job: SLURM_JOB_ID and its relatives.
SlurmPlace slurm_place();

// What `lockstep run` asks: LOCKSTEP_BIN, the program of the ranks, empty for its own;
// LOCKSTEP_RUN_BACKOFF_MS, the unit of its pauses (throws Fault 64 for what is no number); TMPDIR, else /tmp;
// PATH.
std::string rank_binary();
std::chrono::milliseconds first_restart_pause();
std::string temporary_folder();
std::string search_path();

// "MKL_CBWR=AVX2 ONEDNN_MAX_CPU_ISA=AVX2": what is set of the variables by which MKL, oneDNN, LibTorch,
// cuBLAS and the C library choose kernels. Empty where nothing is, and each chooses by the processor.
std::string kernel_choice();

// Names and values a report may show: those on a fixed list that are set. A value whose name is that of a
// secret is masked.
std::vector<std::pair<std::string, std::string>> reportable_environment();

}  // namespace lockstep
