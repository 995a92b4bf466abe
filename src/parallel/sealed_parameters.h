// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <signal.h>
#include <torch/torch.h>

#include <cstddef>
#include <string>
#include <vector>

#include "parallel/arena.h"

namespace lockstep {

// Trainable parameters of which ranks have one copy: the model sees them through memory that can be read
// only, whoever updates them writes through a second mapping of the same pages. A store by anybody else, a
// model, a hook, through LibTorch or past it, would be made once by each rank: it ends the job (78) where it
// happens, and names the parameter. Local.
class SealedParameters {
 public:
  // `arena`, which outlives it, lies in common. `texts`: for each of its trainable(), what is said; mostly
  // all ranks would say it, so who does not speak first waits to be ended by the one that does. Throws Fault
  // (69).
  SealedParameters(const ModelArena& arena, std::vector<std::string> texts, bool speaks_first);
  ~SealedParameters();
  SealedParameters(const SealedParameters&) = delete;
  SealedParameters& operator=(const SealedParameters&) = delete;

  // As ModelArena::trainable_values(), to be written.
  const torch::Tensor& writable() const { return writable_; }
  void seal();

 private:
  static void on_fault(int signal, siginfo_t* info, void* context);
  static const char* text_of_any(const void* address);
  const char* text_at(const void* address) const;

  const ModelArena& arena_;
  std::vector<std::string> texts_;
  bool speaks_first_;
  std::byte* memory_;
  std::size_t bytes_;
  torch::Tensor writable_;
  bool is_sealed_ = false;
  SealedParameters* next_ = nullptr;  // of all that are sealed
};

}  // namespace lockstep
