// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string>

#include "lockstep/models/model.h"
#include "parallel/chunk_sums.h"

namespace lockstep {

class Dataset;
struct ReadBatch;

// What a model's metrics() says of the micro-batches it is trained with: the same numbers at any number of
// ranks.
class TrainingMetrics {
 public:
  // `micro_batches`: of a step, over all ranks; loss and label to ignore as in TargetOptions.
  TrainingMetrics(const Dataset& dataset, int micro_batches, LossKind loss,
                  std::optional<std::int64_t> ignore)
      : dataset_(dataset), micro_batches_(micro_batches), loss_(loss), ignore_(ignore) {}

  // Local. The step that follows is measured, or not.
  void begin(bool wanted);
  bool is_measuring() const { return wanted_; }
  // Local. Of one micro-batch of the step. Draws of metrics() do not change what the step draws.
  void measure(int micro_batch, Model& model, const torch::Tensor& output, const ReadBatch& read);
  // Collective where the step is measured. All but the loss, as "train_<name>".
  std::map<std::string, double> share(World& world);

 private:
  const Dataset& dataset_;
  int micro_batches_;
  LossKind loss_;
  std::optional<std::int64_t> ignore_;
  bool wanted_ = false;
  std::optional<ChunkSums> sums_;
};

}  // namespace lockstep
