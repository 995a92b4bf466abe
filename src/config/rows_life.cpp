// SPDX-License-Identifier: Apache-2.0
#include "config/rows.h"

namespace lockstep {

std::vector<Row> dist_rows() {
  return {
      row("dist.backend", &RunConfig::dist, &DistOptions::backend)
          .one_of({"auto", "mpi", "nccl"})
          .may_change()
          .says("What moves gradients; auto: nccl on cuda devices, else mpi."),
      // Fixed: the sums of the two differ in their last bits, and a run promises the same bits all along.
      row("dist.reduce", &RunConfig::dist, &DistOptions::reduce)
          .one_of({"exact", "fast"})
          .says("exact: the same bits on any number of ranks; fast: the backend's own all-reduce."),
      row("dist.shared_memory", &RunConfig::dist, &DistOptions::shared_memory)
          .may_change()
          .says("Ranks of one host sum gradients in memory that they have in common, and keep one copy of "
                "parameters and optimizer state (reduce: exact, on a CPU); false: they send each other "
                "messages. "
                "The bits are the same."),
      row("dist.domain", &RunConfig::dist, &DistOptions::domain)
          .one_of({"host", "numa"})
          .may_change()
          .says(
              "Which ranks have memory in common: all of a host, or those that are bound to one of its NUMA "
              "nodes. Sums of several domains travel as messages, as those of several hosts do. The bits are "
              "the same."),
      row("dist.overlap", &RunConfig::dist, &DistOptions::overlap)
          .one_of({"auto", "on", "off"})
          .may_change()
          .says(
              "Where messages move gradients, from rank to rank or between hosts (dist.domain), those leave "
              "during the backward pass of a rank's last micro-batch. auto: on a CPU only where each rank "
              "has a core more than train.threads for the thread that sends them; always on a GPU. The bits "
              "of reduce: exact are the same."),
      row("dist.bucket_mb", &RunConfig::dist, &DistOptions::bucket_mb)
          .in(above(0), "MiB")
          .may_change()
          .says("Gradients that leave together during backward; of the first ones at most 1 MiB."),
  };
}

std::vector<Row> memory_rows() {
  return {
      row("memory.keep", &RunConfig::memory, &MemoryOptions::keep)
          .may_change()
          .says("On a CPU, what a step frees stays mapped for the next, which finds it without page faults; "
                "idle memory is bounded. The bits of a run are the same."),
  };
}

std::vector<Row> run_life_rows() {
  return {
      // A path like others, but for the three words.
      row("resume.mode", &RunConfig::resume, &ResumeOptions::mode)
          .as(KeyKind::kPath)
          .one_of({"auto", "must", "never"})
          .may_change()
          .says("auto: from the newest valid checkpoint, if any; must: or fail; never: start anew, leaving "
                "older ones aside; or a "
                "checkpoint, a run directory or its ckpt (the newest there), or a latest or best in it."),
      row("resume.allow_changes", &RunConfig::resume, &ResumeOptions::allow_changes)
          .may_change()
          .says(
              "Keys or sections that may differ on resume although they usually may not; model.frozen: which "
              "parameters have requires_grad."),
      row("watch.limit_s", &RunConfig::watch, &WatchOptions::limit_s)
          .in(above(0), "seconds")
          .zero_is_unset()
          .may_change()
          .says(
              "How long a phase of a step may take, or a rank say nothing, before the job ends with 76. Not "
              "given: ten times the longest so far, at least watch.floor_s."),
      row("watch.floor_s", &RunConfig::watch, &WatchOptions::floor_s)
          .in(above(0), "seconds")
          .may_change()
          .says("The least of the learned limits."),
      row("watch.replica_hash_every", &RunConfig::watch, &WatchOptions::replica_hash_every)
          .in(between(0, 1e9), "steps")
          .may_change()
          .says("The ranks compare a slice of their copies of parameters and optimizer state in every step, "
                "all "
                "of it within so many steps, and the whole state before a save is committed; a copy that "
                "differs ends the run with 70. 0: they do not."),
      row("log.every_steps", &RunConfig::log, &LogIntervals::every_steps)
          .in(between(1, 1e15), "steps")
          .may_change()
          .says("Steps between lines of metrics.jsonl and of the log."),
      row("log.tensorboard", &RunConfig::log, &LogIntervals::tensorboard)
          .may_change()
          .says(
              "Also write what metrics.jsonl has as TensorBoard's event files, to tb/ in the run directory."),
  };
}

}  // namespace lockstep
