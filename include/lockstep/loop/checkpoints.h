// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <concepts>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <variant>

#include "lockstep/loop/session.h"

namespace lockstep {

class DataParallel;

struct SaveOptions {
  std::int64_t steps = 0;        // updates of the whole run; after the last of them it is done
  std::int64_t every_steps = 0;  // 0: not by number
  double every_minutes = 10;     // 0: not by the clock. The last step, and that of a stop, are always saved
  std::int64_t keep_last = 3;
  std::int64_t keep_every = 0;    // those of steps divisible by this stay for ever; 0: none
  std::string best_metric = {};   // a name given to after(): the best by it is kept, and saved when it comes
  std::string best_mode = "min";  // min|max
  std::string layout = "auto";    // auto|consolidated|sharded
  bool beside = true;             // write while the loop goes on
  std::string resume = "auto";    // auto|must|never, or the path of a checkpoint
  std::int64_t log_every = 10;    // steps between two lines of metrics.jsonl
  bool tensorboard = false;       // write event files too
  std::string metadata = "{}";    // any JSON: goes into each checkpoint
  std::string on_nan = "stop";    // stop|keep: a loss that is NaN or infinite ends the run with 93, unsaved
};

enum class Stop { kNo, kStop };

// Crash-safe checkpoints of a loop of one's own, in a run directory that `lockstep status`, `report` and
// `ckpt` read: rank 0 commits what all ranks hold, and a run that is started again goes on behind the newest
// good one.
//
// What is added is saved as it is when after() is called. Copied beside the loop are only the parameters
// under a DataParallel and their optimizers' state, and their backward() waits for it: nothing changes them
// before. All else is copied before after() returns. A parameter that something else changes meanwhile is
// noticed by its version; that save is given up, with a warning and an event.
class Checkpoints {
 public:
  // Collective, verb. Takes the run directory `directory` (made if need be) for this process's life. The
  // session outlives it. Throws AgreedFault: 73 for a directory that cannot be used, 77 for one that another
  // job uses, 78 for options that make no sense.
  Checkpoints(Session& session, const std::string& directory, const SaveOptions& options);
  // The same in a program of one process, without a Session and without MPI. Throws Fault.
  Checkpoints(const std::string& directory, const SaveOptions& options);
  ~Checkpoints();
  Checkpoints(const Checkpoints&) = delete;
  Checkpoints& operator=(const Checkpoints&) = delete;

  // Local, before resume(). What is added outlives this; its name is its place in the checkpoint, and the
  // same at every start. What is wrong (a name that is taken, an optimizer of an unknown kind) the next verb
  // throws, as AgreedFault (78). Parameters and buffers, under PyTorch's names: those of the module called
  // "model" as they are, of any other behind "<name>.".
  Checkpoints& add(const std::string& name, torch::nn::Module& module);
  // State under torch.optim's names, and learning rates. Its parameters belong to modules that were added,
  // and it lists each once (each_once(net->parameters()) where weights are tied). Other options are the
  // program's: what differs from the checkpoint is said in a warning.
  Checkpoints& add(const std::string& name, torch::optim::Optimizer& optimizer);
  // The count of its steps.
  Checkpoints& add(const std::string& name, torch::optim::LRScheduler& scheduler);
  // The state of the optimizer inside (DataParallel::optimize_with); its module is added by itself.
  Checkpoints& add(const std::string& name, DataParallel& parallel);
  // Dense and real; of unsigned integers uint8. It may change its shape and dtype.
  Checkpoints& add(const std::string& name, torch::Tensor& tensor);
  Checkpoints& add(const std::string& name, std::string& text);
  // A number of the same kind at every start, integer or floating-point, and wide enough.
  template <class Number>
  requires std::integral<Number> || std::floating_point<Number> Checkpoints& add(const std::string& name,
                                                                                 Number& number) {
    if constexpr (std::integral<Number>)
      return add_number(name, {[&number] { return static_cast<std::int64_t>(number); },
                               [&number](const StoredNumber& value) {
                                 number = static_cast<Number>(std::get<std::int64_t>(value));
                               }});
    else
      return add_number(name, {[&number] { return static_cast<double>(number); },
                               [&number](const StoredNumber& value) {
                                 number = static_cast<Number>(std::get<double>(value));
                               }});
  }

  // Collective, verb, once, after all was added and before the first step. Fills what was added from the
  // newest good checkpoint, where there is one. Returns the step to go on with: 0 for a new run, `steps` for
  // one that is done. Modules are in the mode they were saved in. From here on each step begins with
  // LibTorch's default generator set by the program's own seed and the step. Throws AgreedFault: 65 no valid
  // checkpoint where there must be one, 78 when it does not fit what was added.
  std::int64_t resume();

  // Collective, verb, after each step (0-based) in turn. It completes update `step` + 1, which names the
  // checkpoint. `values` are of this step, and the same on all ranks: "loss" and "lr" have places of their
  // own, all others are metrics. Saves when it is due, for a stop, and at the end: then also DONE and
  // weights.h5. kStop: leave the loop and return from main; what there is to save is saved, and run_job()
  // makes 75 of it. Throws AgreedFault: 70 when what was added differs between the ranks, 74 when storage
  // failed, 93 for a loss that is not finite.
  [[nodiscard]] Stop after(std::int64_t step, const std::map<std::string, double>& values = {});

  // Local. Names the newest committed checkpoint: its step, 0 when there is none.
  std::int64_t last_saved() const;

 private:
  using StoredNumber = std::variant<std::int64_t, double>;
  struct NumberAccess {
    std::function<StoredNumber()> get;
    std::function<void(const StoredNumber&)> set;
  };
  Checkpoints& add_number(const std::string& name, NumberAccess access);

  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lockstep
